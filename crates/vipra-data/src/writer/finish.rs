//! Joins the files of a recording up to LeRobot's sizes.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use indexmap::IndexMap;

use super::episodes_table::write_episodes;
use super::layout::{self, FileNumber, Placement, VideoPlacement};
use super::{DatasetWriter, FINISHED, columns, metadata, skipped};
use crate::error::{Error, Result};
use crate::feature::DType;
use crate::files;
use crate::source::lerobot::read_parquet;
use crate::stats;
use crate::video::{self, VideoKind};

const MIB: u64 = 1 << 20;

/// Suffix of the folder, beside the dataset, that the files are joined in.
pub(super) const FINISHING: &str = "finishing";

pub(super) fn finish(mut writer: DatasetWriter, splits: &[(String, Range<usize>)]) -> Result<()> {
    let root = writer.root.clone();
    if writer.episodes.is_empty() {
        return Err(Error::Invalid(format!("nothing was recorded: {}", root.display())));
    }
    if !splits.is_empty() {
        let text = |range: &Range<usize>| format!("{}:{}", range.start, range.end);
        writer.info.splits = splits.iter().map(|(name, range)| (name.clone(), text(range))).collect();
    }
    let joined = files::sibling(&root, FINISHING);
    files::remove_folder(&joined)?;
    let outcome = join(&writer, &joined).and_then(|()| files::replace_folder(&joined, &root));
    if outcome.is_err() {
        files::remove_folder(&joined)?;
    }
    outcome
}

/// Writes the whole dataset to the folder `joined`.
fn join(writer: &DatasetWriter, joined: &Path) -> Result<()> {
    layout::create_folders(joined)?;
    let data = join_data(writer, joined)?;
    let mut placements: Vec<Placement> =
        data.into_iter().map(|data| Placement { data, meta: FileNumber(0), videos: IndexMap::new() }).collect();
    let features = writer.info.features.iter();
    for (camera, _) in features.filter(|(_, feature)| feature.dtype == DType::Video) {
        let videos = join_videos(writer, joined, camera)?;
        placements.iter_mut().zip(videos).for_each(|(placement, video)| {
            placement.videos.insert(camera.clone(), video);
        });
    }

    let rows: Vec<_> = writer.episodes.iter().zip(placements).collect();
    let episodes = layout::episodes_path(joined, FileNumber(0));
    files::create_parent(&episodes)?;
    write_episodes(&episodes, &writer.info.features, 0, 0, &rows)?;
    metadata::write_tasks(joined, &writer.tasks)?;
    let stats = stats::to_json(&writer.collector.finish(), &writer.info.features);
    files::write_json(&joined.join("meta/stats.json"), &stats)?;
    let options = serde_json::to_value(&writer.options)
        .map_err(|error| Error::Invalid(format!("writing the options of a recording: {error}")))?;
    files::write_json(&joined.join("meta").join(FINISHED), &options)?;
    skipped::write(&joined.join("meta"), &writer.skipped)?;
    metadata::write_info(joined, &writer.info)?;
    let folders = walkdir::WalkDir::new(joined).into_iter().filter_map(Result::ok);
    folders.filter(|entry| entry.file_type().is_dir()).try_for_each(|folder| files::sync_folder(folder.path()))
}

/// Which consecutive files share a new one: as many as fit, all of the same kind.
fn groups<K: PartialEq>(files: &[PathBuf], kinds: &[K], limit_mb: u64) -> Result<Vec<Range<usize>>> {
    let mut groups: Vec<Range<usize>> = Vec::new();
    let mut size = 0;
    for (at, file) in files.iter().enumerate() {
        let bytes = fs::metadata(file).map_err(|error| Error::io(file, error))?.len();
        match groups.last_mut() {
            Some(group) if size + bytes < limit_mb * MIB && kinds[at] == kinds[group.start] => {
                group.end = at + 1;
                size += bytes;
            }
            _ => {
                groups.push(at..at + 1);
                size = bytes;
            }
        }
    }
    Ok(groups)
}

/// One row group an episode, as the lerobot library records them.
fn join_data(writer: &DatasetWriter, joined: &Path) -> Result<Vec<FileNumber>> {
    let file = |number| layout::data_path(&writer.root, &writer.info, FileNumber(number));
    let files = (0..writer.episodes.len()).map(file).collect::<Result<Vec<_>>>()?;
    let mut numbers = Vec::new();
    for (number, group) in
        groups(&files, &vec![(); files.len()], writer.options.data_file_size_mb)?.into_iter().enumerate()
    {
        let batches = files[group.clone()].iter().map(|path| read_parquet(path)).collect::<Result<Vec<_>>>()?;
        let path = layout::data_path(joined, &writer.info, FileNumber(number))?;
        files::create_parent(&path)?;
        columns::write(&path, &batches)?;
        numbers.extend(group.map(|_| FileNumber(number)));
    }
    Ok(numbers)
}

fn join_videos(writer: &DatasetWriter, joined: &Path, camera: &str) -> Result<Vec<VideoPlacement>> {
    let file = |number| layout::video_path(&writer.root, &writer.info, camera, FileNumber(number));
    let files = (0..writer.episodes.len()).map(file).collect::<Result<Vec<_>>>()?;
    let kinds = files.iter().map(|file| VideoKind::of(file)).collect::<Result<Vec<_>>>()?;
    let mut placements = Vec::new();
    for (number, group) in groups(&files, &kinds, writer.options.video_file_size_mb)?.into_iter().enumerate() {
        let mut parts = Vec::new();
        let mut frames = 0;
        for at in group {
            let from_secs = frames as f64 / writer.info.fps;
            frames += writer.episodes[at].length;
            let to_secs = frames as f64 / writer.info.fps;
            parts.push((files[at].clone(), to_secs - from_secs));
            placements.push(VideoPlacement { file: FileNumber(number), from_secs, to_secs });
        }
        let path = layout::video_path(joined, &writer.info, camera, FileNumber(number))?;
        files::create_parent(&path)?;
        video::concat(&parts, &path)?;
        fs::File::open(&path).and_then(|file| file.sync_all()).map_err(|error| Error::io(&path, error))?;
    }
    Ok(placements)
}
