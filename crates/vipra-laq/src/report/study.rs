//! Looks at held-out episodes and measures.

use std::ops::Range;

use burn::module::Module;
use burn::tensor::{Bool, Device, Tensor, TensorData};
use vipra_data::picture::ImageConfig;
use vipra_data::source::Source;
use vipra_data::video::DecoderPool;
use vipra_data::{DataConfig, SourceConfig};

use super::codes::CodeStatistics;
use super::examples::Example;
use super::probe::{ProbeRows, probe};
use super::{Reconstruction, Report, wilson};
use crate::frames::read_frames;
use crate::label::{Labeler, horizon_window};
use crate::train::{Batch, Evaluation, MOTION_THRESHOLD, MOVING_SHARE};
use crate::{Result, TrainedLaq};

/// Frames of an episode that are in memory together.
const FRAMES_AT_ONCE: usize = 64;
/// Side of the grey grid in which frame differences are given to the probe.
const DIFFERENCE_SIDE: usize = 16;

/// What to look at.
#[derive(Debug, Clone)]
pub struct StudyConfig {
    /// Transitions of a labelling window, H.
    pub horizon: usize,
    /// Feature of the true actions.
    pub action: String,
    /// Most episodes that the probe learns from.
    pub probed_episodes: usize,
    /// Pictures of each kind on the page.
    pub examples: usize,
}

impl Default for StudyConfig {
    fn default() -> Self {
        Self { horizon: 14, action: "action".to_owned(), probed_episodes: 200, examples: 6 }
    }
}

/// A trained model and the episodes to measure it on.
pub struct Study<'a> {
    pub(super) trained: &'a TrainedLaq,
    config: StudyConfig,
    learned: Vec<Selection>,
    pub(super) held_out: Vec<Selection>,
    pub(super) decoders: DecoderPool,
    pub(super) device: Device,
}

/// Some episodes of a dataset.
pub(super) struct Selection {
    pub(super) source: Box<dyn Source>,
    pub(super) camera: String,
    pub(super) positions: Vec<usize>,
}

impl<'a> Study<'a> {
    /// Opens the datasets, as a training opens them. The probe learns from `data.sources` and is tested on `data.validation`, as
    /// everything else is.
    ///
    /// # Errors
    /// What keeps a dataset from being opened.
    pub fn open(trained: &'a TrainedLaq, data: &DataConfig, config: StudyConfig) -> Result<Self> {
        let open = |sources: &[SourceConfig]| {
            sources.iter().map(|source| Selection::open(source, data)).collect::<Result<Vec<_>>>()
        };
        let device = trained.model.devices().into_iter().next().unwrap_or_else(Device::flex);
        let (mut learned, held_out, decoders) = (open(&data.sources)?, open(&data.validation)?, DecoderPool::new(4));
        thin_out(&mut learned, config.probed_episodes);
        Ok(Self { trained, config, learned, held_out, decoders, device })
    }

    /// Measures everything. `progress` is called with (episodes done, all).
    ///
    /// # Errors
    /// What is wrong with an episode.
    pub fn run(mut self, progress: &dyn Fn(usize, usize)) -> Result<Report> {
        let description = &self.trained.description;
        let dimensions = self.action_dimensions();
        let probed = dimensions.is_some();
        let count = |selections: &[Selection]| selections.iter().map(|selection| selection.positions.len()).sum();
        let held_out_episodes: usize = count(&self.held_out);
        let all = held_out_episodes * 2 + if probed { count(&self.learned) } else { 0 };
        let mut done = 0;
        let mut step = || {
            done += 1;
            progress(done, all);
        };

        let evaluation = self.evaluate(&mut step)?;
        let held_out = std::mem::take(&mut self.held_out);
        let (transitions, test_rows) = self.rows(&held_out, probed, &mut step)?;
        let learned = std::mem::take(&mut self.learned);
        let train_rows = if probed { self.rows(&learned, true, &mut step)?.1 } else { ProbeRows::default() };
        self.held_out = held_out;
        let has_rows = !train_rows.actions.is_empty() && !test_rows.actions.is_empty();
        let results = dimensions.filter(|_| has_rows).map(|names| probe(&train_rows, &test_rows, &names));
        let codes = &description.model;
        let examples = Example::all(&mut self)?;
        let numbers = evaluation.scalars();
        let number = |name: &str| numbers.iter().find(|(known, _)| known == name).map_or(f64::NAN, |(_, value)| *value);
        let moving = number("moving_transitions");
        Ok(Report {
            model: self.trained.fingerprint.clone(),
            parameters: self.trained.model.num_params(),
            interval_secs: description.clip.interval_secs,
            episodes: held_out_episodes,
            reconstruction: Reconstruction {
                motion_threshold: MOTION_THRESHOLD,
                moving_share: MOVING_SHARE,
                nearer_to_next_interval: wilson((number("nearer_to_next") * moving).round(), moving),
                numbers: numbers.into_iter().map(|(name, value)| (name, serde_json::json!(value))).collect(),
            },
            codes: CodeStatistics::new(&transitions, codes.code_length, codes.quantizer.codes),
            probe: results,
            probe_rows: [train_rows.actions.len(), test_rows.actions.len()],
            examples,
        })
    }

