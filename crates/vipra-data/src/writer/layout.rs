//! Where everything lies, and how it gets there without ever being half there.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use arrow::array::{ArrayRef, Int64Array, StringArray};
use indexmap::{IndexMap, IndexSet};
use serde_json::json;

use super::episodes_table::write_episodes;
use super::{DatasetWriter, RECORDING, WriterOptions, columns};
use crate::error::{Error, Result};
use crate::source::lerobot::{Info, LeRobot, Value, Version, expand};
use crate::source::{OpenOptions, Source};
use crate::stats::{Collector, Histograms, Stats};

/// Files in a folder (interfaces b.2).
const FILES_IN_CHUNK: usize = 1000;

/// A finished episode.
pub(super) struct EpisodeRecord {
    pub(super) length: usize,
    /// Each instruction once.
    pub(super) tasks: Vec<String>,
    pub(super) stats: Stats,
}

/// The number of a file in its stream of files.
#[derive(Clone, Copy, Default)]
pub(super) struct FileNumber(pub(super) usize);

impl FileNumber {
    pub(super) fn chunk(self) -> usize {
        self.0 / FILES_IN_CHUNK
    }

    pub(super) fn file(self) -> usize {
        self.0 % FILES_IN_CHUNK
    }

    fn values(self) -> [(&'static str, Value<'static>); 2] {
        [("chunk_index", Value::Number(self.chunk() as u64)), ("file_index", Value::Number(self.file() as u64))]
    }
}

/// Where an episode lies.
pub(super) struct Placement {
    pub(super) data: FileNumber,
    pub(super) meta: FileNumber,
    pub(super) videos: IndexMap<String, VideoPlacement>,
}

/// Where a camera's part of an episode lies.
#[derive(Clone, Copy)]
pub(super) struct VideoPlacement {
    pub(super) file: FileNumber,
    pub(super) from_secs: f64,
    pub(super) to_secs: f64,
}

pub(super) fn data_path(root: &Path, info: &Info, file: FileNumber) -> Result<PathBuf> {
    expand(&info.data_path, &file.values(), root)
}

pub(super) fn video_path(root: &Path, info: &Info, camera: &str, file: FileNumber) -> Result<PathBuf> {
    let template = info.video_path.as_deref().unwrap_or_default();
    let [chunk, index] = file.values();
    expand(template, &[("video_key", Value::Text(camera)), chunk, index], root)
}

pub(super) fn episodes_path(root: &Path, file: FileNumber) -> PathBuf {
    root.join(format!("meta/episodes/chunk-{:03}/file-{:03}.parquet", file.chunk(), file.file()))
}

pub(super) fn create_folders(root: &Path) -> Result<()> {
    for folder in ["meta/episodes", "data"] {
        let folder = root.join(folder);
        fs::create_dir_all(&folder).map_err(|error| Error::io(&folder, error))?;
    }
    Ok(())
}

pub(super) fn create_parent(path: &Path) -> Result<()> {
    match path.parent() {
        Some(parent) => fs::create_dir_all(parent).map_err(|error| Error::io(parent, error)),
        None => Ok(()),
    }
}

pub(super) fn remove_folder(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Error::io(folder, error)),
    }
}

/// Replaces a file at once: readers see the old content or the new, never a part.
///
/// # Errors
/// [`Error::Io`].
pub fn write_atomic(path: &Path, content: &[u8]) -> Result<()> {
    let fault = |error: std::io::Error| Error::io(path, error);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(fault)?;
    file.write_all(content).map_err(fault)?;
    file.as_file().sync_all().map_err(fault)?;
    // Temporary files are private; the dataset is not.
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    file.as_file().set_permissions(permissions).map_err(fault)?;
    file.persist(path).map_err(|error| fault(error.error))?;
    sync_folder(folder)
}

/// Makes the entries of a folder durable; a file that was renamed into it can be lost otherwise.
pub(crate) fn sync_folder(folder: &Path) -> Result<()> {
    fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| Error::io(folder, error))
}

/// Moves a complete file into place, durably.
pub(super) fn put(from: &Path, to: &Path) -> Result<()> {
    create_parent(to)?;
    fs::File::open(from).and_then(|file| file.sync_all()).map_err(|error| Error::io(from, error))?;
    fs::rename(from, to).map_err(|error| Error::io(to, error))?;
    // The folder and the one above it, in case the folder is new.
    to.ancestors().skip(1).take(2).try_for_each(sync_folder)
}

pub(super) fn write_json(path: &Path, value: &serde_json::Value) -> Result<()> {
    let mut bytes = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, formatter);
    serde::Serialize::serialize(value, &mut serializer)
        .map_err(|error| Error::metadata(path, "(whole file)", error.to_string()))?;
    write_atomic(path, &bytes)
}

pub(super) fn write_info(root: &Path, info: &Info) -> Result<()> {
    let path = root.join("meta/info.json");
    let mut value =
        serde_json::to_value(info).map_err(|error| Error::metadata(&path, "(whole file)", error.to_string()))?;
    // The lerobot library wants an integer.
    value["fps"] = json!(info.fps.round() as u64);
    write_json(&path, &value)
}

/// Sets the totals, and the split of a recording in progress.
pub(super) fn count(info: &mut Info, tasks: &IndexSet<String>, episodes: &[EpisodeRecord]) {
    info.total_tasks = tasks.len() as u64;
    info.total_episodes = episodes.len() as u64;
    info.total_frames = episodes.iter().map(|episode| episode.length as u64).sum();
    info.splits = [("train".to_owned(), format!("0:{}", episodes.len()))].into();
}

