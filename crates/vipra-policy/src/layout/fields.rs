//! The list of fields that a sample is made of.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::TokenKind;
use crate::{Error, Result};

/// The field that says in words what is to be done.
const INSTRUCTION: &str = "instruction";
/// Kinds that are recognised in names, in this order.
const KINDS_BY_NAME: [TokenKind; 5] =
    [TokenKind::Vision, TokenKind::LatentAction, TokenKind::LatentState, TokenKind::Action, TokenKind::Proprio];

/// One field of a sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// What it holds.
    pub kind: TokenKind,
    /// Whether it is to be predicted.
    pub is_predicted: bool,
    /// Its name as it was written.
    name: String,
}

/// Fields in their order, `[instruction],[vision],latent_state,latent_action`.
///
/// Fields in brackets are read but not learned. A field is of the first of these kinds that its name contains: `vision`,
/// `latent_action`, `latent_state`, `action`, `proprio`; with any other name it is text (reference 7).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Fields(Vec<Field>);

impl Fields {
    /// `[instruction],[vision],latent_state,latent_action`, which the paper pretrains on.
    pub fn pretraining() -> Self {
        let field = |kind: TokenKind, name: &str, is_predicted| Field { kind, is_predicted, name: name.to_owned() };
        Self(vec![
            field(TokenKind::Text, INSTRUCTION, false),
            field(TokenKind::Vision, "vision", false),
            field(TokenKind::LatentState, "latent_state", true),
            field(TokenKind::LatentAction, "latent_action", true),
        ])
    }

    /// `[instruction],[vision],action`, which the paper finetunes on.
    pub fn finetuning() -> Self {
        let field = |kind: TokenKind, name: &str, is_predicted| Field { kind, is_predicted, name: name.to_owned() };
        Self(vec![
            field(TokenKind::Text, INSTRUCTION, false),
            field(TokenKind::Vision, "vision", false),
            field(TokenKind::Action, "action", true),
        ])
    }

    /// The fields in their order.
    pub fn iter(&self) -> impl Iterator<Item = &Field> {
        self.0.iter()
    }

    /// Whether there is a field of this kind.
    pub fn has(&self, kind: TokenKind) -> bool {
        self.0.iter().any(|field| field.kind == kind)
    }

    /// What is wrong with the first name that is not that of a field. Such a name is text by definition, as published; in a
    /// configuration it is more likely misspelt, and the field that was meant would silently be missing.
    pub fn misspelt(&self) -> Option<String> {
        let is_unknown = |field: &&Field| field.kind == TokenKind::Text && field.name != INSTRUCTION;
        let name = &self.0.iter().find(is_unknown)?.name;
        let known = [INSTRUCTION].into_iter().chain(KINDS_BY_NAME.map(TokenKind::name));
        let nearest = known.clone().find(|known| strsim::jaro_winkler(name, known) > 0.85);
        let advice = nearest.map_or_else(
            || format!("there are {}", known.collect::<Vec<_>>().join(", ")),
            |nearest| format!("did you mean `{nearest}`?"),
        );
        Some(format!("`{name}` is no field; {advice}"))
    }

    /// Kinds that are to be predicted, text aside.
    pub fn predicted(&self) -> impl Iterator<Item = TokenKind> {
        self.0.iter().filter(|field| field.is_predicted && field.kind != TokenKind::Text).map(|field| field.kind)
    }
}

impl FromStr for Fields {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let fault = |reason: String| Error::Fields { fields: text.to_owned(), reason };
        let mut fields: Vec<Field> = Vec::new();
        for part in text.split(',') {
            let part = part.trim();
            let inner = part.strip_prefix('[').and_then(|part| part.strip_suffix(']'));
            let name = inner.unwrap_or(part);
            if name.is_empty() || name.contains(['[', ']']) {
                return Err(fault(format!(
                    "`{part}` is no field: write NAME, or [NAME] for one that is not predicted"
                )));
            }
            let kind = kind_of(name);
            if kind != TokenKind::Text && fields.iter().any(|field| field.kind == kind) {
                return Err(fault(format!("there are two fields of kind {kind}")));
            }
            fields.push(Field { kind, is_predicted: inner.is_none(), name: name.to_owned() });
        }
        let at = |kind: TokenKind| fields.iter().position(|field| field.kind == kind);
        match (at(TokenKind::Vision), at(TokenKind::LatentState)) {
            (None, _) => Err(fault("a sample needs the field `vision`".to_owned())),
            (Some(vision), Some(state)) if state != vision + 1 => {
                Err(fault("`latent_state` goes on where `vision` ends, so it must stand right behind it".to_owned()))
            }
            _ => Ok(Self(fields)),
        }
    }
}

fn kind_of(name: &str) -> TokenKind {
    KINDS_BY_NAME.into_iter().find(|kind| name.contains(kind.name())).unwrap_or(TokenKind::Text)
}

impl TryFrom<String> for Fields {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Fields> for String {
    fn from(fields: Fields) -> Self {
        fields.to_string()
    }
}

impl fmt::Display for Fields {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, field) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            match field.is_predicted {
                true => write!(formatter, "{comma}{}", field.name)?,
                false => write!(formatter, "{comma}[{}]", field.name)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_recognised_in_names() {
        let text = "[instruction],[vision],latent_state,latent_action,action_cont";
        let fields: Fields = text.parse().unwrap();
        let kinds: Vec<TokenKind> = fields.iter().map(|field| field.kind).collect();
        assert_eq!(
            kinds,
            [TokenKind::Text, TokenKind::Vision, TokenKind::LatentState, TokenKind::LatentAction, TokenKind::Action]
        );
        let predicted: Vec<TokenKind> = fields.predicted().collect();
        assert_eq!(predicted, [TokenKind::LatentState, TokenKind::LatentAction, TokenKind::Action]);
        assert_eq!(fields.to_string(), text);
    }

    #[test]
    fn misspelt_fields_are_reported() {
        let misspelt = |text: &str| text.parse::<Fields>().unwrap().misspelt();
        assert_eq!(misspelt("[instruction],[vision],[proprio],action"), None);
        assert_eq!(
            misspelt("[instruction],[vision],[propio],action").unwrap(),
            "`propio` is no field; did you mean `proprio`?"
        );
        assert!(misspelt("[goal],[vision],action").unwrap().contains("there are instruction, vision"));
    }

    #[test]
    fn invalid_fields_are_refused_with_the_reason() {
        let message = |text: &str| text.parse::<Fields>().unwrap_err().to_string();
        assert!(message("[instruction],latent_action").contains("needs the field `vision`"));
        assert!(message("[vision,latent_action").contains("`[vision` is no field"));
        assert!(message("[vision],latent_action,latent_state").contains("right behind it"));
        assert!(message("[vision],latent_action,latent_action2").contains("two fields of kind latent_action"));
    }
}
