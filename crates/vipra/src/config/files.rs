//! Files of weights that a configuration names: what they hold counts, not where they lie.

use std::fs::File;
use std::path::Path;

use serde_json::Value;

use super::Config;
use super::recipe::{at, remove};
use crate::stage::Stage;

/// Keys that name files.
pub const FILE_KEYS: [&str; 8] = [
    "tokenizer.weights",
    TEXT_MODEL,
    "tokenizer.loss.perceptual.convolutions",
    "tokenizer.loss.perceptual.heads",
    "laq.spatial_encoder_weights",
    "laq.loss.flow.weights",
    "laq.loss.perceptual.convolutions",
    "laq.loss.perceptual.heads",
];
const TEXT_MODEL: &str = "tokenizer.text.model";
/// What a hash begins with that stands in the place of a path.
const HASH: &str = "blake3:";
/// How much of a hash is kept.
const HASH_LENGTH: usize = 16;

/// A key, and the file that it names.
pub type NamedFile<'a> = (&'static str, Option<&'a Path>);

impl Config {
    /// Returns the files of [`FILE_KEYS`].
    pub fn named_files(&self) -> [NamedFile<'_>; FILE_KEYS.len()] {
        let Self { tokenizer, laq, .. } = self;
        let files = [
            &tokenizer.weights,
            &tokenizer.text.model,
            &tokenizer.loss.perceptual.convolutions,
            &tokenizer.loss.perceptual.heads,
            &laq.spatial_encoder_weights,
            &laq.loss.flow.weights,
            &laq.loss.perceptual.convolutions,
            &laq.loss.perceptual.heads,
        ];
        std::array::from_fn(|number| (FILE_KEYS[number], files[number].as_deref()))
    }

    /// Names files in a way that means the same from everywhere.
    ///
    /// # Errors
    /// If the working directory is not known.
    pub fn make_files_absolute(&mut self) -> std::io::Result<()> {
        let Self { tokenizer, laq, .. } = self;
        let files = [
            &mut tokenizer.weights,
            &mut tokenizer.text.model,
            &mut tokenizer.loss.perceptual.convolutions,
            &mut tokenizer.loss.perceptual.heads,
            &mut laq.spatial_encoder_weights,
            &mut laq.loss.flow.weights,
            &mut laq.loss.perceptual.convolutions,
            &mut laq.loss.perceptual.heads,
        ];
        for file in files.into_iter().flatten() {
            *file = std::path::absolute(&*file)?;
        }
        Ok(())
    }

    /// Returns hashes of the files that a stage's training reads, by key; null where none is named, or none is there.
    pub fn file_hashes(&self, stage: Stage) -> Value {
        let read = self.named_files().into_iter().filter(|(key, _)| is_read(stage, key));
        Value::Object(read.map(|(key, file)| (key.to_owned(), Value::from(file.and_then(hash_of)))).collect())
    }
}

fn is_read(stage: Stage, key: &str) -> bool {
    match stage {
        Stage::Tokenizer => key.starts_with("tokenizer.") && key != TEXT_MODEL,
        Stage::Laq => key.starts_with("laq."),
        // Finetuning compares the tokenizer itself, and only from scratch: a pretrained model brings its own.
        Stage::Pretrain => key == TEXT_MODEL,
        _ => false,
    }
}

/// Takes the keys that name files out of a configuration.
pub fn strip_files(configuration: &mut Value) {
    FILE_KEYS.iter().for_each(|key| remove(configuration, key));
}

/// Puts hashes of files in the places of their paths. The path of one that cannot be read stays: whoever needs it will say so.
pub fn hash_files(configuration: &mut Value) {
    for key in FILE_KEYS {
        let Some(file) = at(configuration, key) else { continue };
        let path = file.as_str().filter(|path| !path.starts_with(HASH));
        if let Some(hash) = path.and_then(|path| hash_of(Path::new(path))) {
            *file = Value::String(hash);
        }
    }
}

/// Returns the hash of what a file holds; None if it cannot be read.
fn hash_of(path: &Path) -> Option<String> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(File::open(path).ok()?).ok()?;
    Some(format!("{HASH}{}", &hasher.finalize().to_hex()[..HASH_LENGTH]))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use serde_json::json;

    use super::*;

    #[test]
    fn files_stand_at_their_keys() {
        let mut whole = serde_json::to_value(Config::default()).unwrap();
        for (number, key) in FILE_KEYS.into_iter().enumerate() {
            let (section, last) = key.rsplit_once('.').unwrap();
            at(&mut whole, section).unwrap()[last] = json!(number.to_string());
        }
        let mut config: Config = serde_json::from_value(whole).unwrap();
        for (number, (key, file)) in config.named_files().into_iter().enumerate() {
            assert_eq!(file, Some(Path::new(&number.to_string())), "{key}");
        }
        config.make_files_absolute().unwrap();
        for (key, file) in config.named_files() {
            assert!(file.unwrap().is_absolute(), "{key}");
        }
    }

    #[test]
    fn a_file_counts_by_what_it_holds() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| -> PathBuf {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let hashed = |path: &Path| {
            let mut configuration = json!({ "laq": { "spatial_encoder_weights": path, "validation_clips": 1 } });
            hash_files(&mut configuration);
            configuration
        };
        let before = hashed(&write("one.pth", "weights"));
        assert!(before["laq"]["spatial_encoder_weights"].as_str().unwrap().starts_with(HASH), "{before}");
        assert_eq!(hashed(&write("two.pth", "weights")), before);
        assert_ne!(hashed(&write("one.pth", "others")), before);
        let mut again = before.clone();
        hash_files(&mut again);
        assert_eq!(again, before, "a hash is no path");
        let missing = folder.path().join("three.pth");
        assert_eq!(hashed(&missing)["laq"]["spatial_encoder_weights"], json!(missing));
    }

    #[test]
    fn a_stage_is_told_of_the_files_that_it_reads() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights.pth");
        std::fs::write(&path, "weights").unwrap();
        let mut config = Config::default();
        config.laq.spatial_encoder_weights = Some(path);
        config.laq.loss.flow.weights = Some("missing.pth".into());
        let hashes = config.file_hashes(Stage::Laq);
        assert!(hashes["laq.spatial_encoder_weights"].is_string() && hashes["laq.loss.flow.weights"].is_null());
        assert_eq!(hashes.as_object().unwrap().len(), 4, "{hashes}");
        assert_eq!(config.file_hashes(Stage::Pretrain), json!({ "tokenizer.text.model": null }));
    }
}
