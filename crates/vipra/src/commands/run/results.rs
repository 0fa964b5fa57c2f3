//! What came out of stages: a hash of the weights that they left.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use anyhow::{Context, Result};
use vipra_train::checkpoint::find_weights;

use super::record::{FINGERPRINT_LENGTH, Record};
use crate::stage::Stage;

/// The hash of the weights that a stage has left in its folder; None of a stage that leaves none.
///
/// # Errors
/// If they are not there, or cannot be read.
pub fn result(stage: Stage, folder: &Path) -> Result<Option<String>> {
    let weights = match stage {
        Stage::Tokenizer | Stage::Laq | Stage::Pretrain => find_weights(folder)?,
        Stage::Finetune => folder.join("package").join("model.safetensors"),
        Stage::Videos | Stage::Demonstrations | Stage::Cache | Stage::Evaluate => return Ok(None),
    };
    hash_of(&weights).map(Some).with_context(|| format!("reading {}", weights.display()))
}

/// The results of stages, as far as their records know them, by the stages' names.
pub fn results<'a>(records: impl IntoIterator<Item = &'a Record>) -> BTreeMap<String, String> {
    records.into_iter().filter_map(|record| Some((record.stage.clone(), record.result.clone()?))).collect()
}

fn hash_of(file: &Path) -> std::io::Result<String> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(File::open(file)?)?;
    Ok(hasher.finalize().to_hex()[..FINGERPRINT_LENGTH].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_is_known_by_the_weights_that_it_left() {
        let folder = tempfile::tempdir().unwrap();
        assert!(result(Stage::Laq, folder.path()).is_err(), "there are none yet");
        let written = |text: &str| {
            let checkpoint = folder.path().join("checkpoints/step-00000001");
            std::fs::create_dir_all(&checkpoint).unwrap();
            std::fs::write(checkpoint.join("model.safetensors"), text).unwrap();
            result(Stage::Laq, folder.path()).unwrap().unwrap()
        };
        let before = written("weights");
        assert_ne!(written("others"), before);
        assert_eq!(written("weights"), before);
        assert_eq!(result(Stage::Cache, folder.path()).unwrap(), None);
    }
}
