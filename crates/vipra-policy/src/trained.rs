//! A pretrained model, as it lies in a checkpoint.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use vipra_nn::weights::{Names, load};
use vipra_tokenizer::TextTokenizer;
use vipra_train::{TrainedWeights, WeightsHeader};

use crate::layout::{Content, Fields, Layout, Markers, Sample, SpecialIds};
use crate::model::{Transformer, TransformerConfig, Vocabularies};
use crate::prompt::prompt;
use crate::{Error, Result};

/// Discrete codes that another model makes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Codebook {
    /// Fingerprint of the model.
    pub fingerprint: String,
    /// Its codes.
    pub codes: usize,
    /// Codes of a frame, or of a transition.
    pub length: usize,
}

/// What the header of the weights holds.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    description: Description,
    /// As the text tokenizer stores itself.
    text_tokenizer: String,
}

impl WeightsHeader for Header {
    const KEY: &'static str = "multimodal_transformer";
    const MODEL: &'static str = "a multimodal transformer";
}

/// What must be known of a model to use it: written into the header of its weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// Sizes.
    pub model: TransformerConfig,
    /// Sizes of the vocabularies.
    pub vocabularies: Vocabularies,
    /// What its samples held.
    pub fields: Fields,
    /// Steps from the current frame to the latent state.
    pub horizon: usize,
    /// Transitions whose latent actions are predicted.
    pub transitions: usize,
    /// Time of a step, in seconds.
    pub interval_secs: f64,
    /// Most tokens of an instruction.
    pub instruction_tokens: usize,
    /// The frame tokenizer.
    pub frames: Codebook,
    /// The latent action model.
    pub latent_actions: Codebook,
}

impl Description {
    /// As the header of a weights file holds it, with the text tokenizer.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it has no form in JSON.
    pub fn to_metadata(&self, text: &TextTokenizer) -> Result<BTreeMap<String, String>> {
        Ok(Header { description: self.clone(), text_tokenizer: text.to_json()? }.to_metadata()?)
    }
}

/// A trained model and what must be known of it.
#[derive(Debug)]
pub struct TrainedTransformer {
    /// In evaluation mode.
    pub model: Transformer,
    /// What it was made for.
    pub description: Description,
    /// Reads its instructions.
    pub text: TextTokenizer,
    /// Hash of the weights file, by which a policy knows what it was made from.
    pub fingerprint: String,
    /// The weights file.
    pub path: PathBuf,
}

impl TrainedTransformer {
    /// Opens a weights file, a checkpoint (averaged weights first), or the last checkpoint of a run folder.
    ///
    /// # Errors
    /// [`Error::Train`] if there is none, or it is no multimodal transformer; what is wrong with the weights.
    pub fn open(path: &Path, device: &Device) -> Result<Self> {
        let TrainedWeights { header, weights, fingerprint, path } = TrainedWeights::<Header>::open(path)?;
        let Header { description, text_tokenizer } = header;
        let text = TextTokenizer::from_json(&text_tokenizer)?;
        let model = description.model.init(&description.vocabularies, device)?;
        let model = load(model, &weights, &Names::default())?.valid();
        Ok(Self { model, description, text, fingerprint, path })
    }

    /// The layout of its samples.
    ///
    /// # Errors
    /// What the text tokenizer says, which it never should.
    pub fn layout(&self) -> Result<Layout> {
        let Description { fields, frames, latent_actions, .. } = &self.description;
        Ok(Layout {
            fields: fields.clone(),
            markers: Markers::new(&self.text)?,
            ids: SpecialIds::behind(frames.codes, latent_actions.codes),
            merged: self.description.model.merged(),
        })
    }

    /// What it reads before it imagines: an instruction, the frame one interval ago, the current one.
    ///
    /// # Errors
    /// [`Error::Invalid`] if its fields predict nothing.
    pub fn prompt(&self, instruction: &str, past: &[u16], current: &[u16]) -> Result<Sample> {
        let layout = self.layout()?;
        let kind = layout.fields.predicted().next();
        let kind = kind.ok_or_else(|| Error::Invalid("this model predicts nothing".to_owned()))?;
        let mut text = self.text.encode(&prompt(instruction))?;
        text.truncate(self.description.instruction_tokens);
        Ok(layout.prompt(&Content { text: &text, frames: &[past, current], ..Content::default() }, kind))
    }
}
