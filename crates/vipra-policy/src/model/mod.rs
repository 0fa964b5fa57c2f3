//! The transformer: sizes, layers, embeddings and heads, the cache of keys and values.

mod cache;
mod config;
mod flax;
mod layer;
mod transformer;

pub use cache::Cache;
pub use config::{RotaryPrecision, TransformerConfig, Vocabularies};
pub use flax::from_flax;
pub use layer::{Layer, RmsNorm};
pub(crate) use transformer::indices;
pub use transformer::{Tokens, Transformer};
