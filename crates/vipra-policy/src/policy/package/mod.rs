//! The policy package: one directory that stands alone.

mod files;
mod mismatches;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use vipra_data::stats::Stats;
use vipra_data::writer::replace_folder;
use vipra_nn::weights::Weights;
use vipra_tokenizer::{TextTokenizer, TrainedTokenizer};

use self::files::{Files, hash_of};
use self::mismatches::{differing_specifications, mismatches};
use super::runtime::TrainedPolicy;
use super::specification::Specification;
use crate::{Error, Result};

/// What the package is and what belongs to it.
const POLICY_FILE: &str = "policy.json";
/// The weights.
const MODEL_FILE: &str = "model.safetensors";
/// The frame tokenizer.
const FRAME_TOKENIZER_FILE: &str = "frame_tokenizer.safetensors";
/// The text tokenizer.
const TEXT_TOKENIZER_FILE: &str = "text_tokenizer.json";
/// Statistics of actions and states.
const STATISTICS_FILE: &str = "statistics.json";
/// The configuration of the run.
const CONFIG_FILE: &str = "config.toml";
/// What came of the run.
const TRAINING_FILE: &str = "training.json";

/// Files whose contents `policy.json` vouches for.
const FILES: [&str; 6] =
    [MODEL_FILE, FRAME_TOKENIZER_FILE, TEXT_TOKENIZER_FILE, STATISTICS_FILE, CONFIG_FILE, TRAINING_FILE];

/// `policy.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    /// Version of this form.
    format: u32,
    specification: Specification,
    /// File → hash of its contents.
    files: BTreeMap<String, String>,
}

const FORMAT: u32 = 1;

/// What a package is made of.
#[derive(Debug)]
pub struct PackageParts<'a> {
    /// The weights file of a finetuned policy; its header holds the text tokenizer, and what the policy was when that was
    /// written.
    pub weights: &'a Path,
    /// What the policy is now: how it is used may have changed since.
    pub specification: &'a Specification,
    /// The weights file of the frame tokenizer.
    pub frame_tokenizer: &'a Path,
    /// Statistics of actions and states.
    pub statistics: &'a Stats,
    /// The resolved configuration, as TOML.
    pub config: &'a str,
    /// What came of the run.
    pub training: &'a Value,
}

/// A policy package, open.
#[derive(Debug)]
pub struct Package {
    /// What it is.
    pub specification: Specification,
    /// Statistics of actions and states.
    pub statistics: Stats,
    /// What came of the run that made it.
    pub training: Value,
    /// Hash of its weights.
    pub fingerprint: String,
    /// Its folder.
    pub path: PathBuf,
    text: TextTokenizer,
    weights: Weights,
}

impl Package {
    /// Writes a package; it appears whole, in the place of one that was there.
    ///
    /// # Errors
    /// [`Error::Train`] if the weights are no policy's; what keeps a file from being written.
    pub fn write(parts: &PackageParts<'_>, path: &Path) -> Result<()> {
        let mut weights = Weights::read_safetensors(parts.weights)?;
        let (_, text) = Specification::of(&weights)?;
        weights.metadata = parts.specification.to_metadata(&text)?;
        let partial = path.with_extension("partial");
        let fault = |reason: std::io::Error| Error::Io { what: "writing a package", reason, path: path.to_path_buf() };
        let _ = std::fs::remove_dir_all(&partial);
        std::fs::create_dir_all(&partial).map_err(fault)?;
        weights.write_safetensors(&partial.join(MODEL_FILE))?;
        std::fs::copy(parts.frame_tokenizer, partial.join(FRAME_TOKENIZER_FILE)).map_err(fault)?;
        let texts = [
            (TEXT_TOKENIZER_FILE, text.to_json()?),
            (STATISTICS_FILE, to_json(parts.statistics)?),
            (CONFIG_FILE, parts.config.to_owned()),
            (TRAINING_FILE, to_json(parts.training)?),
        ];
        for (name, text) in texts {
            std::fs::write(partial.join(name), text).map_err(fault)?;
        }
        drop(weights);
        let mut files = BTreeMap::new();
        for name in FILES {
            let file = partial.join(name);
            files.insert(name.to_owned(), hash_of(&file).map_err(fault)?);
            std::fs::File::open(&file).and_then(|file| file.sync_all()).map_err(fault)?;
        }
        let manifest = Manifest { format: FORMAT, specification: parts.specification.clone(), files };
        std::fs::write(partial.join(POLICY_FILE), to_json(&manifest)?).map_err(fault)?;
        match path.exists() {
            true => Ok(replace_folder(&partial, path)?),
            false => std::fs::rename(&partial, path).map_err(fault),
        }
    }

    /// Opens a package: its folder, or the folder of the run that made it: of the finetuning, or of all stages.
    ///
    /// # Errors
    /// [`Error::Package`] with everything that is missing or does not match.
    pub fn open(path: &Path) -> Result<Self> {
        let inside = ["", "package", "policy/package"].map(|folder| path.join(folder));
        let found = inside.into_iter().find(|folder| folder.join(POLICY_FILE).is_file());
        let path = found.unwrap_or_else(|| path.to_path_buf());
        let broken = |faults: Vec<String>| Error::Package { faults, path: path.clone() };
        let Manifest { format, mut specification, files: expected } =
            files::read_manifest(&path).map_err(|fault| broken(vec![fault]))?;
        let mut files = Files::check(&path, format, &expected);
        let statistics: Option<Stats> = files.read_json(STATISTICS_FILE);
        let training: Option<Value> = files.read_json(TRAINING_FILE);
        let text = files.read_text(TEXT_TOKENIZER_FILE, TextTokenizer::from_json);
        let weights = files.read(MODEL_FILE, Weights::read_safetensors);
        let written = weights.as_ref().and_then(|weights| files.read(MODEL_FILE, |_| Specification::of(weights)));
        let frame_tokenizer = files.fingerprint(FRAME_TOKENIZER_FILE);
        let fingerprint = files.fingerprint(MODEL_FILE);

        let mut faults = files.faults;
        faults.extend(mismatches(&specification, statistics.as_ref(), text.as_ref(), frame_tokenizer.as_deref()));
        faults.extend(written.and_then(|(written, _)| differing_specifications(&specification, &written)));
        match (statistics, training, text, weights, fingerprint) {
            (Some(statistics), Some(training), Some(text), Some(weights), Some(fingerprint)) if faults.is_empty() => {
                specification.control.fingerprints.insert("policy".to_owned(), fingerprint.clone());
                Ok(Self { specification, statistics, training, fingerprint, path, text, weights })
            }
            _ => Err(broken(faults)),
        }
    }

    /// The policy of the package, ready for use. The package goes: its weights are the policy's now, and are in memory once.
    ///
    /// # Errors
    /// What is wrong with the weights of the policy or of the frame tokenizer.
    pub fn into_policy(self, device: &Device) -> Result<TrainedPolicy> {
        let Self { specification, path, text, weights, .. } = self;
        let tokenizer = TrainedTokenizer::open(&path.join(FRAME_TOKENIZER_FILE), device)?;
        let model = specification.load(&weights, device)?;
        TrainedPolicy::new(model, specification, text, tokenizer)
    }
}

fn to_json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string_pretty(value).map_err(|error| Error::Invalid(error.to_string()))
}

#[cfg(test)]
mod tests;
