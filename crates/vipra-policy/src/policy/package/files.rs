//! The files of a package, read as far as they can be, with everything that is wrong with them.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::Path;

use serde::Deserialize;

use super::{FILES, FORMAT, Manifest, POLICY_FILE};

/// Characters of a hash that name a model.
const FINGERPRINT_LENGTH: usize = 16;

/// The files of a package.
pub(super) struct Files<'a> {
    folder: &'a Path,
    /// Hash of each file that is there.
    hashes: BTreeMap<&'static str, String>,
    /// What is wrong with them.
    pub(super) faults: Vec<String>,
}

/// Reads `policy.json`, without which nothing can be said of a package.
pub(super) fn read_manifest(folder: &Path) -> Result<Manifest, String> {
    let manifest = std::fs::read(folder.join(POLICY_FILE)).map_err(|error| not_there(folder, &error))?;
    serde_json::from_slice(&manifest).map_err(|error| {
        let advice = "if another version of the program wrote it, finetuning writes it again";
        format!("{POLICY_FILE} is not understood, {error}; {advice}")
    })
}

/// Why there is no manifest in a folder, and what to do.
fn not_there(folder: &Path, error: &std::io::Error) -> String {
    let is_training = folder.join("checkpoints").is_dir() || folder.join("stages").is_dir();
    match (folder.exists(), is_training) {
        (false, _) => "there is no such folder".to_owned(),
        (_, true) => "no finished finetuning here: it would have left a folder `package`".to_owned(),
        (true, false) => format!("{POLICY_FILE} cannot be read: {error}"),
    }
}

impl<'a> Files<'a> {
    /// Notes files that are missing or not the `expected` ones, and a form that is not known.
    pub(super) fn check(folder: &'a Path, format: u32, expected: &BTreeMap<String, String>) -> Self {
        let (mut hashes, mut faults) = (BTreeMap::new(), Vec::new());
        if format != FORMAT {
            faults.push(format!("its format is {format}, known is {FORMAT}"));
        }
        for name in FILES {
            match hash_of(&folder.join(name)) {
                Err(error) => faults.push(format!("{name} is missing: {error}")),
                Ok(hash) => {
                    if expected.get(name) != Some(&hash) {
                        faults.push(format!("{name} is not the file that the package was written with"));
                    }
                    hashes.insert(name, hash);
                }
            }
        }
        Self { folder, hashes, faults }
    }

    /// A file as `parse` has it; nothing if it is missing or broken, which is noted once.
    pub(super) fn read<T, E: Display>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&Path) -> Result<T, E>,
    ) -> Option<T> {
        self.hashes.get(name)?;
        let read = parse(&self.folder.join(name));
        read.map_err(|error| self.faults.push(format!("{name} is not understood: {error}"))).ok()
    }

    /// As [`read`](Self::read), of text.
    pub(super) fn read_text<T, E: Display>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        self.read(name, |path| {
            let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
            parse(&text).map_err(|error| error.to_string())
        })
    }

    /// As [`read`](Self::read), of JSON.
    pub(super) fn read_json<T: for<'de> Deserialize<'de>>(&mut self, name: &'static str) -> Option<T> {
        self.read_text(name, |text| serde_json::from_str(text))
    }

    /// The hash by which a model is known, if its file is there.
    pub(super) fn fingerprint(&self, name: &str) -> Option<String> {
        self.hashes.get(name).map(|hash| hash.chars().take(FINGERPRINT_LENGTH).collect())
    }
}

/// Hash of a file, of which no more than a part is in memory at a time.
pub(super) fn hash_of(file: &Path) -> std::io::Result<String> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(std::fs::File::open(file)?)?;
    Ok(hasher.finalize().to_hex().to_string())
}
