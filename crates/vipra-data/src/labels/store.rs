//! The folder of labels.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::ops::Range;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::part;
use super::{EpisodeLabels, LabelsInfo};
use crate::error::{Error, Result};
use crate::files::{self, write_atomic};

const INFO_FILE: &str = "labels.json";
/// Episodes of a part.
const EPISODES_PER_PART: usize = 16;
/// How the names of parts end that are being written, or were when their process was killed.
const PARTIAL: &str = "partial";

/// One of several processes that label a dataset together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// From 0.
    pub index: usize,
    /// How many there are.
    pub count: usize,
}

impl Shard {
    /// The only one.
    pub const WHOLE: Self = Self { index: 0, count: 1 };

    /// Its part of `all` things: neighbours, as evenly as can be.
    pub fn range(self, all: usize) -> Range<usize> {
        all * self.index / self.count..all * (self.index + 1) / self.count
    }
}

/// A folder of labels, being written or read.
#[derive(Clone, Debug)]
pub struct LabelStore {
    folder: PathBuf,
    info: LabelsInfo,
}

impl LabelStore {
    /// Makes the folder, or goes on with it. What killed processes left of parts is removed.
    ///
    /// # Errors
    /// [`Error::Metadata`] if it holds other labels: of another model, dataset, camera, horizon or interval; [`Error::Io`].
    pub fn create(folder: &Path, info: LabelsInfo) -> Result<Self> {
        fs::create_dir_all(folder).map_err(|error| Error::io(folder, error))?;
        let path = folder.join(INFO_FILE);
        if path.exists() {
            let store = Self::open(folder)?;
            store.check(&info)?;
            store.remove_leftovers()?;
            return Ok(store);
        }
        let text = serde_json::to_vec_pretty(&info).map_err(|error| Error::metadata(&path, "", error.to_string()))?;
        write_atomic(&path, &text)?;
        Ok(Self { folder: folder.to_path_buf(), info })
    }

    /// Opens a folder of labels for reading.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Metadata`].
    pub fn open(folder: &Path) -> Result<Self> {
        let path = folder.join(INFO_FILE);
        let text = fs::read(&path).map_err(|error| Error::io(&path, error))?;
        let info: LabelsInfo = serde_json::from_slice(&text).map_err(|error| Error::json(&path, &error))?;
        Ok(Self { folder: folder.to_path_buf(), info })
    }

    /// What the labels say.
    pub fn info(&self) -> &LabelsInfo {
        &self.info
    }

    /// Refuses labels that are not the wanted ones, and names what differs.
    fn check(&self, wanted: &LabelsInfo) -> Result<()> {
        let (found, path) = (&self.info, self.folder.join(INFO_FILE));
        let of = |info: &LabelsInfo| {
            let LabelsInfo { model, dataset, camera, episodes, horizon, interval_secs, code_length, codes } = info;
            [
                ("model", model.clone()),
                ("dataset", dataset.clone()),
                ("camera", camera.clone()),
                ("horizon", horizon.to_string()),
                ("interval_secs", interval_secs.to_string()),
                ("code_length", code_length.to_string()),
                ("codes", codes.to_string()),
                ("episodes", format!("{} episodes", episodes.len())),
            ]
        };
        let differs = of(found).into_iter().zip(of(wanted)).find(|(found, wanted)| found != wanted);
        if let Some(((field, found), (_, wanted))) = differs {
            return Err(Error::metadata(&path, field, format!("these labels have {found}, wanted is {wanted}")));
        }
        if found.episodes != wanted.episodes {
            return Err(Error::metadata(&path, "episodes", "these labels are of other episodes than those wanted"));
        }
        Ok(())
    }

