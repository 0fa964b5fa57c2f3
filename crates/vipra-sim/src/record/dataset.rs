//! Many episodes, as a LeRobot v3.0 dataset.

use std::path::Path;

use rayon::prelude::*;
use vipra_data::writer::{DatasetWriter, WriterOptions};
use vipra_data::{DType, Feature, Features, Rows, Values};

use super::episode::{Played, play};
use crate::error::{Error, Result};
use crate::tabletop::{ACTION_NAMES, CONTROL_RATE_HZ, DIMENSIONS, STATE_NAMES, Tabletop, TabletopConfig};

/// The camera's feature.
pub const CAMERA: &str = "observation.images.third_person";
/// Episodes that are played at the same time, and kept until they are written.
const BATCH: u64 = 16;
/// Attempts after which an expert that fails more often than not is taken for broken.
const PATIENCE: usize = 40;

/// What to record.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// Who works at what.
    pub table: TabletopConfig,
    /// Successful episodes to record.
    pub episodes: usize,
    /// Another seed is other episodes.
    pub seed: u64,
    /// Whether actions and states are written. A hand's never are.
    pub actions: bool,
    /// Probability that the object is nudged aside when the expert comes down to it, and when it closes its fingers.
    pub nudges: f32,
}

impl Recording {
    /// Whether actions and states are written in the end.
    pub fn has_actions(&self) -> bool {
        self.actions && self.table.embodiment.has_actions()
    }
}

/// What was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recorded {
    /// Episodes in the dataset.
    pub episodes: usize,
    /// Their frames.
    pub frames: usize,
    /// Attempts that failed and are not in it.
    pub failures: usize,
}

/// The seed of an episode of a recording. No evaluation has it: see [`evaluation_seed`].
pub fn recording_seed(seed: u64, index: u64) -> u64 {
    (seed << 32) ^ index
}

/// The seed of an episode of an evaluation. No recording has it, as long as seeds are below 2³¹.
pub fn evaluation_seed(seed: u64, index: u64) -> u64 {
    recording_seed(seed, index) | (1 << 63)
}

/// Whether this very recording lies finished in a folder.
pub fn is_recorded(out: &Path, recording: &Recording) -> bool {
    DatasetWriter::finished_options(out).is_some_and(|options| options == writer_options(recording))
}

/// Records what the expert does, without the attempts that fail; the same for any number of threads. Goes on where the same
/// recording was interrupted. `progress` is called with (done, all) episodes.
///
/// # Errors
/// [`Error::Data`] if the folder is in use or cannot be written, [`Error::Expert`] if most attempts fail.
pub fn record(out: &Path, recording: &Recording, progress: &(dyn Fn(usize, usize) + Sync)) -> Result<Recorded> {
    let fault = |error| Error::data(out, error);
    let options = writer_options(recording);
    let mut writer = match DatasetWriter::is_interrupted(out) {
        true => DatasetWriter::resume(out, options),
        false => DatasetWriter::create(out, options),
    }
    .map_err(fault)?;
    let recorded_before = writer.episodes();
    let mut recorded = Recorded { episodes: 0, frames: 0, failures: 0 };
    let mut first = 0;
    while recorded.episodes < recording.episodes {
        // What is in the dataset already is played again without pictures, to learn which attempts it were.
        let with_pictures = recorded.episodes + BATCH as usize > recorded_before;
        for played in play_batch(recording, first, with_pictures)? {
            if !played.verdict.success_now {
                recorded.failures += 1;
            } else if recorded.episodes < recording.episodes {
                if recorded.episodes >= recorded_before {
                    write(&mut writer, recording, &played).map_err(fault)?;
                }
                recorded.episodes += 1;
                recorded.frames += played.actions.len();
                progress(recorded.episodes, recording.episodes);
            }
        }
        first += BATCH;
        let attempts = recorded.episodes + recorded.failures;
        if attempts >= PATIENCE && recorded.failures > recorded.episodes {
            return Err(Error::Expert { successes: recorded.episodes, attempts });
        }
    }
    writer.finish(&[]).map_err(fault)?;
    Ok(recorded)
}

fn play_batch(recording: &Recording, first: u64, with_pictures: bool) -> Result<Vec<Played>> {
    let play_one = |index: u64| {
        let seed = recording_seed(recording.seed, index);
        let mut table = Tabletop::new(recording.table.clone(), seed)?;
        play(&mut table, seed, recording.nudges, with_pictures)
    };
    (first..first + BATCH).into_par_iter().map(play_one).collect()
}

fn writer_options(recording: &Recording) -> WriterOptions {
    let TabletopConfig { embodiment, ref scenes, size } = recording.table;
    let mut features = Features::from([(CAMERA.to_owned(), Feature::camera(DType::Video, size, size))]);
    if recording.has_actions() {
        features.insert("observation.state".into(), Feature::numeric(DType::Float32, &STATE_NAMES));
        features.insert("action".into(), Feature::numeric(DType::Float32, &ACTION_NAMES));
    }
    let mut options = WriterOptions::new(CONTROL_RATE_HZ, features);
    options.robot_type = Some(format!("tabletop-{}", embodiment.name()));
    let (episodes, seed) = (recording.episodes, recording.seed);
    let nudged = if recording.nudges > 0.0 { format!(", nudges {}", recording.nudges) } else { String::new() };
    options.origin = Some(format!("tabletop, {scenes}, seed {seed}, {episodes} episodes{nudged}"));
    options
}

fn write(writer: &mut DatasetWriter, recording: &Recording, played: &Played) -> vipra_data::Result<()> {
    let mut episode = writer.begin_episode(&played.instruction)?;
    played.frames.iter().try_for_each(|frame| episode.push(CAMERA, frame))?;
    let mut rows = Rows { length: played.actions.len(), ..Rows::default() };
    if recording.has_actions() {
        let flat = |rows: &[[f32; DIMENSIONS]]| Values::F32(rows.as_flattened().to_vec());
        rows.insert("observation.state", DIMENSIONS, flat(&played.states))?;
        rows.insert("action", DIMENSIONS, flat(&played.actions))?;
    }
    episode.finish(&rows)
}
