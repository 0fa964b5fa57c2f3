//! What must be known of a policy to use its weights.

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
use crate::layout::{Fields, Layout};
use crate::model::{ActionDecoder, ActionSizes, NewParameters, PolicyModel, TransformerConfig, Vocabularies};
use crate::trained::CodebookInfo;
use crate::{Error, Result};

/// Everything about a policy but its weights and its tokenizers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Specification {
    /// What a robot must know.
    pub control: PolicyDescription,
    /// What demonstrations call its actions and states.
    #[serde(default)]
    pub features: Features,
    /// Sizes of the transformer.
    pub model: TransformerConfig,
    /// Sizes of its vocabularies.
    pub vocabularies: Vocabularies,
    /// Sizes of what reads states and puts out actions.
    pub sizes: ActionSizes,
    /// What a sample holds.
    pub fields: Fields,
    /// Most tokens of an instruction.
    pub instruction_tokens: usize,
    /// The frame tokenizer.
    pub frames: CodebookInfo,
    /// Codes of latent actions in the vocabulary that pretraining left.
    pub latent_action_codes: usize,
    /// How frames are brought to the tokenizer's size.
    pub image: ImageConfig,
    /// Area of a crop that is seen of a frame.
    pub crop_area: f64,
    /// Bins of actions, if the policy puts out bins.
    pub bins: Option<Bins>,
    /// How chunks flow.
    pub solver: SolverConfig,
    /// How bins and tokens of the frame ahead are chosen.
    pub sampling: Sampling,
    /// How chunks are executed.
    pub execution: Execution,
}

/// Features of demonstrations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Features {
    /// What the policy puts out.
    pub action: String,
    /// What it sees of the robot, if it sees states.
    pub state: String,
}

/// LeRobot's names. Packages that do not say theirs were mostly made of these.
impl Default for Features {
    fn default() -> Self {
        Self { action: "action".to_owned(), state: "observation.state".to_owned() }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    specification: Specification,
    /// As the text tokenizer stores itself.
    text_tokenizer: String,
}

impl WeightsHeader for Header {
    const KEY: &'static str = "policy";
    const MODEL: &'static str = "a policy";
}

impl Specification {
    /// As the header of a weights file holds it, with the text tokenizer.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it has no form in JSON.
    pub(crate) fn to_metadata(&self, text: &TextTokenizer) -> Result<BTreeMap<String, String>> {
        Ok(Header { specification: self.clone(), text_tokenizer: text.to_json()? }.to_metadata()?)
    }

    /// Out of the header of a weights file.
    ///
    /// # Errors
    /// [`Error::Train`] if there is none, or it cannot be read.
    pub(crate) fn of(weights: &Weights) -> Result<(Self, TextTokenizer)> {
        let Header { specification, text_tokenizer } = Header::of(weights)?;
        Ok((specification, TextTokenizer::from_json(&text_tokenizer)?))
    }

    /// The policy with these weights, in evaluation mode.
    ///
    /// # Errors
    /// What is wrong with the weights, with all names that do not fit.
    pub(crate) fn load(&self, weights: &Weights, device: &Device) -> Result<PolicyModel> {
        let transformer = self.model.init(&self.vocabularies, device)?;
        let model = self.sizes.init(transformer, &NewParameters::default(), device);
        Ok(load(model, weights, &Names::default())?.valid())
    }

    /// The layout of its samples.
    ///
    /// # Errors
    /// What the text tokenizer says, which it never should.
    pub(crate) fn layout(&self, text: &TextTokenizer) -> Result<Layout> {
        Layout::new(self.fields.clone(), text, (self.frames.codes, self.latent_action_codes), self.model.merged())
    }

    /// The same policy, which sees so many crops of a frame.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it cannot.
    pub fn with_crops(self, crops: usize) -> Result<Self> {
        match crops_fault(crops, self.sizes.decoder, self.crop_area) {
            Some(fault) => Err(Error::Invalid(fault)),
            None => Ok(Self { control: PolicyDescription { crops, ..self.control }, ..self }),
        }
    }

    /// The parts of a frame that are seen, the centred one first.
    pub(crate) fn seen(&self) -> Vec<Region> {
        AugmentConfig { crop_area: self.crop_area, ..AugmentConfig::default() }.around_center(self.control.crops)
    }
}

/// What speaks against seeing so many crops of a frame, if anything does.
pub(crate) fn crops_fault(crops: usize, decoder: ActionDecoder, crop_area: f64) -> Option<String> {
    match crops {
        0 => Some("0 is less than 1".to_owned()),
        1 => None,
        _ if decoder == ActionDecoder::Autoregressive => {
            Some(format!("what the autoregressive decoder chooses for {crops} crops cannot be averaged"))
        }
        _ if crop_area >= 1.0 => Some(format!("{crops} crops of whole frames (crop_area = 1) are all the same")),
        _ => None,
    }
}
