//! A small byte-level BPE tokenizer, on the crate `tokenizers`.

use std::collections::HashSet;

use serde_json::Value;
use tokenizers::decoders::byte_level::ByteLevel;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::{AddedToken, NormalizerWrapper, Tokenizer, TokenizerBuilder, TokenizerImpl};

use super::{BOS, EOS, PAD};

/// Smallest vocabulary: all bytes and the special tokens.
pub(super) const SMALLEST: usize = 256 + SPECIAL.len();

/// Special tokens, in the order of their ids.
const SPECIAL: [(&str, u32); 3] = [("<unk>", PAD), ("<s>", BOS), ("</s>", EOS)];

/// The fault of a vocabulary that is too small.
pub(super) fn too_small(size: usize) -> String {
    format!("a vocabulary of {size} tokens has no room for all bytes, which takes {SMALLEST}")
}

#[derive(Clone)]
pub(super) struct Bpe {
    // Boxed, because it takes several kilobytes.
    tokenizer: Box<Tokenizer>,
}

impl Bpe {
    pub(super) fn train(texts: &[String], vocab_size: usize) -> Result<Self, String> {
        if vocab_size < SMALLEST {
            return Err(too_small(vocab_size));
        }
        let fault = |error: tokenizers::Error| error.to_string();
        // No space is put before the text, and words keep the space before them.
        let bytes = ByteLevel::new(false, true, true);
        let mut tokenizer: TokenizerImpl<BPE, NormalizerWrapper, ByteLevel, ByteLevel, ByteLevel> =
            TokenizerBuilder::new()
                .with_model(BPE::default())
                .with_normalizer(None)
                .with_pre_tokenizer(Some(bytes))
                .with_post_processor(None)
                .with_decoder(Some(bytes))
                .build()
                .map_err(fault)?;
        let mut trainer = BpeTrainer::builder()
            .show_progress(false)
            .vocab_size(vocab_size)
            .initial_alphabet(ByteLevel::alphabet().into_iter().collect::<HashSet<char>>())
            .special_tokens(SPECIAL.map(|(token, _)| AddedToken::from(token, true)).to_vec())
            .build();
        // No merge may spell the name of a special token.
        let plain =
            texts.iter().map(|text| SPECIAL.iter().fold(text.clone(), |text, (token, _)| text.replace(token, " ")));
        tokenizer.train(&mut trainer, plain).map_err(fault)?;
        Self::checked(tokenizer.into())
    }

    pub(super) fn from_value(value: Value) -> Result<Self, String> {
        Self::checked(serde_json::from_value(value).map_err(|error| error.to_string())?)
    }

    /// Checks that special tokens have their ids and every byte has a token.
    fn checked(mut tokenizer: Tokenizer) -> Result<Self, String> {
        for (token, id) in SPECIAL {
            if tokenizer.token_to_id(token) != Some(id) {
                return Err(format!("the token {token} is not number {id}"));
            }
        }
        if let Some(byte) =
            ByteLevel::alphabet().into_iter().find(|byte| tokenizer.token_to_id(&byte.to_string()).is_none())
        {
            return Err(format!("there is no token for the byte that is written {byte}"));
        }
        // Names of special tokens within a text are plain text. (This setting is not stored with the tokenizer.)
        tokenizer.set_encode_special_tokens(true);
        Ok(Self { tokenizer: Box::new(tokenizer) })
    }

    pub(super) fn encode(&self, text: &str) -> Result<Vec<u32>, String> {
        let encoding = self.tokenizer.encode(text, false).map_err(|error| error.to_string())?;
        Ok(encoding.get_ids().to_vec())
    }

    pub(super) fn decode(&self, tokens: &[u32]) -> Result<String, String> {
        self.tokenizer.decode(tokens, true).map_err(|error| error.to_string())
    }

    pub(super) fn vocab_size(&self) -> usize {
        self.tokenizer.get_vocab_size(true)
    }

    pub(super) fn to_value(&self) -> Result<Value, String> {
        serde_json::to_value(&self.tokenizer).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{BOS, EOS, PAD, TextTokenizer};

    fn trained() -> TextTokenizer {
        let texts = ["put the carrot on the plate", "put the spoon on the towel </s>", "stack the green block <s>"];
        TextTokenizer::train(&texts.map(str::to_owned), 300).unwrap()
    }

    #[test]
    fn words_of_the_texts_are_short_and_special_tokens_are_no_text() {
        let tokenizer = trained();
        assert!(tokenizer.vocab_size() > 259 && tokenizer.vocab_size() <= 300);
        let tokens = tokenizer.encode("put the carrot on the plate").unwrap();
        assert!(tokens.len() < 20, "{tokens:?}");
        assert_eq!(tokenizer.encode("<s> put").unwrap()[0], BOS);
        assert_eq!(tokenizer.encode("<s>").unwrap(), [BOS]);
        for text in ["</s>", "<unk>", "<vision>", "a</s><s>b<unk>"] {
            let tokens = tokenizer.encode(text).unwrap();
            assert!(!tokens.contains(&EOS) && !tokens.contains(&PAD), "{text}: {tokens:?}");
        }
        assert!(TextTokenizer::train(&[], 258).unwrap_err().to_string().contains("no room for all bytes"));
        assert!(tokenizer.decode(&[300]).is_err());
    }

    #[test]
    fn the_same_texts_give_the_same_tokenizer() {
        assert_eq!(trained().to_json().unwrap(), trained().to_json().unwrap());
        assert!(TextTokenizer::from_json("{\"kind\": \"byte-level-bpe\", \"tokenizer\": {}}").is_err());
    }

    proptest! {
        #[test]
        fn any_text_comes_back(text in "\\PC*|[\\x00-\\x7f]*|(put|the|</s>|<unk>| )*") {
            let tokenizer = trained();
            prop_assume!(!text.contains("<s>"));
            let tokens = tokenizer.encode(&text).unwrap();
            prop_assert!(tokens.iter().all(|token| *token > EOS && (*token as usize) < tokenizer.vocab_size()));
            prop_assert_eq!(tokenizer.decode(&tokens).unwrap(), text.clone());
            let again = TextTokenizer::from_json(&tokenizer.to_json().unwrap()).unwrap();
            prop_assert_eq!(again.encode(&text).unwrap(), tokens);
        }
    }
}
