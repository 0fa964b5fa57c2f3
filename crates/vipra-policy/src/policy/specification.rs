//! Everything that is needed to use a policy's weights.

use std::collections::BTreeMap;

use burn::module::Module;
use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use vipra_control::{Execution, PolicyDescription};
use vipra_data::picture::{AugmentConfig, ImageConfig, Region};
use vipra_nn::weights::{Names, Weights, load};
use vipra_tokenizer::TextTokenizer;
use vipra_train::WeightsHeader;

use crate::bins::Bins;
use crate::flow_matching::SolverConfig;
use crate::generate::Sampling;
use crate::layout::{CodebookSizes, Fields, SampleLayout};
use crate::model::{ActionSizes, NewParameters, PolicyModel, TransformerConfig, Vocabularies};
use crate::trained::CodebookInfo;
use crate::{Error, Result};

/// Everything about a policy but its weights and its tokenizers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Specification {
    /// What whoever drives the policy must know of it.
    pub control: PolicyDescription,
    /// Names of its actions and states in demonstrations.
    #[serde(default)]
    pub features: Features,
    /// Sizes of the transformer.
    pub model: TransformerConfig,
    /// Sizes of its vocabularies.
    pub vocabularies: Vocabularies,
    /// Sizes of the parameters that read states and predict actions.
    pub sizes: ActionSizes,
    /// Fields of a sample.
    pub fields: Fields,
    /// Most tokens of an instruction.
    pub instruction_tokens: usize,
    /// The frame tokenizer.
    pub frames: CodebookInfo,
    /// Codes of latent actions in the vocabulary that pretraining left.
    pub latent_action_codes: usize,
    /// How frames are resized for the tokenizer.
    pub image: ImageConfig,
    /// Share of a frame's area that a crop shows.
    pub crop_area: f64,
    /// Bins of actions, for an autoregressive policy.
    pub bins: Option<Bins>,
    /// How chunks are integrated, by flow matching.
    pub solver: SolverConfig,
    /// How bins and tokens of the frame ahead are sampled.
    pub sampling: Sampling,
    /// How chunks are executed.
    pub execution: Execution,
}

/// Names of a policy's features in demonstrations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Features {
    /// The actions that the policy predicts.
    pub action: String,
    /// The states that it sees, if it sees any.
    pub state: String,
}

/// LeRobot's names. Most packages that do not name theirs were made from such datasets.
impl Default for Features {
    fn default() -> Self {
        Self { action: "action".to_owned(), state: "observation.state".to_owned() }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    specification: Specification,
    /// In the text tokenizer's own form.
    text_tokenizer: String,
}

impl WeightsHeader for Header {
    const KEY: &'static str = "policy";
    const MODEL: &'static str = "a policy";
}

impl Specification {
    /// The header of a weights file with this specification and the text tokenizer.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it cannot be written as JSON.
    pub(crate) fn to_metadata(&self, text: &TextTokenizer) -> Result<BTreeMap<String, String>> {
        Ok(Header { specification: self.clone(), text_tokenizer: text.to_json()? }.to_metadata()?)
    }

    /// The specification and the text tokenizer in the header of a weights file.
    ///
    /// # Errors
    /// [`Error::Train`] if there is no such header, or it cannot be read.
    pub(crate) fn of(weights: &Weights) -> Result<(Self, TextTokenizer)> {
        let Header { specification, text_tokenizer } = Header::of(weights)?;
        Ok((specification, TextTokenizer::from_json(&text_tokenizer)?))
    }

    /// The policy with these weights, in evaluation mode.
    ///
    /// # Errors
    /// [`Error::Block`] with all weights that do not fit.
    pub(crate) fn load(&self, weights: &Weights, device: &Device) -> Result<PolicyModel> {
        let transformer = self.model.init(&self.vocabularies, device)?;
        let model = self.sizes.init(transformer, &NewParameters::default(), device);
        Ok(load(model, weights, &Names::default())?.valid())
    }

    /// The layout of the policy's samples, with the markers of its text tokenizer.
    ///
    /// # Errors
    /// Tokenizer failure; unreachable for valid tokenizers.
    pub(crate) fn layout(&self, text: &TextTokenizer) -> Result<SampleLayout> {
        let codebooks = CodebookSizes { frames: self.frames.codes, latent_actions: self.latent_action_codes };
        SampleLayout::new(self.fields.clone(), text, codebooks, self.model.tokens_per_patch())
    }

    /// The same policy with another number of crops of a frame.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the policy cannot use so many.
    pub fn with_crops(self, crops: usize) -> Result<Self> {
        match crops_fault(crops, self.crop_area) {
            Some(fault) => Err(Error::Invalid(fault)),
            None => Ok(Self { control: PolicyDescription { crops, ..self.control }, ..self }),
        }
    }

    /// The crops of a frame, the centred one first.
    pub(crate) fn seen(&self) -> Vec<Region> {
        AugmentConfig { crop_area: self.crop_area, ..AugmentConfig::default() }.around_center(self.control.crops)
    }
}

/// Why so many crops of a frame cannot be used, if they cannot.
pub(crate) fn crops_fault(crops: usize, crop_area: f64) -> Option<String> {
    match crops {
        0 => Some("0 is less than 1".to_owned()),
        1 => None,
        _ if crop_area >= 1.0 => Some(format!("{crops} crops of whole frames (crop_area = 1) are all the same")),
        _ => None,
    }
}
