//! Layout of the binary file.

use super::info::CacheInfo;

/// File of the tokens within the folder.
pub(super) const TOKENS_FILE: &str = "tokens.bin";
/// Its name while it is written.
pub(super) const PARTIAL_FILE: &str = "tokens.partial";
/// Bytes before the first token.
pub(super) const HEADER: usize = 32;
/// Bytes of a token.
pub(super) const TOKEN: usize = 2;

const MAGIC: &[u8; 8] = b"vipratok";
const VERSION: u32 = 1;

/// The header of a file: format and version, tokens per frame, number of frames, hash of the description.
pub(super) fn header(info: &CacheInfo) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&(info.tokens_per_frame as u32).to_le_bytes());
    bytes.extend_from_slice(&(info.frames() as u64).to_le_bytes());
    bytes.extend_from_slice(&hash(info));
    bytes
}

/// Hash by which the tokens are tied to the description beside them. Rates are left out: their last digit may change when they
/// are written as text.
fn hash(info: &CacheInfo) -> [u8; 8] {
    let mut info = info.clone();
    info.episodes.iter_mut().for_each(|episode| episode.fps = 0.0);
    // A description can always be written as JSON.
    let text = serde_json::to_vec(&info).unwrap_or_default();
    let mut short = [0; 8];
    short.copy_from_slice(&blake3::hash(&text).as_bytes()[..8]);
    short
}

/// Checks header and length of a whole file against `info`.
///
/// # Errors
/// What is wrong, in words.
pub fn parse_header(bytes: &[u8], info: &CacheInfo) -> Result<(), String> {
    check_header(bytes, bytes.len() as u64, info)
}

/// Checks a file of `length` bytes by its first bytes.
pub(super) fn check_header(start: &[u8], length: u64, info: &CacheInfo) -> Result<(), String> {
    let Some(found) = start.get(..HEADER) else { return Err("it is too short to be a token cache".to_owned()) };
    if !found.starts_with(MAGIC) {
        return Err("it is no token cache".to_owned());
    }
    let header = header(info);
    if found[8..12] != header[8..12] {
        return Err("it is of another version of the format".to_owned());
    }
    if found != header {
        return Err("it does not belong to the description beside it".to_owned());
    }
    let expected = file_length(info);
    if length != expected {
        return Err(format!("it has {length} bytes and should have {expected}: it was cut off or damaged"));
    }
    Ok(())
}

/// Bytes of the whole file.
fn file_length(info: &CacheInfo) -> u64 {
    HEADER as u64 + info.frames() as u64 * info.tokens_per_frame as u64 * TOKEN as u64
}
