//! A finetuned policy: what it is, how it makes chunks, and the package that it travels in.

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
