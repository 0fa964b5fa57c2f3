//! A folder of frame folders: every folder of pictures is an episode without actions.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use indexmap::IndexMap;

use super::{
    Description, Episode, Layout, ONLY_CAMERA, OpenOptions, Skipped, Source, TakeFrame, episode_at, has_extension,
    instruction_in, tasks_of, video_folder, visible_files,
};
use crate::config::OnError;
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

/// Refuses a folder with frames beside videos: which of them are the episodes, and which a preview of them?
pub(super) fn check_no_frames_beside_videos(root: &Path) -> Result<()> {
    let files = visible_files(root)?;
    let is_video = |file: &&PathBuf| has_extension(file, &video_folder::EXTENSIONS);
    let (Some(video), Some(frame)) = (files.iter().find(is_video), find_frame(&files)) else { return Ok(()) };
    let name = |path: &Path| path.strip_prefix(root).unwrap_or(path).display().to_string();
    let reason = format!(
        "both videos ({}) and frames ({}) lie here: name the folder that holds the episodes, or move `{}` elsewhere if its \
         pictures are none",
        name(video),
        name(frame),
        name(frame.parent().unwrap_or(root)),
    );
    Err(Error::UnknownLayout { reason, path: root.to_path_buf() })
}

/// A picture of a sequence, which another one in its folder differs from in numbers alone. Pictures beside videos, or named
/// after videos, are of those, such as previews.
fn find_frame(files: &[PathBuf]) -> Option<&Path> {
    let videos = || files.iter().filter(|file| has_extension(file, &video_folder::EXTENSIONS));
    let folders_of_videos: HashSet<Option<&Path>> = videos().map(|video| video.parent()).collect();
    let names_of_videos: HashSet<Option<&OsStr>> = videos().map(|video| video.file_stem()).collect();
    let mut first_of: HashMap<(Option<&Path>, String), &Path> = HashMap::new();
    files
        .iter()
        .filter(|file| has_extension(file, &EXTENSIONS))
        .filter(|picture| !folders_of_videos.contains(&picture.parent()))
        .filter(|picture| !names_of_videos.contains(&picture.file_stem()))
        .find_map(|picture| first_of.insert((picture.parent(), name_without_number(picture)), picture))
}

fn name_without_number(file: &Path) -> String {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    name.chars().filter(|letter| !letter.is_ascii_digit()).collect()
}

/// The frame folders below a folder, sorted by path; within each, the pictures in natural order.
pub(super) struct FrameFolder {
    description: Description,
    episodes: Vec<Episode>,
    files: Vec<Vec<PathBuf>>,
}

impl FrameFolder {
    /// Lists the folders and looks at a picture of each, to learn its size; the others are opened when they are asked for.
    ///
    /// # Errors
    /// [`Error::Invalid`] without a frame rate; the first folder without a picture that can be read, unless broken ones are to
    /// be skipped; and whatever keeps the folders from being read.
    pub(super) fn open(root: &Path, options: &OpenOptions<'_>) -> Result<Self> {
        let fps = options.fps.ok_or_else(|| {
            let hint = "frame folders have no frame rate: give it with --fps (or `fps` of the source)";
            Error::Invalid(format!("{hint}: {}", root.display()))
        })?;
        let folders = folders_of_pictures(root)?;
        let count = folders.len();
        let (mut episodes, mut files, mut skipped, mut size) = (Vec::new(), Vec::new(), Vec::new(), None);
        for (number, (folder, pictures)) in folders.into_iter().enumerate() {
            (options.progress)(number, count);
            match probe(root, &folder, number, &pictures, fps) {
                Ok((episode, found_size)) => {
                    size = size.or(Some(found_size));
                    episodes.push(episode);
                    files.push(pictures);
                }
                Err(error) if options.on_error == OnError::Skip => {
                    skipped.push(Skipped { what: folder.display().to_string(), reason: error.to_string() });
                }
                Err(error) => return Err(error).in_episode(number),
            }
        }
        let (width, height) = size.unwrap_or((0, 0));
        let description = Description {
            layout: Layout::FrameFolder,
            root: root.to_path_buf(),
            robot_type: None,
            features: Features::from([(ONLY_CAMERA.to_owned(), Feature::camera(DType::Image, width, height))]),
            tasks: tasks_of(&episodes),
            splits: Default::default(),
            malformed_splits: Default::default(),
            skipped,
            unfinished: false,
            given_fps: Some(fps),
        };
        Ok(FrameFolder { description, episodes, files })
    }
}

/// The pictures below a folder by the folder that they lie in.
fn folders_of_pictures(root: &Path) -> Result<IndexMap<PathBuf, Vec<PathBuf>>> {
    let mut folders: IndexMap<PathBuf, Vec<PathBuf>> = IndexMap::new();
    for file in visible_files(root)?.into_iter().filter(|file| has_extension(file, &EXTENSIONS)) {
        let folder = file.parent().unwrap_or(root).to_path_buf();
        folders.entry(folder).or_default().push(file);
    }
    Ok(folders)
}

/// The episode of a folder, and the size of its first picture that can be read.
fn probe(
    root: &Path,
    folder: &Path,
    number: usize,
    pictures: &[PathBuf],
    fps: f64,
) -> Result<(Episode, (usize, usize))> {
    let readable = pictures.iter().find_map(|picture| picture::size_of_file(picture).ok());
    // Of none that can be read, what is wrong with the first.
    let size = readable.map_or_else(|| picture::size_of_file(&pictures[0]), Ok)?;
    Ok((describe(root, folder, number, pictures.len(), fps)?, size))
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
