//! Puts an episode in place, so that it counts or is not there.

use std::path::{Path, PathBuf};

use indexmap::IndexMap;

use super::episodes_table::write_episodes;
use super::layout::{self, FileNumber, Placement, VideoPlacement};
use super::{DatasetWriter, RECORDING, metadata};
use crate::error::{Error, Result};
use crate::files;
use crate::stats::{Histograms, Stats};

/// A finished episode.
pub(super) struct EpisodeRecord {
    pub(super) length: usize,
    /// Each instruction once.
    pub(super) tasks: Vec<String>,
    pub(super) stats: Stats,
}

/// An episode whose files are complete and wait to be put in place.
pub(super) struct Finished<'a> {
    pub(super) number: usize,
    pub(super) record: &'a EpisodeRecord,
    pub(super) histograms: &'a Histograms,
    pub(super) data: &'a Path,
    pub(super) videos: &'a [(String, PathBuf)],
}

/// Puts an episode's files in place; its row of `meta/episodes` comes last and makes it count. Its instructions are among the
/// writer's.
pub(super) fn commit(writer: &mut DatasetWriter, episode: &Finished<'_>) -> Result<()> {
    if is_due(writer.tasks_written, writer.tasks.len()) {
        metadata::write_tasks(&writer.root, &writer.tasks)?;
        writer.tasks_written = writer.tasks.len();
    }
    let (root, info) = (&writer.root, &writer.info);
    let file = FileNumber(episode.number);
    let histograms = serde_json::to_value(episode.histograms)
        .map_err(|error| Error::Invalid(format!("keeping the statistics of pictures: {error}")))?;
    files::write_json(&histograms_path(root, episode.number), &histograms)?;
    let mut placement = Placement { data: file, meta: file, videos: IndexMap::new() };
    let to_secs = episode.record.length as f64 / info.fps;
    for (camera, path) in episode.videos {
        files::put(path, &layout::video_path(root, info, camera, file)?)?;
        placement.videos.insert(camera.clone(), VideoPlacement { file, from_secs: 0.0, to_secs });
    }
    files::put(episode.data, &layout::data_path(root, info, file)?)?;

    let first_index = writer.episodes.iter().map(|episode| episode.length).sum();
    let path = episode.data.with_file_name("episodes.parquet");
    write_episodes(&path, &info.features, episode.number, first_index, &[(episode.record, placement)])?;
    files::put(&path, &layout::episodes_path(root, file))
}

/// Whether `meta/tasks.parquet` is to be written, which holds `written` of `all` instructions: with each new one, and of
/// thousands with a tenth more. With an instruction an episode, a file with each would make gigabytes.
fn is_due(written: usize, all: usize) -> bool {
    let waiting = all.saturating_sub(written);
    waiting > 0 && (all <= 1000 || waiting >= all / 10)
}

/// Statistics of an episode's pictures, which would be lost with the pictures themselves.
pub(super) fn histograms_path(root: &Path, number: usize) -> PathBuf {
    root.join(RECORDING).join(format!("histograms-{number:06}.json"))
}

#[cfg(test)]
mod tests {
    use super::is_due;

    #[test]
    fn many_instructions_are_written_in_parts_that_grow() {
        let (mut written, mut files, mut lines) = (0, 0, 0);
        for all in 1..=50_000 {
            assert!(!is_due(all, all));
            if is_due(written, all) {
                (written, files, lines) = (all, files + 1, lines + all);
            }
            assert!(all - written <= if all <= 1000 { 0 } else { all / 10 }, "{written} of {all}");
        }
        assert!(files < 1100 && lines < 30 * 50_000, "{files} files with {lines} instructions");
    }
}
