//! The transformer: sizes, layers, embeddings and heads, the cache of keys and values; and what a policy adds to it.
//!
//! Legend of the shapes: a batch has `rows` of `length` tokens, or of `new` tokens behind a cache, and each token has `dim`
//! channels. Attention has `heads` of `head_dim` channels, `dim = heads·head_dim`. A frame has `tokens_per_frame` tokens of
//! the tokenizer, in a grid of rows and columns, of which a model may merge `tokens_per_patch = side²` into one. A chunk has `horizon` actions of
//! `action_dim` numbers. A policy sees `states` states of `state_dim` numbers.

mod actions;
mod cached;
mod code_vectors;
mod config;
mod embedding;
mod flax;
mod frame_merger;
mod frame_positions;
mod init;
mod kv_cache;
mod layer;
mod policy;
#[cfg(test)]
pub(crate) mod shake;
mod tokens;
mod transformer;

pub use actions::{ActionEncoder, BinActions, FlowActions, ProprioEncoder, time_embedding};
pub use config::{RotaryPrecision, TransformerConfig, Vocabularies};
pub(crate) use embedding::indices;
pub use flax::{from_flax, policy_from_flax};
pub use frame_merger::FrameMerger;
pub use init::NewParameters;
pub use kv_cache::KvCache;
pub use layer::{Layer, RmsNorm};
pub use policy::{ActionDecoder, ActionSizes, ContinuousInputs, PolicyModel};
pub use tokens::Tokens;
pub use transformer::Transformer;