    /// Reconstruction of every transition of the held-out episodes, in clips as long as the training's.
    fn evaluate(&mut self, step: &mut dyn FnMut()) -> Result<Evaluation> {
        let description = &self.trained.description;
        let time = description.clip.frames.max(2);
        let mut evaluation = Evaluation::new(description.model.quantizer.codes, description.model.code_length);
        for selection in &self.held_out {
            for at in &selection.positions {
                let episode = &selection.source.episodes()[*at];
                let stride = description.clip.interval_secs * episode.fps;
                let starts = (0..).map(|clip| (clip * (time - 1)) as f64 * stride);
                let last = episode.length.saturating_sub(1);
                for start in starts.take_while(|start| *start < last as f64) {
                    let frames: Vec<usize> =
                        (0..time).map(|at| (start + at as f64 * stride).round() as usize).collect();
                    let mask: Vec<bool> = frames.iter().map(|frame| *frame <= last).collect();
                    let frames: Vec<usize> = frames.into_iter().map(|frame| frame.min(last)).collect();
                    let clips = selection.clip(*at, &frames, description.image, &mut self.decoders)?;
                    let mask = Tensor::<2, Bool>::from_data(TensorData::new(mask, [1, time]), &self.device);
                    evaluation.add(&self.trained.model, &Batch { clips: clips.to_device(&self.device), mask })?;
                }
                evaluation.next_episode();
                step();
            }
        }
        Ok(evaluation)
    }

    /// Codes of the first transition of each frame's label, `[transitions, code_length]`, and rows for the probe.
    fn rows(&mut self, selections: &[Selection], probed: bool, step: &mut dyn FnMut()) -> Result<(Vec<u8>, ProbeRows)> {
        let description = &self.trained.description;
        let code_length = description.model.code_length;
        let mut labeler = Labeler::new(self.trained, self.config.horizon)?;
        let (mut transitions, mut rows) = (Vec::new(), ProbeRows::default());
        for selection in selections {
            for at in &selection.positions {
                let labels = labeler.episode(selection.source.as_ref(), *at, &selection.camera)?;
                let per_frame = self.config.horizon * code_length;
                let first: Vec<&[u8]> = labels.codes.chunks_exact(per_frame).map(|all| &all[..code_length]).collect();
                // Past the last frame there is only its repetition.
                let real = &first[..first.len().saturating_sub(1)];
                transitions.extend(real.iter().flat_map(|codes| codes.iter().copied()));
                if probed {
                    self.add_rows(selection, *at, real, &mut rows)?;
                }
                step();
            }
        }
        Ok((transitions, rows))
    }

    fn add_rows(&mut self, selection: &Selection, at: usize, codes: &[&[u8]], rows: &mut ProbeRows) -> Result<()> {
        let description = &self.trained.description;
        let episode = &selection.source.episodes()[at];
        let (actions, width) =
            selection.source.rows_of(at, &[self.config.action.as_str()])?.numbers(&self.config.action)?;
        let frames: Vec<usize> = (0..episode.length).collect();
        let mut grey = Vec::with_capacity(frames.len());
        for frames in frames.chunks(FRAMES_AT_ONCE) {
            let (source, camera) = (selection.source.as_ref(), &selection.camera);
            let pictures = read_frames(source, at, camera, frames, description.image, &mut self.decoders)?;
            grey.extend(grey_grids(pictures));
        }
        let first_row = rows.actions.len();
        for (frame, codes) in codes.iter().enumerate() {
            let window = horizon_window(frame, episode.length, episode.fps, description.clip.interval_secs, 1);
            let (from, to) = (window[1], window[2].max(window[1] + 1));
            // Several actions may fall into one transition: what counts is where they lead together.
            let mean = |dimension: usize| {
                (from..to).map(|row| actions[row * width + dimension]).sum::<f64>() / (to - from) as f64
            };
            rows.actions.push((0..width).map(mean).collect());
            rows.codes.push(one_hot(codes, description.model.quantizer.codes));
            let change = grey[window[2]].iter().zip(&grey[window[1]]).map(|(after, before)| after - before);
            rows.differences.push(change.collect());
        }
        rows.episodes.push(first_row..rows.actions.len());
        Ok(())
    }

