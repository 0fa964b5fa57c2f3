//! A pretrained model, as it lies in a checkpoint.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use vipra_nn::weights::{Names, load};
use vipra_tokenizer::{TextTokenizer, TrainedTokenizer};
use vipra_train::{TrainedWeights, WeightsHeader};

use crate::layout::{Content, Fields, Kind, Layout, Sample};
use crate::model::{Transformer, TransformerConfig, Vocabularies};
use crate::prompt::prompt;
use crate::{Error, Result};

/// Discrete codes that another model makes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodebookInfo {
    /// Fingerprint of the model.
    pub fingerprint: String,
    /// Its codes.
    pub codes: usize,
    /// Codes of a frame, or of a transition.
    pub length: usize,
}

impl CodebookInfo {
    /// Of a frame tokenizer: its tokens.
    pub(crate) fn of_tokenizer(tokenizer: &TrainedTokenizer) -> Self {
        Self {
            fingerprint: tokenizer.fingerprint.clone(),
            codes: tokenizer.description.model.codes,
            length: tokenizer.description.model.tokens_per_frame(),
        }
    }
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
    pub frames: CodebookInfo,
    /// The latent action model.
    pub latent_actions: CodebookInfo,
}

impl Description {
    /// As the header of a weights file holds it, with the text tokenizer.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it has no form in JSON.
    pub(crate) fn to_metadata(&self, text: &TextTokenizer) -> Result<BTreeMap<String, String>> {
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
    pub(crate) fn layout(&self) -> Result<Layout> {
        let Description { fields, frames, latent_actions, .. } = &self.description;
        let codes = (frames.codes, latent_actions.codes);
        Layout::new(fields.clone(), &self.text, codes, self.description.model.merged())
    }

    /// What it [imagines](crate::generate::imagine) from: a sample of an instruction, the frame one interval ago and the current
    /// one, in which zeros stand in the place of what it predicts.
    ///
    /// # Errors
    /// [`Error::Invalid`] if its fields predict nothing.
    pub fn prompt(&self, instruction: &str, past: &[u16], current: &[u16]) -> Result<Sample> {
        let Description { frames, latent_actions, transitions, instruction_tokens, .. } = &self.description;
        let layout = self.layout()?;
        if layout.fields.predicted().next().is_none() {
            return Err(Error::Invalid("this model predicts nothing".to_owned()));
        }
        let mut text = self.text.encode(&prompt(instruction))?;
        text.truncate(*instruction_tokens);
        let blank =
            |kind: Kind, tokens: usize| if layout.fields.predicted().any(|one| one == kind) { tokens } else { 0 };
        let latent_state = vec![0; blank(Kind::LatentState, frames.length)];
        let codes = vec![0; blank(Kind::LatentAction, transitions * latent_actions.length)];
        Ok(layout.sample(&Content {
            text: &text,
            frames: &[past, current],
            latent_state: &latent_state,
            latent_actions: &codes,
            code_length: latent_actions.length,
            ..Content::default()
        }))
    }
}
