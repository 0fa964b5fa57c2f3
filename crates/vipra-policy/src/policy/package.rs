//! The policy package: one directory that stands alone.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use vipra_data::stats::Stats;
use vipra_data::writer::replace_folder;
use vipra_nn::weights::Weights;
use vipra_tokenizer::{TextTokenizer, TrainedTokenizer};
use vipra_train::checkpoint::differing_fields;

use super::runtime::TrainedPolicy;
use super::specification::{Specification, crops_fault};
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
        let manifest = std::fs::read(path.join(POLICY_FILE)).map_err(|error| broken(vec![not_there(&path, &error)]))?;
        let manifest: Manifest = serde_json::from_slice(&manifest).map_err(|error| {
            let advice = "if another version of the program wrote it, finetuning writes it again";
            broken(vec![format!("{POLICY_FILE} is not understood, {error}; {advice}")])
        })?;
        let faults = broken_files(&path, &manifest);
        if !faults.is_empty() {
            return Err(broken(faults));
        }
        let text_of = |name: &str| {
            std::fs::read_to_string(path.join(name))
                .map_err(|error| broken(vec![format!("{name} cannot be read: {error}")]))
        };
        let statistics: Stats =
            parse(&text_of(STATISTICS_FILE)?, STATISTICS_FILE).map_err(|fault| broken(vec![fault]))?;
        let training: Value = parse(&text_of(TRAINING_FILE)?, TRAINING_FILE).map_err(|fault| broken(vec![fault]))?;
        let text = TextTokenizer::from_json(&text_of(TEXT_TOKENIZER_FILE)?)?;
        let weights = Weights::read_safetensors(&path.join(MODEL_FILE))?;
        let mut specification = manifest.specification;
        let written = Specification::of(&weights)?.0;
        let mut faults = mismatches(&specification, &statistics, &text);
        if written != specification {
            let (of_weights, of_policy) = (to_value(&written)?, to_value(&specification)?);
            let differs = differing_fields(&of_weights, &of_policy).into_iter().map(|(field, ..)| field);
            let differs = differs.collect::<Vec<_>>().join(", ");
            faults.push(format!("{POLICY_FILE} says something else of the policy than {MODEL_FILE}: {differs}"));
        }
        if !faults.is_empty() {
            return Err(broken(faults));
        }
        let fingerprint: String =
            manifest.files.get(MODEL_FILE).map(|hash| hash.chars().take(16).collect()).unwrap_or_default();
        specification.control.fingerprints.insert("policy".to_owned(), fingerprint.clone());
        Ok(Self { specification, statistics, training, fingerprint, path, text, weights })
    }

    /// The policy of the package, ready for use.
    ///
    /// # Errors
    /// [`Error::Package`] if the frame tokenizer is another; what is wrong with the weights.
    pub fn policy(&self, device: &Device) -> Result<TrainedPolicy> {
        let tokenizer = TrainedTokenizer::open(&self.path.join(FRAME_TOKENIZER_FILE), device)?;
        if tokenizer.fingerprint != self.specification.frames.fingerprint {
            let found = &tokenizer.fingerprint;
            let faults = vec![format!(
                "the frame tokenizer is {found}, the policy was trained with {}",
                self.specification.frames.fingerprint
            )];
            return Err(Error::Package { faults, path: self.path.clone() });
        }
        let model = self.specification.load(&self.weights, device)?;
        TrainedPolicy::new(model, self.specification.clone(), self.text.clone(), tokenizer)
    }
}

/// Why there is no manifest in a folder, and what to do.
fn not_there(folder: &Path, error: &std::io::Error) -> String {
    let is_training = folder.join("checkpoints").is_dir() || folder.join("stages").is_dir();
    match (folder.exists(), is_training) {
        (false, _) => "there is no such folder".to_owned(),
        (_, true) => "nothing was finetuned here to its end; that leaves a folder `package`".to_owned(),
        (true, false) => format!("{POLICY_FILE} cannot be read: {error}"),
    }
}

/// Files that are missing or not those that the package was written with, and a form that is not known.
fn broken_files(folder: &Path, manifest: &Manifest) -> Vec<String> {
    let format = manifest.format;
    let unknown = (format != FORMAT).then(|| format!("its format is {format}, known is {FORMAT}"));
    let broken = FILES.iter().filter_map(|name| match hash_of(&folder.join(name)) {
        Err(error) => Some(format!("{name} is missing: {error}")),
        Ok(hash) if manifest.files.get(*name) != Some(&hash) => {
            Some(format!("{name} is not the file that the package was written with"))
        }
        Ok(_) => None,
    });
    unknown.into_iter().chain(broken).collect()
}

/// Hash of a file, of which no more than a part is in memory at a time.
fn hash_of(file: &Path) -> std::io::Result<String> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(std::fs::File::open(file)?)?;
    Ok(hasher.finalize().to_hex().to_string())
}

/// What in a package does not go together.
fn mismatches(specification: &Specification, statistics: &Stats, text: &TextTokenizer) -> Vec<String> {
    let mut faults = Vec::new();
    let control = &specification.control;
    let (action, normalizer) = (&control.action, &control.action.normalizer);
    let mut widths = vec![
        ("an action's normalisation", action.width(), normalizer.offset.len().min(normalizer.scale.len())),
        ("an action's units", action.width(), action.units.len()),
        ("an action of the model", action.width(), specification.sizes.action),
    ];
    if let Some(proprio) = &control.proprio {
        let normalizer = &proprio.normalizer;
        widths.push((
            "a state's normalisation",
            proprio.names.len(),
            normalizer.offset.len().min(normalizer.scale.len()),
        ));
    }
    for (what, names, numbers) in widths {
        if names != numbers {
            faults.push(format!("{what} has {numbers} numbers for {names} names"));
        }
    }
    let expected = [Some(control.action.width()), control.proprio.as_ref().map(|proprio| proprio.names.len())];
    for width in expected.into_iter().flatten() {
        if !statistics.values().any(|stats| stats.mean.len() == width) {
            faults.push(format!("{STATISTICS_FILE} has no statistics of {width} dimensions"));
        }
    }
    if text.vocab_size() > specification.vocabularies.text {
        let (text, model) = (text.vocab_size(), specification.vocabularies.text);
        faults.push(format!("{TEXT_TOKENIZER_FILE} has {text} tokens, the model {model}"));
    }
    let crops = crops_fault(specification.control.crops, specification.sizes.decoder, specification.crop_area);
    faults.extend(crops.map(|fault| format!("crops: {fault}")));
    faults
}

fn to_json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string_pretty(value).map_err(|error| Error::Invalid(error.to_string()))
}

fn to_value(specification: &Specification) -> Result<Value> {
    serde_json::to_value(specification).map_err(|error| Error::Invalid(error.to_string()))
}

fn parse<T: for<'a> Deserialize<'a>>(text: &str, name: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| format!("{name} is not understood: {error}"))
}
