//! A folder of frame folders: every folder of pictures is an episode without actions.

use std::path::{Path, PathBuf};

use indexmap::IndexMap;

use super::{
    Description, Episode, Layout, ONLY_CAMERA, OpenOptions, Source, TakeFrame, episode_at, has_extension,
    instruction_in, tasks_of, visible_files,
};
use crate::error::{Error, InEpisode, Result};
use crate::feature::{DType, Feature, Features};
use crate::frame::Frame;
use crate::picture;
use crate::rows::Rows;
use crate::video::DecoderPool;

/// What is taken for a picture.
pub(super) const EXTENSIONS: [&str; 5] = ["png", "jpg", "jpeg", "webp", "bmp"];

/// Whether there are pictures in `path`, at any depth.
pub(super) fn matches(path: &Path) -> Result<bool> {
    Ok(path.is_dir() && visible_files(path)?.iter().any(|file| has_extension(file, &EXTENSIONS)))
}

/// The frame folders below a folder, sorted by path; within each, the pictures in natural order.
pub(super) struct FrameFolder {
    description: Description,
    episodes: Vec<Episode>,
    files: Vec<Vec<PathBuf>>,
}

impl FrameFolder {
    /// Lists the folders; pictures are opened when they are asked for.
    ///
    /// # Errors
    /// [`Error::Invalid`] without a frame rate, and whatever keeps the folders from being read.
    pub(super) fn open(root: &Path, options: &OpenOptions<'_>) -> Result<Self> {
        let fps = options.fps.ok_or_else(|| {
            let hint = "frame folders carry no frame rate: say it with --fps (or `fps` of the source)";
            Error::Invalid(format!("{hint}: {}", root.display()))
        })?;
        let mut folders: IndexMap<PathBuf, Vec<PathBuf>> = IndexMap::new();
        for file in visible_files(root)?.into_iter().filter(|file| has_extension(file, &EXTENSIONS)) {
            let folder = file.parent().unwrap_or(root).to_path_buf();
            folders.entry(folder).or_default().push(file);
        }
        let (mut episodes, mut files) = (Vec::new(), Vec::new());
        for (folder, pictures) in folders {
            episodes.push(describe(root, &folder, episodes.len(), pictures.len(), fps)?);
            files.push(pictures);
        }
        let (width, height) = match files.iter().flatten().next() {
            Some(first) => picture::size_of_file(first)?,
            None => (0, 0),
        };
        let description = Description {
            layout: Layout::FrameFolder,
            root: root.to_path_buf(),
            robot_type: None,
            features: Features::from([(ONLY_CAMERA.to_owned(), Feature::camera(DType::Image, width, height))]),
            tasks: tasks_of(&episodes),
            splits: Default::default(),
            skipped: Vec::new(),
            unfinished: false,
            given_fps: Some(fps),
        };
        Ok(FrameFolder { description, episodes, files })
    }
}

/// The instruction may lie in the folder or, where pictures have a folder of their own, in its parent.
fn describe(root: &Path, folder: &Path, number: usize, length: usize, fps: f64) -> Result<Episode> {
    let parent = folder.parent().filter(|parent| parent.starts_with(root)).unwrap_or(folder);
    let tasks = instruction_in(&[
        folder.join("instruction.txt"),
        folder.join("task_description.txt"),
        parent.join("task_description.txt"),
    ])?;
    let name = folder.strip_prefix(root).ok().filter(|relative| !relative.as_os_str().is_empty()).unwrap_or(folder);
    Ok(Episode { number, name: name.display().to_string(), length, fps, tasks })
}

impl Source for FrameFolder {
    fn description(&self) -> &Description {
        &self.description
    }

    fn episodes(&self) -> &[Episode] {
        &self.episodes
    }

    fn frames(
        &self,
        episode: usize,
        camera: &str,
        times_secs: &[f64],
        _decoders: &mut DecoderPool,
        take: &mut TakeFrame<'_>,
    ) -> Result<()> {
        self.description.camera(Some(camera))?;
        let Episode { number, fps, .. } = *episode_at(&self.episodes, episode, &self.description.root)?;
        let files = &self.files[episode];
        let mut held: Option<(usize, Frame)> = None;
        for (nth, secs) in times_secs.iter().enumerate() {
            let at = ((secs * fps).round().max(0.0) as usize).min(files.len() - 1);
            let frame = match held.take() {
                Some((held_at, frame)) if held_at == at => frame,
                _ => picture::decode_file(&files[at]).in_episode(number)?,
            };
            take(nth, &frame)?;
            held = Some((at, frame));
        }
        Ok(())
    }

    fn rows(&self, episode: usize) -> Result<Rows> {
        let length = episode_at(&self.episodes, episode, &self.description.root)?.length;
        Ok(Rows { length, columns: Default::default() })
    }
}
