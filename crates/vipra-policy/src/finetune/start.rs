//! What a policy starts from: its sizes, vocabularies, and weights at the first step.

use std::collections::BTreeMap;

use burn::tensor::Device;
use vipra_control::PolicyDescription;
use vipra_nn::weights::{Names, Weights, load, save};
use vipra_tokenizer::{TextTokenizer, TrainedTokenizer};

use super::config::FinetuneConfig;
use super::numbers::DemonstrationSource;
use super::spaces::Spaces;
use crate::bins::Bins;
use crate::model::{ActionDecoder, ActionSizes, PolicyModel, Transformer, TransformerConfig, Vocabularies};
use crate::policy::{Features, Specification};
use crate::trained::{CodebookInfo, TrainedTransformer};
use crate::{Error, Result};

/// What a policy starts from.
pub enum Start {
    /// A pretrained transformer, with the text tokenizer that goes with it.
    Pretrained(Box<TrainedTransformer>),
    /// Random weights.
    Scratch {
        /// Sizes.
        model: TransformerConfig,
        /// Reads instructions and markers.
        text: TextTokenizer,
        /// Codes of latent actions, whose embedding is there in any case.
        latent_action_codes: usize,
    },
}

/// What a policy takes over from what it starts from.
struct Inherited {
    model: TransformerConfig,
    vocabularies: Vocabularies,
    text: TextTokenizer,
    latent_action_codes: usize,
    /// By name, what the policy was made from.
    fingerprints: BTreeMap<String, String>,
}

impl Start {
    /// What the policy will be, and the tokenizer of its instructions.
    ///
    /// # Errors
    /// [`Error::Mismatch`] for a model that reads the tokens of another frame tokenizer; [`Error::Invalid`] for actions that
    /// cannot be put into bins.
    pub(super) fn specification(
        &self,
        config: &FinetuneConfig,
        spaces: &Spaces,
        learned: &[DemonstrationSource],
        tokenizer: &TrainedTokenizer,
    ) -> Result<(Specification, TextTokenizer)> {
        let frames = CodebookInfo::of_tokenizer(tokenizer);
        let Inherited { model, vocabularies, text, latent_action_codes, fingerprints } =
            self.inherited(&frames, tokenizer)?;
        let bins = match config.decoder {
            ActionDecoder::Autoregressive => Some(bins(config, spaces, learned)?),
            ActionDecoder::FlowMatching => None,
        };
        let specification = Specification {
            control: PolicyDescription {
                policy: config.decoder.name().to_owned(),
                action: spaces.action.clone(),
                proprio: spaces.proprio.clone(),
                horizon: config.horizon,
                control_rate_hz: spaces.control_rate_hz,
                frame_interval_secs: config.frame_interval_secs,
                image_size: tokenizer.description.model.frame_size,
                crops: config.crops,
                fingerprints,
            },
            features: Features { action: config.action.feature.clone(), state: config.proprio.feature.clone() },
            model,
            vocabularies,
            sizes: ActionSizes {
                decoder: config.decoder,
                action: spaces.action.width(),
                proprio: spaces.proprio.as_ref().map(|proprio| proprio.names.len()),
                bins: bins.as_ref().map_or(0, Bins::vocabulary),
            },
            fields: config.fields.clone(),
            instruction_tokens: config.instruction_tokens,
            frames,
            latent_action_codes,
            image: tokenizer.description.image,
            crop_area: config.augmentation.crop_area,
            bins,
            solver: config.solver,
            sampling: config.sampling,
            execution: config.execution,
        };
        Ok((specification, text))
    }

    fn inherited(&self, frames: &CodebookInfo, tokenizer: &TrainedTokenizer) -> Result<Inherited> {
        let mut fingerprints = BTreeMap::from([("frame_tokenizer".to_owned(), frames.fingerprint.clone())]);
        match self {
            Start::Scratch { model, text, latent_action_codes } => {
                let grid = tokenizer.description.model.grid();
                Ok(Inherited {
                    vocabularies: model.vocabularies(text.vocab_size(), frames, grid, *latent_action_codes),
                    model: model.clone(),
                    text: text.clone(),
                    latent_action_codes: *latent_action_codes,
                    fingerprints,
                })
            }
            Start::Pretrained(trained) => {
                let description = &trained.description;
                let read = &description.frames.fingerprint;
                if *read != frames.fingerprint {
                    let reason = format!(
                        "reads the tokens of the frame tokenizer {read}, not of {}; leave --tokenizer out, or name the one it \
                         was pretrained with",
                        frames.fingerprint
                    );
                    return Err(Error::Mismatch { what: "this pretrained model", reason, path: trained.path.clone() });
                }
                fingerprints.insert("latent_actions".to_owned(), description.latent_actions.fingerprint.clone());
                fingerprints.insert("pretrained".to_owned(), trained.fingerprint.clone());
                Ok(Inherited {
                    model: description.model.clone(),
                    vocabularies: description.vocabularies,
                    text: trained.text.clone(),
                    latent_action_codes: description.latent_actions.codes,
                    fingerprints,
                })
            }
        }
    }

