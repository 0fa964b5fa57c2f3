//! The transformer: sizes, layers, embeddings and heads, the cache of keys and values; and what a policy adds to it.

mod actions;
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
pub(crate) use tokens::Run;
pub use tokens::Tokens;
pub use transformer::Transformer;