    /// Runs of episodes, as positions in [`LabelsInfo::episodes`], that a shard has still to label.
    pub fn missing(&self, shard: Shard) -> Vec<Range<usize>> {
        let all = shard.range(self.info.episodes.len());
        let starts = all.clone().step_by(EPISODES_PER_PART);
        starts
            .map(|start| start..(start + EPISODES_PER_PART).min(all.end))
            .filter(|run| !self.part(run).exists())
            .collect()
    }

    /// Keeps the labels of a run of episodes, whole or not at all. Of several processes that write the same run, each writes a
    /// file of its own, and the last one stays.
    ///
    /// # Errors
    /// [`Error::Size`] if they are not those of the run; [`Error::Io`], [`Error::Parquet`].
    pub fn write(&self, run: &Range<usize>, labels: &[EpisodeLabels]) -> Result<()> {
        if labels.len() != run.len() {
            return Err(Error::Size { what: "episodes of a part".into(), expected: run.len(), found: labels.len() });
        }
        let path = self.part(run);
        let partial = self.new_partial()?;
        part::write(partial.as_file(), &path, labels, &self.info)?;
        files::persist(partial, &path)
    }

    /// A new file for a part, with a lock that keeps it from being taken for a leftover.
    fn new_partial(&self) -> Result<NamedTempFile> {
        let fault = |error: std::io::Error| Error::io(&self.folder, error);
        let suffix = format!(".{PARTIAL}");
        loop {
            let file = tempfile::Builder::new().suffix(&suffix).tempfile_in(&self.folder).map_err(fault)?;
            match file.as_file().try_lock() {
                Ok(()) if file.path().exists() => return Ok(file),
                // Another process looked for leftovers before it was locked.
                Ok(()) | Err(TryLockError::WouldBlock) => {}
                // Some network file systems have no locks: nothing is taken for a leftover there.
                Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => return Ok(file),
                Err(TryLockError::Error(error)) => return Err(fault(error)),
            }
        }
    }

    /// Removes files of parts that nobody writes any more.
    fn remove_leftovers(&self) -> Result<()> {
        for path in self.files_that_end_with(PARTIAL)? {
            // It may be gone by now, or somebody else's.
            let Ok(file) = File::open(&path) else { continue };
            if file.try_lock().is_ok() {
                files::remove_file(&path)?;
            }
        }
        Ok(())
    }

    /// All labels, by number of the episode.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the episodes that are not labelled yet; what is wrong with a part.
    pub fn read(&self) -> Result<BTreeMap<usize, EpisodeLabels>> {
        let mut labels = BTreeMap::new();
        for path in self.files_that_end_with("parquet")? {
            labels.extend(part::read(&path, &self.info)?.into_iter().map(|episode| (episode.episode, episode)));
        }
        let missing = self.info.episodes.iter().filter(|number| !labels.contains_key(number)).count();
        if missing > 0 {
            let all = self.info.episodes.len();
            let reason = format!("{missing} of {all} episodes are not labelled yet: {}", self.folder.display());
            return Err(Error::Invalid(reason));
        }
        Ok(labels)
    }

    fn part(&self, run: &Range<usize>) -> PathBuf {
        self.folder.join(format!("episodes-{:06}-{:06}.parquet", run.start, run.end))
    }