/// `meta/tasks.parquet` with the text as its pandas index, which is how the lerobot library looks tasks up.
pub(super) fn write_tasks(root: &Path, tasks: &IndexSet<String>) -> Result<()> {
    let path = root.join("meta/tasks.parquet");
    let numbers: ArrayRef = std::sync::Arc::new(Int64Array::from_iter_values(0..tasks.len() as i64));
    let texts: ArrayRef = std::sync::Arc::new(StringArray::from_iter_values(tasks));
    let column = |name: &str, kind: &str, numpy: &str| json!({"name": name, "field_name": name, "pandas_type": kind, "numpy_type": numpy, "metadata": null});
    let pandas = json!({
        "index_columns": ["task"],
        "column_indexes": [],
        "columns": [column("task_index", "int64", "int64"), column("task", "unicode", "object")],
        "pandas_version": "2.0.0",
    });
    let batch = columns::batch_with_metadata(
        vec![("task_index".into(), numbers), ("task".into(), texts)],
        [("pandas".to_owned(), pandas.to_string())].into(),
        &path,
    )?;
    let scratch = path.with_extension("partial");
    columns::write(&scratch, &[batch])?;
    put(&scratch, &path)
}

/// Facts about the videos of a camera, as LeRobot 0.4 names them.
pub(super) fn video_facts(
    width: usize,
    height: usize,
    options: &WriterOptions,
) -> serde_json::Map<String, serde_json::Value> {
    let facts = json!({
        "video.height": height,
        "video.width": width,
        "video.codec": options.video.codec.name(),
        "video.pix_fmt": "yuv420p",
        "video.is_depth_map": false,
        "video.fps": options.fps,
        "video.channels": 3,
        "has_audio": false,
    });
    facts.as_object().cloned().unwrap_or_default()
}

/// Whether `meta/tasks.parquet` is to be written, which holds `written` of `all` instructions: with each new one, and of
/// thousands with a tenth more. With an instruction an episode, a file with each would make gigabytes.
fn is_due(written: usize, all: usize) -> bool {
    let waiting = all.saturating_sub(written);
    waiting > 0 && (all <= 1000 || waiting >= all / 10)
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
        write_tasks(&writer.root, &writer.tasks)?;
        writer.tasks_written = writer.tasks.len();
    }
    let (root, info) = (&writer.root, &writer.info);
    let file = FileNumber(episode.number);
    let histograms = serde_json::to_value(episode.histograms)
        .map_err(|error| Error::Invalid(format!("keeping the statistics of pictures: {error}")))?;
    write_json(&histograms_path(root, episode.number), &histograms)?;
    let mut placement = Placement { data: file, meta: file, videos: IndexMap::new() };
    let to_secs = episode.record.length as f64 / info.fps;
    for (camera, path) in episode.videos {
        put(path, &video_path(root, info, camera, file)?)?;
        placement.videos.insert(camera.clone(), VideoPlacement { file, from_secs: 0.0, to_secs });
    }
    put(episode.data, &data_path(root, info, file)?)?;

    let first_index = writer.episodes.iter().map(|episode| episode.length).sum();
    let path = episode.data.with_file_name("episodes.parquet");
    write_episodes(&path, &info.features, episode.number, first_index, &[(episode.record, placement)])?;
    put(&path, &episodes_path(root, file))
}

/// Statistics of an episode's pictures, which would be lost with the pictures themselves.
fn histograms_path(root: &Path, number: usize) -> PathBuf {
    root.join(RECORDING).join(format!("histograms-{number:06}.json"))
}

fn read_histograms(root: &Path, number: usize) -> Result<Histograms> {
    let path = histograms_path(root, number);
    let text = fs::read_to_string(&path).map_err(|error| Error::io(&path, error))?;
    serde_json::from_str(&text).map_err(|error| Error::metadata(&path, "(whole file)", error.to_string()))
}

/// What an interrupted recording finished.
#[derive(Default)]
pub(super) struct Recorded {
    pub(super) tasks: IndexSet<String>,
    pub(super) episodes: Vec<EpisodeRecord>,
    pub(super) collector: Collector,
}

/// Reads back what an interrupted recording finished.
pub(super) fn read_recorded(root: &Path) -> Result<Recorded> {
    let source = LeRobot::open(root, Version::V30, &OpenOptions::default())?;
    // Those of its episodes: one of an episode that was not finished is not among them.
    let tasks = source.description().tasks.iter().cloned().collect();
    let mut recorded = Recorded { tasks, ..Recorded::default() };
    for (at, episode) in source.episodes().iter().enumerate() {
        let mut collector = Collector::default();
        collector.add_rows(&source.rows(at)?);
        collector.merge(Collector::from_histograms(read_histograms(root, episode.number)?));
        let (length, tasks) = (episode.length, episode.tasks.clone());
        recorded.episodes.push(EpisodeRecord { length, tasks, stats: collector.finish() });
        recorded.collector.merge(collector);
    }
    Ok(recorded)
}

/// Removes files of an episode that was being put in place when the recording was interrupted.
pub(super) fn remove_unfinished(root: &Path, episodes: usize) -> Result<()> {
    let recording = root.join(RECORDING);
    for entry in crate::source::sorted_entries(&recording)? {
        if entry.is_dir() {
            remove_folder(&entry)?;
        }
    }
    let name = format!("file-{:03}", FileNumber(episodes).file());
    let chunk = format!("chunk-{:03}", FileNumber(episodes).chunk());
    for entry in walkdir::WalkDir::new(root).into_iter().filter_map(Result::ok) {
        let path = entry.path();
        let is_next = path.file_stem().is_some_and(|stem| *stem == *name)
            && path.parent().and_then(Path::file_name).is_some_and(|folder| *folder == *chunk);
        if entry.file_type().is_file() && is_next {
            fs::remove_file(path).map_err(|error| Error::io(path, error))?;
        }
    }
    Ok(())
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
