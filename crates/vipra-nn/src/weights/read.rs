//! Reading a weights file of whatever format.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::store::Weights;
use crate::{Error, Result};

/// What is being done, for errors.
pub(super) const READING: &str = "reading weights";

/// So much of a file tells what it is: the mark of a TAR archive stands farthest from the beginning.
const BEGINNING: usize = 262;

/// The longest header that the safetensors library reads.
const LONGEST_HEADER: u64 = 100_000_000;

enum Format {
    Safetensors,
    Pytorch,
}

impl Weights {
    /// Reads a safetensors file or a checkpoint of PyTorch. What the file holds decides, not its name.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::UnknownFormat`], [`Error::Safetensors`], [`Error::Pytorch`].
    pub fn read(path: &Path) -> Result<Self> {
        let mut beginning = Vec::with_capacity(BEGINNING);
        File::open(path)
            .and_then(|file| file.take(BEGINNING as u64).read_to_end(&mut beginning))
            .map_err(|error| Error::io(READING, path, error))?;
        match format(&beginning) {
            Some(Format::Safetensors) => Self::read_safetensors(path),
            Some(Format::Pytorch) => Self::read_pytorch(path),
            None => Err(Error::UnknownFormat { path: path.to_path_buf() }),
        }
    }
}

fn format(beginning: &[u8]) -> Option<Format> {
    // The length of the header, then the header, a JSON object. First, since a length can begin like a pickle.
    if let Some((length, header)) = beginning.split_first_chunk::<8>()
        && u64::from_le_bytes(*length) <= LONGEST_HEADER
        && header.first() == Some(&b'{')
    {
        return Some(Format::Safetensors);
    }
    let zip = beginning.starts_with(b"PK");
    let tar = beginning.get(BEGINNING - 5..) == Some(b"ustar");
    // The operation with which every pickle since protocol 2 begins.
    let pickle = beginning.starts_with(b"\x80");
    (zip || tar || pickle).then_some(Format::Pytorch)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::Weights;
    use crate::Error;

    #[test]
    fn the_content_decides() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights.pt");
        let mut weights = Weights::new("made up");
        // Headers of all lengths, among them those that begin like a pickle (0x80) or an archive (0x50).
        for length in 0..300 {
            weights.metadata.insert("filling".to_owned(), "-".repeat(length));
            weights.insert("a", vec![1], vec![length as f32]);
            weights.write_safetensors(&path).unwrap();
            assert_eq!(Weights::read(&path).unwrap().metadata, weights.metadata);
        }
        for name in ["bare.pt", "legacy.pt", "model.pt"] {
            let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pytorch").join(name);
            std::fs::copy(fixture, folder.path().join("weights.safetensors")).unwrap();
            let weights = Weights::read(&folder.path().join("weights.safetensors")).unwrap();
            assert!(weights.shape("layer.weight").is_some(), "{name}");
        }
    }

    #[test]
    fn other_files_are_named_as_such() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights.pt");
        let contents: [&[u8]; 4] = [b"", b"<!DOCTYPE html>", b"{\"json\": 1, \"long\": \"enough\"}", &[0; 400]];
        for content in contents {
            std::fs::write(&path, content).unwrap();
            let error = Weights::read(&path).unwrap_err();
            assert!(matches!(error, Error::UnknownFormat { .. }), "{error}");
        }
        std::fs::write(&path, b"PK\x03\x04 an archive?").unwrap();
        assert!(matches!(Weights::read(&path), Err(Error::Pytorch { .. })));
        assert!(matches!(Weights::read(&folder.path().join("none")), Err(Error::Io { .. })));
    }
}
