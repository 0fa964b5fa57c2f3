//! Writing of a token cache, episode by episode; an interrupted one can be resumed.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use vipra_data::writer::write_atomic;

use super::info::{CacheInfo, INFO_FILE};
use super::layout::{HEADER, PARTIAL_FILE, TOKEN, TOKENS_FILE, check_header, header};
use crate::{Error, Result};

/// A cache that is being written.
pub(super) struct CacheWriter {
    folder: PathBuf,
    info: CacheInfo,
    file: File,
    /// Number of episodes in the file.
    done: usize,
}

/// State of a cache when it is opened for writing.
pub(super) enum Begun {
    /// It is complete.
    Finished,
    /// Episodes are missing.
    Unfinished(CacheWriter),
}

impl CacheWriter {
    /// Creates a cache, or resumes an unfinished one; a partial episode is dropped. Locks the file, so that no other process
    /// writes it as long as the writer lives.
    pub(super) fn begin(folder: &Path, info: CacheInfo) -> Result<Begun> {
        info.validate(folder)?;
        fs::create_dir_all(folder).map_err(Error::cache_io(folder))?;
        let description = folder.join(INFO_FILE);
        if description.exists() {
            CacheInfo::read(folder)?.check(&info, folder)?;
        } else {
            let text = serde_json::to_vec_pretty(&info).map_err(|error| Error::cache(folder, error.to_string()))?;
            write_atomic(&description, &text)?;
        }
        let finished = folder.join(TOKENS_FILE);
        if finished.exists() {
            check_finished(&finished, &info)?;
            return Ok(Begun::Finished);
        }
        let path = folder.join(PARTIAL_FILE);
        let mut file = open_alone(&path)?;
        if finished.exists() {
            // Another process has finished in the meantime: the opened file is that one, or a new, empty one.
            drop(fs::remove_file(&path));
            check_finished(&finished, &info)?;
            return Ok(Begun::Finished);
        }
        let fault = Error::cache_io(&path);
        let length = file.metadata().map_err(&fault)?.len();
        let (done, kept) = whole_episodes(&info, length);
        file.set_len(kept).map_err(&fault)?;
        if kept == 0 {
            file.write_all(&header(&info)).map_err(&fault)?;
        }
        Ok(Begun::Unfinished(Self { folder: folder.to_path_buf(), info, file, done }))
    }

    /// Number of episodes in the file.
    pub(super) fn done(&self) -> usize {
        self.done
    }

    /// Adds the tokens of the next episode.
    pub(super) fn push(&mut self, tokens: &[u16]) -> Result<()> {
        let path = self.folder.join(PARTIAL_FILE);
        let expected = self.info.episodes.get(self.done).map_or(0, |next| next.frames * self.info.tokens_per_frame);
        if tokens.len() != expected {
            return Err(Error::cache(&path, format!("{} tokens for an episode of {expected}", tokens.len())));
        }
        self.file.write_all(bytemuck::cast_slice(tokens)).map_err(Error::cache_io(&path))?;
        self.done += 1;
        Ok(())
    }

    /// Gives the file its final name, once it holds every episode.
    pub(super) fn finish(self) -> Result<()> {
        let (partial, path) = (self.folder.join(PARTIAL_FILE), self.folder.join(TOKENS_FILE));
        self.file.sync_all().map_err(Error::cache_io(&partial))?;
        fs::rename(&partial, &path).map_err(Error::cache_io(&path))?;
        sync_folder(&self.folder)?;
        check_finished(&path, &self.info)
    }
}

/// Opens a file for appending and locks it: two processes would mix up their episodes.
fn open_alone(path: &Path) -> Result<File> {
    let mut options = OpenOptions::new();
    let file = options.create(true).append(true).read(true).open(path).map_err(Error::cache_io(path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::cache(path, "another process is writing these tokens")),
        Err(TryLockError::Error(error)) => Err(Error::cache_io(path)(error)),
    }
}

/// Number of whole episodes in the first `length` bytes, and of bytes up to the end of the last of them.
fn whole_episodes(info: &CacheInfo, length: u64) -> (usize, u64) {
    if length < HEADER as u64 {
        return (0, 0);
    }
    let (mut done, mut end) = (0, HEADER as u64);
    for episode in &info.episodes {
        let next = end + (episode.frames * info.tokens_per_frame * TOKEN) as u64;
        if next > length {
            break;
        }
        (done, end) = (done + 1, next);
    }
    (done, end)
}

fn check_finished(path: &Path, info: &CacheInfo) -> Result<()> {
    let fault = Error::cache_io(path);
    let mut start = Vec::with_capacity(HEADER);
    let file = File::open(path).map_err(&fault)?;
    let length = file.metadata().map_err(&fault)?.len();
    Read::take(&file, HEADER as u64).read_to_end(&mut start).map_err(&fault)?;
    check_header(&start, length, info).map_err(|reason| Error::cache(path, reason))
}

