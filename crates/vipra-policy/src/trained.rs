//! A pretrained model out of a checkpoint.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use vipra_nn::weights::{Names, load};
use vipra_tokenizer::{TextTokenizer, TrainedTokenizer};
use vipra_train::{TrainedWeights, WeightsHeader};

use crate::layout::{CodebookSizes, Content, Fields, SampleLayout, Template, TokenKind};
use crate::model::{Transformer, TransformerConfig, Vocabularies};
use crate::prompt::prompt;
use crate::{Error, Result};

/// The codebook of another model whose codes are tokens of this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodebookInfo {
    /// Fingerprint of the model.
    pub fingerprint: String,
    /// Number of codes.
    pub codes: usize,
    /// Codes of a frame, or of a transition.
    pub length: usize,
}

impl CodebookInfo {
    /// The codebook of a frame tokenizer.
    pub(crate) fn of_tokenizer(tokenizer: &TrainedTokenizer) -> Self {
        Self {
            fingerprint: tokenizer.fingerprint.clone(),
            codes: tokenizer.description.model.codes,
            length: tokenizer.description.model.tokens_per_frame(),
        }
    }
}

/// Contents of the weights file's header.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    description: Description,
    /// In the text tokenizer's own form.
    text_tokenizer: String,
}

impl WeightsHeader for Header {
    const KEY: &'static str = "multimodal_transformer";
    const MODEL: &'static str = "a multimodal transformer";
}

/// What must be known of a model to use it, written into the header of its weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// Sizes.
    pub model: TransformerConfig,
    /// Sizes of the vocabularies.
    pub vocabularies: Vocabularies,
    /// Fields of its samples.
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
    /// The header of a weights file with this description and the text tokenizer.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it cannot be written as JSON.
    pub(crate) fn to_metadata(&self, text: &TextTokenizer) -> Result<BTreeMap<String, String>> {
        Ok(Header { description: self.clone(), text_tokenizer: text.to_json()? }.to_metadata()?)
    }

    /// The layout of the model's samples, with the markers of its text tokenizer.
    ///
    /// # Errors
    /// Tokenizer failure; unreachable for valid tokenizers.
    pub(crate) fn layout(&self, text: &TextTokenizer) -> Result<SampleLayout> {
        let codebooks = CodebookSizes { frames: self.frames.codes, latent_actions: self.latent_actions.codes };
        SampleLayout::new(self.fields.clone(), text, codebooks, self.model.tokens_per_patch())
    }
}

/// A trained model and what is needed to use it.
#[derive(Debug)]
pub struct TrainedTransformer {
    /// In evaluation mode.
    pub model: Transformer,
    /// What must be known to use it.
    pub description: Description,
    /// Tokenizer of its instructions.
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
    /// Tokenizer failure; unreachable for valid tokenizers.
    pub(crate) fn layout(&self) -> Result<SampleLayout> {
        self.description.layout(&self.text)
    }

    /// What it [imagines](crate::generate::imagine) from: a sample of an instruction, the frame one interval ago and the current
    /// one, in which only the codes that it predicts are missing.
    ///
    /// # Errors
    /// [`Error::Invalid`] if its fields predict nothing.
    pub fn template(&self, instruction: &str, past: &[u16], current: &[u16]) -> Result<Template> {
        let Description { frames, latent_actions, transitions, instruction_tokens, .. } = &self.description;
        let layout = self.layout()?;
        if layout.fields.predicted().next().is_none() {
            return Err(Error::Invalid("this model predicts nothing".to_owned()));
        }
        let mut text = self.text.encode(&prompt(instruction))?;
        text.truncate(*instruction_tokens);
        let predicts = |kind: TokenKind| layout.fields.predicted().any(|one| one == kind);
        let latent_state = if predicts(TokenKind::LatentState) { vec![0; frames.length] } else { Vec::new() };
        let codes = transitions * latent_actions.length;
        let codes = if predicts(TokenKind::LatentAction) { vec![0; codes] } else { Vec::new() };
        Ok(layout.template(layout.sample(&Content {
            text: &text,
            frames: &[past, current],
            latent_state: &latent_state,
            latent_actions: &codes,
            code_length: latent_actions.length,
            ..Content::default()
        })))
    }
}
