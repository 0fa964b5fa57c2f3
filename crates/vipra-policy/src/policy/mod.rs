//! A finetuned policy: its specification, how it makes chunks, and its package on disk.

mod decoder;
mod package;
mod runtime;
mod specification;

pub(crate) use decoder::ChunkDecoder;
pub use decoder::{flow_chunks, flow_chunks_naively};
pub use package::{Package, PackageParts};
pub use runtime::TrainedPolicy;
pub(crate) use specification::crops_fault;
pub use specification::{Features, Specification};
