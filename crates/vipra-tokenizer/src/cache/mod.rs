//! Tokens of a dataset's frames, beside it.
//!
//! A folder with `tokens.json` ([`CacheInfo`]: whose tokens of what) and `tokens.bin`: a header, then the tokens of all
//! frames, two bytes each, episode by episode in the order of the JSON. The file is mapped into memory when it is read. While
//! it is made it is called `tokens.partial`, and its length says how far it is, so that an interrupted one goes on.

mod encode;
mod info;
mod layout;
mod read;
mod write;

pub use encode::{EncodeConfig, encode_dataset};
pub use info::{CacheInfo, CachedEpisode};
pub use layout::parse_header;
pub use read::TokenCache;
