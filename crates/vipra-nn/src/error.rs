//! The one error type of this crate.

use std::path::{Path, PathBuf};

/// What this crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong between a configuration or a weights file and a module that computes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused.
    #[error("{doing}: {error}: {}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// What the system said. Part of the message, and therefore not a source of its own.
        error: std::io::Error,
        /// The file.
        path: PathBuf,
    },
    /// A file that is not safetensors, or is cut short.
    #[error("not a readable safetensors file: {reason}: {}", path.display())]
    Safetensors {
        /// What the reader said.
        reason: String,
        /// The file.
        path: PathBuf,
    },
    /// A file that is no checkpoint of PyTorch, or is damaged, or holds tensors in a form that is not read.
    #[error("not a readable PyTorch checkpoint: {reason}: {}", path.display())]
    Pytorch {
        /// What the reader said.
        reason: String,
        /// The file.
        path: PathBuf,
    },
    /// A file that begins like none of the formats.
    #[error("neither a safetensors file nor a PyTorch checkpoint: {}", path.display())]
    UnknownFormat {
        /// The file.
        path: PathBuf,
    },
    /// A tensor of a type that no module holds.
    #[error("tensor `{name}` has type {dtype}, which is not read: {}", path.display())]
    DType {
        /// The tensor's name in the file.
        name: String,
        /// Its type, as the file calls it.
        dtype: String,
        /// The file.
        path: PathBuf,
    },
    /// Two parameters of a module that the rules of its names call the same.
    #[error("two parameters are both called `{name}` in the file")]
    Duplicate {
        /// The name.
        name: String,
    },
    /// A device that did not give a parameter out.
    #[error("parameter `{name}` could not be read from its device: {reason}")]
    Readback {
        /// The parameter's name in a file.
        name: String,
        /// What the device said.
        reason: String,
    },
    /// The names or shapes in a weights file are not those of the module. All of them are listed, not only the first.
    #[error("{}", describe(missing, unexpected, misshapen, source_name))]
    Mismatch {
        /// Names that the module needs and the file lacks, sorted.
        missing: Vec<String>,
        /// Names that the file has and the module does not know, sorted.
        unexpected: Vec<String>,
        /// Names whose shapes differ, sorted by name.
        misshapen: Vec<ShapeMismatch>,
        /// Where the weights came from.
        source_name: String,
    },
    /// A device that is not there.
    #[error("{reason}")]
    Device {
        /// The name that was asked for.
        name: String,
        /// That it is not there, why not, and what there is.
        reason: String,
    },
    /// A configuration that makes no sense.
    #[error("{0}")]
    Invalid(String),
}

/// One tensor whose shape in the file is not the module's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShapeMismatch {
    /// The name in the file.
    pub name: String,
    /// The shape that the module needs, in the file's layout.
    pub expected: Vec<usize>,
    /// The shape in the file.
    pub found: Vec<usize>,
}

impl Error {
    pub(crate) fn io(doing: &'static str, path: &Path, error: std::io::Error) -> Self {
        Self::Io { doing, error, path: path.to_path_buf() }
    }
}

/// One line that names every fault: a checkpoint of another configuration usually has many, and the pattern in them
/// tells which field differs.
fn describe(missing: &[String], unexpected: &[String], misshapen: &[ShapeMismatch], source_name: &str) -> String {
    let mut parts = Vec::new();
    if !missing.is_empty() {
        parts.push(format!("missing: {}", missing.join(", ")));
    }
    if !unexpected.is_empty() {
        parts.push(format!("unexpected: {}", unexpected.join(", ")));
    }
    if !misshapen.is_empty() {
        let shapes: Vec<String> = misshapen
            .iter()
            .map(|fault| format!("{} (expected {:?}, found {:?})", fault.name, fault.expected, fault.found))
            .collect();
        parts.push(format!("of another shape: {}", shapes.join(", ")));
    }
    format!("weights do not fit the model: {}: {source_name}", parts.join("; "))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::Error;

    #[test]
    fn what_the_system_said_is_told_once() {
        let error = Error::io("reading weights", Path::new("a.safetensors"), std::io::Error::other("refused"));
        assert_eq!(error.to_string(), "reading weights: refused: a.safetensors");
        assert!(std::error::Error::source(&error).is_none());
    }
}
