//! Looks at held-out episodes and measures.

use burn::module::Module;
use burn::tensor::{Bool, Device, Tensor, TensorData};
use vipra_data::video::DecoderPool;
use vipra_data::{DataConfig, SourceConfig};

use super::codes::CodeStatistics;
use super::examples::Example;
use super::probe::probe;
use super::probe_rows::ProbeRows;
use super::selection::{Selection, count, thin_out};
use super::{ReconstructionReport, Report};
use crate::label::Labeler;
use crate::train::{Batch, Evaluation, MOTION_THRESHOLD, MOVING_SHARE};
use crate::{Result, TrainedLaq};

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
    trained: &'a TrainedLaq,
    config: StudyConfig,
    learned: Vec<Selection>,
    held_out: Vec<Selection>,
    decoders: DecoderPool,
    device: Device,
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
        let device = vipra_nn::device::of(&trained.model);
        let (mut learned, held_out, decoders) = (open(&data.sources)?, open(&data.validation)?, DecoderPool::new(4));
        thin_out(&mut learned, config.probed_episodes);
        Ok(Self { trained, config, learned, held_out, decoders, device })
    }

    /// Measures everything. `progress` is called with (episodes done, all).
    ///
    /// # Errors
    /// What is wrong with an episode.
    pub fn run(self, progress: &dyn Fn(usize, usize)) -> Result<Report> {
        let Self { trained, config, learned, held_out, mut decoders, device } = self;
        let dimensions = action_dimensions(&config.action, &learned, &held_out);
        let probed = dimensions.is_some();
        let all = count(&held_out) * 2 + if probed { count(&learned) } else { 0 };
        let mut done = 0;
        let mut step = || {
            done += 1;
            progress(done, all);
        };

        let evaluation = evaluate(trained, &held_out, &mut decoders, &device, &mut step)?;
        let (transitions, test_rows) = label(trained, &config, &held_out, probed, &mut decoders, &mut step)?;
        let train_rows = match probed && !test_rows.actions.is_empty() {
            true => label(trained, &config, &learned, true, &mut decoders, &mut step)?.1,
            false => ProbeRows::default(),
        };
        warn_of_faults(&config.action, &[&train_rows, &test_rows]);
        let has_rows = !train_rows.actions.is_empty() && !test_rows.actions.is_empty();
        let results = dimensions.filter(|_| has_rows).map(|names| probe(&train_rows, &test_rows, &names));
        let model = &trained.description.model;
        Ok(Report {
            model: trained.fingerprint.clone(),
            parameters: trained.model.num_params(),
            interval_secs: trained.description.clip.interval_secs,
            episodes: count(&held_out),
            reconstruction: reconstruction(&evaluation),
            codes: CodeStatistics::new(&transitions, model.code_length, model.quantizer.codes),
            probe: results,
            probe_rows: [train_rows.actions.len(), test_rows.actions.len()],
            examples: Example::all(trained, &held_out, config.examples, &mut decoders, &device)?,
        })
    }
}

/// What the numbers of an action are called, if all datasets have actions, and the same.
fn action_dimensions(action: &str, learned: &[Selection], held_out: &[Selection]) -> Option<Vec<String>> {
    let mut dimensions = learned.iter().chain(held_out).map(|selection| selection.dimensions(action));
    let first = dimensions.next()??;
    let is_the_same = dimensions.all(|others| others.as_ref() == Some(&first));
    if !is_the_same {
        tracing::info!("the datasets do not have the same `{action}`: codes are not compared with it");
    }
    (is_the_same && !learned.is_empty() && !held_out.is_empty()).then_some(first)
}

/// Says of how many episodes the actions could not be read, and why, in one line: it may be the same of all of them.
fn warn_of_faults(action: &str, rows: &[&ProbeRows]) {
    let faults: Vec<&String> = rows.iter().flat_map(|rows| &rows.faults).collect();
    if let Some(first) = faults.first() {
        let (count, plural) = (faults.len(), if faults.len() == 1 { "" } else { "s" });
        tracing::warn!("not probed: {count} episode{plural} whose `{action}` cannot be read, the first: {first}");
    }
}

/// Reconstruction of every transition of the episodes, in clips as long as the training's.
fn evaluate(
    trained: &TrainedLaq,
    selections: &[Selection],
    decoders: &mut DecoderPool,
    device: &Device,
    step: &mut dyn FnMut(),
) -> Result<Evaluation> {
    let description = &trained.description;
    let time = description.clip.frames.max(2);
    let mut evaluation = Evaluation::new(description.model.quantizer.codes, description.model.code_length);
    for selection in selections {
        for at in &selection.positions {
            let episode = &selection.source.episodes()[*at];
            let stride = description.clip.interval_secs * episode.fps;
            let starts = (0..).map(|clip| (clip * (time - 1)) as f64 * stride);
            let last = episode.length.saturating_sub(1);
            for start in starts.take_while(|start| *start < last as f64) {
                let frames: Vec<usize> = (0..time).map(|at| (start + at as f64 * stride).round() as usize).collect();
                let mask: Vec<bool> = frames.iter().map(|frame| *frame <= last).collect();
                let frames: Vec<usize> = frames.into_iter().map(|frame| frame.min(last)).collect();
                let clips = selection.clip(*at, &frames, description.image, decoders)?;
                let mask = Tensor::<2, Bool>::from_data(TensorData::new(mask, [1, time]), device);
                evaluation.add(&trained.model, &Batch { clips: clips.to_device(device), mask })?;
            }
            evaluation.next_episode();
            step();
        }
    }
    Ok(evaluation)
}

fn reconstruction(evaluation: &Evaluation) -> ReconstructionReport {
    let numbers = evaluation.scalars();
    let number = |name: &str| numbers.iter().find(|(known, _)| known == name).map_or(f64::NAN, |(_, value)| *value);
    let moving = number("moving_transitions");
    ReconstructionReport {
        motion_threshold: MOTION_THRESHOLD,
        moving_share: MOVING_SHARE,
        nearer_to_next_interval: vipra_page::wilson((number("nearer_to_next") * moving).round(), moving),
        numbers: numbers.into_iter().map(|(name, value)| (name, serde_json::json!(value))).collect(),
    }
}

/// Codes of the first transition of each frame's label, `[transitions, code_length]`, and rows for the probe if there is one.
fn label(
    trained: &TrainedLaq,
    config: &StudyConfig,
    selections: &[Selection],
    probed: bool,
    decoders: &mut DecoderPool,
    step: &mut dyn FnMut(),
) -> Result<(Vec<u8>, ProbeRows)> {
    let description = &trained.description;
    let code_length = description.model.code_length;
    let mut labeler = Labeler::new(trained, config.horizon)?;
    let (mut transitions, mut rows) = (Vec::new(), ProbeRows::default());
    for selection in selections {
        for at in &selection.positions {
            let labels = labeler.episode(selection.source.as_ref(), *at, &selection.camera)?;
            let per_frame = config.horizon * code_length;
            let first: Vec<&[u8]> = labels.codes.chunks_exact(per_frame).map(|all| &all[..code_length]).collect();
            // Past the last frame there is only its repetition.
            let real = &first[..first.len().saturating_sub(1)];
            transitions.extend(real.iter().flat_map(|codes| codes.iter().copied()));
            if probed {
                rows.add_episode(selection, *at, real, &config.action, description, decoders)?;
            }
            step();
        }
    }
    Ok((transitions, rows))
}