    /// What the numbers of an action are called, if all datasets have actions, and the same.
    fn action_dimensions(&self) -> Option<Vec<String>> {
        let mut dimensions = self.learned.iter().chain(&self.held_out).map(|open| open.dimensions(&self.config.action));
        let first = dimensions.next()??;
        let is_the_same = dimensions.all(|others| others.as_ref() == Some(&first));
        if !is_the_same {
            tracing::info!(
                "the datasets do not have the same `{}`: codes are not compared with it",
                self.config.action
            );
        }
        (is_the_same && !self.learned.is_empty() && !self.held_out.is_empty()).then_some(first)
    }

    pub(super) fn examples_wanted(&self) -> usize {
        self.config.examples
    }
}

impl Selection {
    fn open(config: &SourceConfig, data: &DataConfig) -> Result<Self> {
        let source = data.open(config, &|_, _| {})?;
        let camera = source.description().camera(config.camera.as_deref())?.to_owned();
        let positions = source.description().split(config.split.as_deref(), source.episodes())?;
        Ok(Self { source, camera, positions })
    }

    /// What the numbers of a feature are called; None if there is none, or if it holds no numbers.
    fn dimensions(&self, feature: &str) -> Option<Vec<String>> {
        let feature = self.source.description().features.get(feature)?;
        feature.dtype.is_numeric().then(|| feature.dimension_names())
    }

    /// `[1, frames, 3, height, width]`; frames ascend and may repeat at the end.
    pub(super) fn clip(
        &self,
        at: usize,
        frames: &[usize],
        image: ImageConfig,
        decoders: &mut DecoderPool,
    ) -> Result<Tensor<5>> {
        Ok(read_frames(self.source.as_ref(), at, &self.camera, frames, image, decoders)?.unsqueeze_dim(0))
    }
}

/// Leaves so many episodes at the most, spread evenly.
fn thin_out(selections: &mut [Selection], most: usize) {
    let all: usize = selections.iter().map(|selection| selection.positions.len()).sum();
    let one_in = all.div_ceil(most.max(1)).max(1);
    for selection in selections {
        selection.positions = selection.positions.iter().copied().step_by(one_in).collect();
    }
}

/// `[positions · codes]`
fn one_hot(codes: &[u8], count: usize) -> Vec<f32> {
    let mut features = vec![0.0; codes.len() * count];
    for (position, code) in codes.iter().enumerate() {
        features[position * count + usize::from(*code)] = 1.0;
    }
    features
}

/// Mean brightness of the cells of a coarse grid, frame by frame.
fn grey_grids(frames: Tensor<4>) -> Vec<Vec<f32>> {
    let [count, _, height, width] = frames.dims();
    let side = |pixels: usize| pixels.min(DIFFERENCE_SIDE);
    let (rows, columns) = (side(height), side(width));
    let values: Vec<f32> = frames.mean_dim(1).into_data().iter::<f32>().collect();
    let cell = |size: usize, at: usize, cells: usize| -> Range<usize> { size * at / cells..size * (at + 1) / cells };
    (0..count)
        .map(|frame| {
            let grey = &values[frame * height * width..(frame + 1) * height * width];
            (0..rows * columns)
                .map(|at| {
                    let (down, across) = (cell(height, at / columns, rows), cell(width, at % columns, columns));
                    let pixels = down.len() * across.len();
                    let sum: f32 = down.flat_map(|y| across.clone().map(move |x| grey[y * width + x])).sum();
                    sum / pixels as f32
                })
                .collect()
        })
        .collect()
}