fn sync_folder(folder: &Path) -> Result<()> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(Error::cache_io(folder))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use vipra_data::picture::ImageConfig;

    use super::super::info::CachedEpisode;
    use super::super::layout::parse_header;
    use super::super::read::TokenCache;
    use super::*;

    fn info(lengths: &[usize], tokens_per_frame: usize) -> CacheInfo {
        let episodes = lengths.iter().enumerate();
        CacheInfo {
            tokenizer: "t".into(),
            dataset: "d".into(),
            camera: "c".into(),
            image: ImageConfig::default(),
            tokens_per_frame,
            codes: 1 << 16,
            episodes: episodes
                .map(|(at, frames)| CachedEpisode { number: at * 3 + 1, frames: *frames, fps: 5.0 })
                .collect(),
        }
    }

    /// Tokens that differ between episodes and frames as far as two bytes allow.
    fn tokens(episode: usize, frames: usize, tokens_per_frame: usize) -> Vec<u16> {
        (0..frames * tokens_per_frame).map(|at| (at * 7 + episode * 1009) as u16).collect()
    }

    fn write(folder: &Path, info: &CacheInfo, episodes: usize) {
        let Begun::Unfinished(mut writer) = CacheWriter::begin(folder, info.clone()).unwrap() else { return };
        for at in writer.done()..episodes {
            writer.push(&tokens(at, info.episodes[at].frames, info.tokens_per_frame)).unwrap();
        }
        if episodes == info.episodes.len() {
            writer.finish().unwrap();
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
        #[test]
        fn every_frame_is_found_where_it_was_put(
            lengths in proptest::collection::vec(0..9_usize, 1..12),
            tokens_per_frame in 1..70_usize,
            stop in 0..12_usize,
            left_over in 0..200_u64,
        ) {
            let folder = tempfile::tempdir().unwrap();
            let info = info(&lengths, tokens_per_frame);
            let stop = stop.min(lengths.len() - 1);
            // A kill leaves a part of the next episode at most.
            write(folder.path(), &info, stop);
            let partial = folder.path().join(PARTIAL_FILE);
            let next = (lengths[stop] * tokens_per_frame * TOKEN) as u64;
            let file = OpenOptions::new().append(true).open(&partial).unwrap();
            let length = file.metadata().unwrap().len();
            file.set_len(length + left_over.min(next.saturating_sub(1))).unwrap();
            prop_assert!(TokenCache::open(folder.path()).unwrap_err().to_string().contains("not finished"));
            write(folder.path(), &info, lengths.len());
            let cache = TokenCache::open(folder.path()).unwrap();
            for (at, frames) in lengths.iter().enumerate() {
                let expected = tokens(at, *frames, tokens_per_frame);
                for (frame, expected) in expected.chunks_exact(tokens_per_frame).enumerate() {
                    prop_assert_eq!(cache.frame(at * 3 + 1, frame).unwrap(), expected);
                }
                prop_assert!(cache.frame(at * 3 + 1, *frames).is_err());
            }
            prop_assert!(cache.frame(0, 0).is_err());
        }

        #[test]
        fn any_bytes_are_a_cache_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let info = info(&[2, 3], 4);
            prop_assert!(parse_header(&bytes, &info).is_err());
            let mut begun = header(&info);
            begun.extend(&bytes);
            prop_assert_eq!(parse_header(&begun, &info).is_ok(), bytes.len() == 40);
        }
    }

    #[test]
    fn tokens_are_written_by_one_process_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let info = info(&[2, 3], 4);
        let first = CacheWriter::begin(folder.path(), info.clone()).unwrap();
        assert!(matches!(first, Begun::Unfinished(_)));
        let second = CacheWriter::begin(folder.path(), info.clone()).err().unwrap().to_string();
        assert!(second.contains("another process is writing these tokens: "), "{second}");
        drop(first);
        write(folder.path(), &info, 2);
        assert_eq!(TokenCache::open(folder.path()).unwrap().frame(1, 0).unwrap(), tokens(0, 1, 4));
    }

    #[test]
    fn damage_and_other_tokens_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let right = CacheInfo { codes: 5000, ..info(&[2, 3], 4) };
        write(folder.path(), &right, 2);
        let refused = |wanted: CacheInfo| match CacheWriter::begin(folder.path(), wanted) {
            Err(error) => error.to_string(),
            Ok(_) => panic!("it was taken"),
        };
        assert!(refused(CacheInfo { tokenizer: "u".into(), ..right.clone() }).contains("another tokenizer: \"t\""));
        assert!(refused(CacheInfo { dataset: "e".into(), ..right.clone() }).contains("another dataset"));
        let image = ImageConfig { width: 32, ..right.image };
        assert!(refused(CacheInfo { image, ..right.clone() }).contains("another image transform"));
        let fewer = right.episodes[..1].to_vec();
        assert!(refused(CacheInfo { episodes: fewer, ..right.clone() }).contains("another choice of episodes"));

        let endless = vec![CachedEpisode { number: 0, frames: usize::MAX, fps: 5.0 }; 1];
        assert!(refused(CacheInfo { episodes: endless, ..right.clone() }).contains("more tokens than a file can hold"));
        let twice = vec![right.episodes[0].clone(); 2];
        assert!(refused(CacheInfo { episodes: twice, ..right.clone() }).contains("episode 1 stands in it twice"));

        let read = || TokenCache::open(folder.path()).unwrap_err().to_string();
        let file = folder.path().join(TOKENS_FILE);
        let bytes = fs::read(&file).unwrap();
        fs::write(&file, &bytes[..bytes.len() - 3]).unwrap();
        assert!(read().contains("it was cut off or damaged"), "{}", read());
        assert!(refused(right.clone()).contains("it was cut off or damaged"));
        fs::write(&file, &bytes[..7]).unwrap();
        assert!(read().contains("too short"));
        let mut other = bytes.clone();
        other[30] ^= 1;
        fs::write(&file, &other).unwrap();
        assert!(read().contains("does not belong to the description"));
        let mut outside = bytes.clone();
        outside[HEADER..HEADER + 2].copy_from_slice(&5000_u16.to_le_bytes());
        fs::write(&file, &outside).unwrap();
        let message = TokenCache::open(folder.path()).unwrap().frame(1, 0).unwrap_err().to_string();
        assert!(message.contains("episode 1, frame 0: token 5000 of a codebook of 5000"), "{message}");
    }
}
