//! Text tokenizers: Llama's SentencePiece model if its file is given, otherwise a small byte-level BPE trained on the
//! dataset's own instructions.

mod bpe;
mod sentencepiece;

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::bpe::Bpe;
use self::sentencepiece::SentencePiece;
use crate::{Error, Result};

/// Padding, and the unknown token.
pub const PAD: u32 = 0;
/// Begins a sequence.
pub const BOS: u32 = 1;
/// Ends a sequence.
pub const EOS: u32 = 2;

/// [`BOS`] as it is written within a text (reference 7: instructions begin with it).
const BOS_TEXT: &str = "<s>";

/// Text tokens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TextConfig {
    /// Llama's SentencePiece model (`tokenizer.model`). Without, a tokenizer of the dataset's own instructions is trained.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<PathBuf>,
    /// Maximum size of the trained vocabulary: 256 bytes, 3 special tokens, then pieces of words.
    #[schemars(range(min = 259))]
    pub vocab_size: usize,
}

impl Default for TextConfig {
    fn default() -> Self {
        Self { model: None, vocab_size: 1024 }
    }
}

impl TextConfig {
    /// The tokenizer: from its file, or trained on texts such as those that will be encoded.
    ///
    /// # Errors
    /// What is wrong with the file or the size.
    pub fn make(&self, texts: &[String]) -> Result<TextTokenizer> {
        match &self.model {
            Some(path) => TextTokenizer::open(path),
            None => TextTokenizer::train(texts, self.vocab_size),
        }
    }

    /// Checks what the types cannot express; every fault as (key, what is wrong).
    pub fn faults(&self) -> Vec<(String, String)> {
        match self.vocab_size {
            size if size < bpe::SMALLEST => vec![("vocab_size".to_owned(), bpe::too_small(size))],
            _ => Vec::new(),
        }
    }
}

/// Turns text into tokens and back. Every text can be encoded.
pub struct TextTokenizer {
    kind: Kind,
}

enum Kind {
    SentencePiece(SentencePiece),
    Bpe(Bpe),
}

/// A tokenizer in its stored form.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
enum Stored {
    /// The file, in base64.
    SentencePiece { model: String },
    /// JSON of the crate `tokenizers`.
    ByteLevelBpe { tokenizer: Value },
}

impl TextTokenizer {
    /// Reads a SentencePiece model.
    ///
    /// # Errors
    /// [`Error::Text`] if it cannot be read, cannot encode every text, or has other special tokens than Llama's.
    pub fn open(path: &Path) -> Result<Self> {
        let fault = |reason: String| Error::Text { reason, path: path.to_path_buf() };
        let model = std::fs::read(path).map_err(|error| fault(error.to_string()))?;
        Ok(Self { kind: Kind::SentencePiece(SentencePiece::parse(model).map_err(fault)?) })
    }

    /// Learns pieces of words from texts such as those that will be encoded; the same texts give the same tokenizer.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the vocabulary has no room for all bytes.
    pub fn train(texts: &[String], vocab_size: usize) -> Result<Self> {
        Ok(Self { kind: Kind::Bpe(Bpe::train(texts, vocab_size).map_err(Error::Invalid)?) })
    }

    /// Tokens of a text. `<s>` within it becomes [`BOS`], as in Llama's tokenizer; no other special tokens are produced, and
    /// nothing is added.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the tokenizer fails, which it should not for any text.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        let mut tokens = Vec::new();
        for (at, part) in text.split(BOS_TEXT).enumerate() {
            if at > 0 {
                tokens.push(BOS);
            }
            if part.is_empty() {
                continue;
            }
            let part = match &self.kind {
                Kind::SentencePiece(model) => model.encode(part),
                Kind::Bpe(model) => model.encode(part),
            };
            tokens.extend(part.map_err(Error::Invalid)?);
        }
        Ok(tokens)
    }

    /// The text of tokens, without special ones; invalid UTF-8 is replaced by `�`.
    ///
    /// # Errors
    /// [`Error::Invalid`] for tokens outside of the vocabulary.
    pub fn decode(&self, tokens: &[u32]) -> Result<String> {
        if let Some(token) = tokens.iter().find(|token| **token as usize >= self.vocab_size()) {
            return Err(Error::Invalid(format!("token {token} of a vocabulary of {}", self.vocab_size())));
        }
        let plain: Vec<u32> = tokens.iter().copied().filter(|token| ![PAD, BOS, EOS].contains(token)).collect();
        let text = match &self.kind {
            Kind::SentencePiece(model) => model.decode(&plain),
            Kind::Bpe(model) => model.decode(&plain),
        };
        text.map_err(Error::Invalid)
    }

    /// Size of the vocabulary; every token is less than it.
    pub fn vocab_size(&self) -> usize {
        match &self.kind {
            Kind::SentencePiece(model) => model.vocab_size(),
            Kind::Bpe(model) => model.vocab_size(),
        }
    }

    /// The tokenizer as JSON, to be stored with a model.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it cannot be serialised.
    pub fn to_json(&self) -> Result<String> {
        let stored = match &self.kind {
            Kind::SentencePiece(model) => Stored::SentencePiece { model: STANDARD.encode(model.file()) },
            Kind::Bpe(model) => Stored::ByteLevelBpe { tokenizer: model.to_value().map_err(Error::Invalid)? },
        };
        serde_json::to_string(&stored).map_err(|error| Error::Invalid(error.to_string()))
    }

    /// Reads the output of [`to_json`](Self::to_json).
    ///
    /// # Errors
    /// [`Error::Invalid`] with what is wrong.
    pub fn from_json(text: &str) -> Result<Self> {
        let fault = |reason: String| Error::Invalid(format!("a stored text tokenizer cannot be read: {reason}"));
        let stored: Stored = serde_json::from_str(text).map_err(|error| fault(error.to_string()))?;
        let kind = match stored {
            Stored::SentencePiece { model } => {
                let model = STANDARD.decode(model).map_err(|error| fault(error.to_string()))?;
                Kind::SentencePiece(SentencePiece::parse(model).map_err(fault)?)
            }
            Stored::ByteLevelBpe { tokenizer } => Kind::Bpe(Bpe::from_value(tokenizer).map_err(fault)?),
        };
        Ok(Self { kind })
    }
}

impl std::fmt::Debug for TextTokenizer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = match &self.kind {
            Kind::SentencePiece(_) => "SentencePiece",
            Kind::Bpe(_) => "byte-level BPE",
        };
        write!(formatter, "TextTokenizer({kind}, {} tokens)", self.vocab_size())
    }
}

impl Clone for TextTokenizer {
    fn clone(&self) -> Self {
        let kind = match &self.kind {
            Kind::SentencePiece(model) => Kind::SentencePiece(model.clone()),
            Kind::Bpe(model) => Kind::Bpe(model.clone()),
        };
        Self { kind }
    }
}
