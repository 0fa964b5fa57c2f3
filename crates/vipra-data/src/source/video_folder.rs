//! A folder of video files: every file is an episode without actions.

use std::path::{Path, PathBuf};

use super::{
    Description, Episode, Layout, ONLY_CAMERA, OpenOptions, Skipped, Source, SourceVideo, TakeFrame, episode_at,
    has_extension, instruction_in, tasks_of, visible_files,
};
use crate::config::OnError;
use crate::error::{Error, InEpisode, Result};
use crate::feature::{DType, Feature, Features};
use crate::rows::Rows;
use crate::video::{DecoderPool, VideoDecoder};

/// What is taken for a video.
pub(super) const EXTENSIONS: [&str; 9] = ["mp4", "webm", "mkv", "avi", "gif", "mov", "m4v", "mpg", "ts"];

/// Whether `path` is a video or a folder with videos in it, at any depth.
pub(super) fn matches(path: &Path) -> Result<bool> {
    Ok(visible_files(path)?.iter().any(|file| has_extension(file, &EXTENSIONS)))
}

/// The videos below a folder, sorted by path.
pub(super) struct VideoFolder {
    description: Description,
    episodes: Vec<Episode>,
    files: Vec<PathBuf>,
}

impl VideoFolder {
    /// Opens every video once, to learn its length and size.
    ///
    /// # Errors
    /// The first broken video, unless broken ones are to be skipped.
    pub(super) fn open(root: &Path, options: &OpenOptions<'_>) -> Result<Self> {
        let mut found = visible_files(root)?;
        found.retain(|file| has_extension(file, &EXTENSIONS));
        let (mut episodes, mut files, mut skipped, mut size) = (Vec::new(), Vec::new(), Vec::new(), None);
        for (number, path) in found.iter().enumerate() {
            (options.progress)(number, found.len());
            match probe(root, path, number, options.fps) {
                Ok((episode, found_size)) => {
                    size = size.or(Some(found_size));
                    episodes.push(episode);
                    files.push(path.clone());
                }
                Err(error) if options.on_error == OnError::Skip => {
                    skipped.push(Skipped { what: path.display().to_string(), reason: error.to_string() });
                }
                Err(error) => return Err(error).in_episode(number),
            }
        }
        let (width, height) = size.unwrap_or((0, 0));
        let description = Description {
            layout: Layout::VideoFolder,
            root: root.to_path_buf(),
            robot_type: None,
            features: Features::from([(ONLY_CAMERA.to_owned(), Feature::camera(DType::Video, width, height))]),
            tasks: tasks_of(&episodes),
            splits: Default::default(),
            malformed_splits: Default::default(),
            skipped,
            unfinished: false,
            given_fps: options.fps,
        };
        Ok(VideoFolder { description, episodes, files })
    }
}

fn probe(root: &Path, path: &Path, number: usize, fps: Option<f64>) -> Result<(Episode, (usize, usize))> {
    let decoder = VideoDecoder::open(path)?;
    let (own_fps, frames) = decoder.length()?;
    if frames == 0 {
        return Err(Error::video(path, "opening the video", "it has no frames"));
    }
    // Another rate than the video's own only changes how finely it is sampled, not how long it lasts.
    let (length, fps) = match fps {
        Some(fps) => (((frames as f64 / own_fps) * fps + 1e-6).floor().max(1.0) as usize, fps),
        None => (frames, own_fps),
    };
    let name = path.strip_prefix(root).ok().filter(|relative| !relative.as_os_str().is_empty()).unwrap_or(path);
    let tasks = instruction_in(&[path.with_extension("txt")])?;
    let episode = Episode { number, name: name.display().to_string(), length, fps, tasks };
    Ok((episode, (decoder.info().width, decoder.info().height)))
}

impl Source for VideoFolder {
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
        decoders: &mut DecoderPool,
        take: &mut TakeFrame<'_>,
    ) -> Result<()> {
        self.description.camera(Some(camera))?;
        let number = episode_at(&self.episodes, episode, &self.description.root)?.number;
        decoders
            .get(&self.files[episode])
            .and_then(|decoder| decoder.frames_at(times_secs, |nth, _, frame| take(nth, frame)))
            .inspect_err(|_| decoders.close(&self.files[episode]))
            .in_episode(number)
    }

    fn rows(&self, episode: usize) -> Result<Rows> {
        let length = episode_at(&self.episodes, episode, &self.description.root)?.length;
        Ok(Rows { length, columns: Default::default() })
    }

    fn video(&self, episode: usize, _camera: &str) -> Option<SourceVideo> {
        // Any rate and any start: such a video is never taken over as it is.
        Some(SourceVideo { path: self.files.get(episode)?.clone(), whole_file: false })
    }
}