    fn files_that_end_with(&self, extension: &str) -> Result<Vec<PathBuf>> {
        let files = crate::source::sorted_entries(&self.folder)?;
        Ok(files.into_iter().filter(|file| file.extension().is_some_and(|end| end == extension)).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    fn info(episodes: usize) -> LabelsInfo {
        LabelsInfo {
            model: "m".into(),
            dataset: "d".into(),
            camera: "c".into(),
            episodes: (0..episodes).map(|at| at + 7).collect(),
            horizon: 3,
            interval_secs: 0.2,
            code_length: 2,
            codes: 8,
        }
    }

    fn labels(of: &LabelsInfo, run: &Range<usize>) -> Vec<EpisodeLabels> {
        let episode = |number: &usize| EpisodeLabels {
            episode: *number,
            fps: 5.0,
            codes: (0..(number % 3 + 2) * 6).map(|at| ((at * 5 + number) % 8) as u8).collect(),
        };
        of.episodes[run.clone()].iter().map(episode).collect()
    }

    #[test]
    fn shards_label_together_and_an_interrupted_one_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let info = info(50);
        let shards = [0, 1, 2].map(|index| Shard { index, count: 3 });
        for shard in shards {
            let store = LabelStore::create(folder.path(), info.clone()).unwrap();
            let missing = store.missing(shard);
            store.write(&missing[0], &labels(&info, &missing[0])).unwrap();
            assert!(store.read().unwrap_err().to_string().contains("are not labelled yet"));
            // A kill leaves at most a partial file, which is no part.
            fs::write(folder.path().join("episodes-000000-000099.partial"), b"cut").unwrap();
        }
        for shard in shards {
            let store = LabelStore::create(folder.path(), info.clone()).unwrap();
            for run in store.missing(shard) {
                store.write(&run, &labels(&info, &run)).unwrap();
            }
            assert!(store.missing(shard).is_empty());
        }
        let read = LabelStore::open(folder.path()).unwrap().read().unwrap();
        assert_eq!(read.into_values().collect::<Vec<_>>(), labels(&info, &(0..50)));
    }

    #[test]
    fn another_process_at_the_same_part_does_not_change_a_finished_one() {
        let folder = tempfile::tempdir().unwrap();
        let info = info(3);
        let store = LabelStore::create(folder.path(), info.clone()).unwrap();
        let mut other = File::create(folder.path().join("episodes-000000-000003.partial")).unwrap();
        store.write(&(0..3), &labels(&info, &(0..3))).unwrap();
        other.write_all(b"another process writes on").unwrap();
        assert_eq!(store.read().unwrap().into_values().collect::<Vec<_>>(), labels(&info, &(0..3)));
    }

    #[test]
    fn leftovers_are_removed_and_what_is_being_written_stays() {
        let folder = tempfile::tempdir().unwrap();
        let store = LabelStore::create(folder.path(), info(3)).unwrap();
        let being_written = store.new_partial().unwrap();
        let leftover = folder.path().join(".tmpAbCdEf.partial");
        fs::write(&leftover, b"cut").unwrap();
        LabelStore::create(folder.path(), info(3)).unwrap();
        assert!(being_written.path().exists() && !leftover.exists());
        drop(being_written);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "the description alone");
    }

    #[test]
    fn other_labels_are_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        LabelStore::create(folder.path(), info(3)).unwrap();
        let refuse = |wanted: LabelsInfo| LabelStore::create(folder.path(), wanted).unwrap_err().to_string();
        assert!(
            refuse(LabelsInfo { model: "n".into(), ..info(3) }).contains("`model`: these labels have m, wanted is n")
        );
        assert!(refuse(LabelsInfo { interval_secs: 0.1, ..info(3) }).contains("`interval_secs`: these labels have"));
        let other = LabelsInfo { episodes: vec![1, 2, 3], ..info(3) };
        assert!(refuse(other).contains("of other episodes"));
    }

    #[test]
    fn a_code_outside_of_the_codebook_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let info = info(1);
        let store = LabelStore::create(folder.path(), info.clone()).unwrap();
        let mut wrong = labels(&info, &(0..1));
        wrong[0].codes[8] = 8;
        store.write(&(0..1), &wrong).unwrap();
        let message = store.read().unwrap_err().to_string();
        assert!(message.contains("episode 7, frame 1: code 8 of a codebook of 8"), "{message}");
    }

    proptest! {
        #[test]
        fn shards_cover_everything_once(all in 0..500_usize, count in 1..20_usize) {
            let covered: Vec<usize> = (0..count).flat_map(|index| Shard { index, count }.range(all)).collect();
            prop_assert_eq!(covered, (0..all).collect::<Vec<_>>());
        }
    }
}
