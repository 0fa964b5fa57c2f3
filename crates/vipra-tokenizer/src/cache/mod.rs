//! The token cache: the tokens of a dataset's frames on disk.
//!
//! A cache is a folder with `tokens.json` ([`CacheInfo`]) and `tokens.bin`: a header, then the tokens of all frames, two bytes
//! each, episode by episode in the order of the JSON. The file is mapped into memory when it is read. While it is written it
//! is called `tokens.partial`, and its length tells which episodes are done, so that an interrupted encoding can be resumed.

mod encode;
mod info;
mod layout;
mod read;
mod write;

pub use encode::{EncodeConfig, encode_dataset};
pub use info::{CacheInfo, CachedEpisode};
pub use layout::parse_header;
pub use read::TokenCache;