    /// The model at its first step, and the names of its parameters that are new.
    ///
    /// # Errors
    /// What is wrong with the pretrained weights.
    pub(super) fn init(
        self,
        specification: &Specification,
        config: &FinetuneConfig,
        tokenizer: &TrainedTokenizer,
        device: &Device,
    ) -> Result<(PolicyModel, Vec<String>)> {
        let Specification { model, vocabularies, sizes, .. } = specification;
        let is_from_scratch = matches!(self, Start::Scratch { .. });
        let transformer = self.transformer(model, vocabularies, tokenizer, device)?;
        let policy = sizes.init(transformer, &config.new_parameters, device);
        let names: Vec<String> = save(&policy, &Names::default())?.names().map(str::to_owned).collect();
        let is_new = |name: &String| is_from_scratch || !name.starts_with("transformer.");
        Ok((policy, names.into_iter().filter(is_new).collect()))
    }

    fn transformer(
        self,
        model: &TransformerConfig,
        vocabularies: &Vocabularies,
        tokenizer: &TrainedTokenizer,
        device: &Device,
    ) -> Result<Transformer> {
        match self {
            Start::Scratch { .. } => model.init_with_tokenizer(vocabularies, tokenizer, device),
            Start::Pretrained(trained) => {
                // Without gradients it is of no use here, and large.
                let TrainedTransformer { path, model: _, .. } = *trained;
                let weights = Weights::read_safetensors(&path)?;
                Ok(load(model.init(vocabularies, device)?, &weights, &Names::default())?)
            }
        }
    }
}

/// Bins of the actions that are learned from.
fn bins(config: &FinetuneConfig, spaces: &Spaces, learned: &[DemonstrationSource]) -> Result<Bins> {
    let episodes = learned.iter().flat_map(|source| source.episodes.values());
    let actions = episodes.flat_map(|episode| episode.actions.iter().map(|value| f64::from(*value)));
    Bins::of(&actions.collect::<Vec<_>>(), spaces.action.width(), config.bins)
}

#[cfg(test)]
mod tests {
    use burn::module::Param;
    use burn::nn::Linear;
    use burn::tensor::Tensor;

    use super::*;
    use crate::fixtures::{frame_tokenizer, pretrained, specification, transformer_config};
    use crate::model::NewParameters;

    fn spread<const D: usize>(parameters: &[&Param<Tensor<D>>]) -> f64 {
        let values =
            parameters.iter().flat_map(|parameter| parameter.val().into_data().iter::<f32>().collect::<Vec<_>>());
        let squares: Vec<f64> = values.map(|value| f64::from(value).powi(2)).collect();
        (squares.iter().sum::<f64>() / squares.len() as f64).sqrt()
    }

    fn assert_near(what: &str, found: f64, expected: f64) {
        assert!((found / expected - 1.0).abs() < 0.3, "{what}: {found} in place of {expected}");
    }

    /// A pretrained model in a file, and a policy of bins that sees states and begins as it.
    fn begun(new_parameters: NewParameters) -> (PolicyModel, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        let model = TransformerConfig { dim: 64, ..transformer_config() };
        let trained = pretrained("[instruction],[vision],latent_state,latent_action", model);
        save(&trained.model, &Names::default()).unwrap().write_safetensors(&path).unwrap();
        let tokenizer = frame_tokenizer();
        let specification = Specification {
            model: trained.description.model.clone(),
            vocabularies: trained.description.vocabularies,
            ..specification(ActionDecoder::Autoregressive, Some(2), &tokenizer, &trained.text)
        };
        let config = FinetuneConfig { new_parameters, ..FinetuneConfig::default() };
        let start = Start::Pretrained(Box::new(TrainedTransformer { path, ..trained }));
        start.init(&specification, &config, &tokenizer, &Device::flex()).unwrap()
    }

    #[test]
    fn new_parameters_are_spread_as_they_are_told() {
        for (matrix_gain, bias_spread) in [(1.0, 0.01), (0.5, 0.2)] {
            let (policy, _) = begun(NewParameters { matrix_gain, bias_spread });
            let encoder = policy.proprio_encoder.unwrap();
            let linears: [&Linear; 3] = [&encoder.linear_1, &encoder.linear_2, &encoder.linear_3];
            let biases: Vec<&Param<Tensor<1>>> = linears.iter().filter_map(|linear| linear.bias.as_ref()).collect();
            assert_near("biases", spread(&biases), bias_spread);
            // 32 inputs each.
            let matrices = [&encoder.linear_2.weight, &encoder.linear_3.weight];
            assert_near("matrices", spread(&matrices), matrix_gain / 32_f64.sqrt());
            let bins = policy.bins.unwrap();
            assert_near("embeddings of 4 bins", spread(&[&bins.embedding]), matrix_gain / 2.0);
            assert_near("the head of 64 channels", spread(&[&bins.head.weight]), matrix_gain / 8.0);
        }
    }

    #[test]
    fn new_parameters_are_named() {
        let (_, names) = begun(NewParameters::default());
        let is_new = |name: &String| name.starts_with("bins.") || name.starts_with("proprio_encoder.");
        assert!(names.iter().all(is_new), "{names:?}");
        for name in
            ["bins.embedding", "bins.head.weight", "proprio_encoder.linear_1.weight", "proprio_encoder.linear_3.bias"]
        {
            assert!(names.iter().any(|found| found == name), "{name} is not among {names:?}");
        }
    }
}
