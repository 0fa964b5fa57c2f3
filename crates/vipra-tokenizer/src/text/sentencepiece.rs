//! Llama's tokenizer, on the crate `kitoken`.

use std::sync::Arc;

use kitoken::convert::convert_sentencepiece;
use kitoken::{Definition, Fallback, Kitoken, SpecialTokenKind};

use super::{BOS, EOS, PAD};

/// Kinds of special tokens that are recognised in a text: none.
const NO_SPECIAL: &[SpecialTokenKind] = &[];

#[derive(Clone)]
pub(super) struct SentencePiece {
    file: Arc<Vec<u8>>,
    tokenizer: Arc<Kitoken>,
    vocab_size: usize,
}

impl SentencePiece {
    pub(super) fn parse(file: Vec<u8>) -> Result<Self, String> {
        let definition = convert_sentencepiece(&file).map_err(|error| error.to_string())?;
        let vocab_size = check(&definition)?;
        let tokenizer = Kitoken::try_from(definition).map_err(|error| error.to_string())?;
        Ok(Self { file: Arc::new(file), tokenizer: Arc::new(tokenizer), vocab_size })
    }

    pub(super) fn encode(&self, text: &str) -> Result<Vec<u32>, String> {
        self.tokenizer.encode(text, NO_SPECIAL).map_err(|error| error.to_string())
    }

    pub(super) fn decode(&self, tokens: &[u32]) -> Result<String, String> {
        let bytes = self.tokenizer.decode(tokens, NO_SPECIAL).map_err(|error| error.to_string())?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    pub(super) fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    pub(super) fn file(&self) -> &[u8] {
        &self.file
    }
}

/// Checks that special tokens have their ids and every text can be encoded. Returns the size of the vocabulary.
fn check(definition: &Definition) -> Result<usize, String> {
    for (name, id) in [("<s>", BOS), ("</s>", EOS)] {
        if !definition.specials.iter().any(|special| special.id == id && special.bytes == name.as_bytes()) {
            return Err(format!("its token {name} is not number {id}, as Llama's is"));
        }
    }
    if !definition.specials.iter().any(|special| special.id == PAD && special.kind == SpecialTokenKind::Unknown) {
        return Err(format!("its token for what it does not know is not number {PAD}, as Llama's is"));
    }
    if !definition.config.fallback.contains(&Fallback::Bytes) {
        return Err("it cannot encode every text: it was trained without byte fallback".to_owned());
    }
    let plain = definition.model.vocab().iter().map(|token| token.id);
    // A special token that does not exist has the id −1.
    let special = definition.specials.iter().map(|special| special.id).filter(|id| *id != u32::MAX);
    Ok(plain.chain(special).max().map_or(0, |last| last as usize + 1))
}
