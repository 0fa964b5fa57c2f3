//! Latent actions as a stage of the training loop.

use std::sync::Arc;

use burn::tensor::{Device, Distribution, Int, Tensor};
use serde::{Deserialize, Serialize};
use vipra_data::clip::{Clip, ClipDataset, LoaderState};
use vipra_data::source::Skipped;
use vipra_nn::codebook::CodebookPhase;
use vipra_train::{Losses, Scalars, Stage, StageError, Step};

use super::batch::{Batch, batch_of};
use super::clips::ClipStream;
use super::codebook::{CodebookTracker, update_code_means};
use super::config::{CodebookLearning, LaqStageConfig};
use super::evaluation::Evaluation;
use super::losses::LossSet;
use crate::loss::transition_mask;
use crate::quantizer::seed;
use crate::{Laq, Result};

/// Prefix of the names of the spatial encoder's parameters.
const SPATIAL_ENCODER: &str = "spatial_encoder.";

/// Name of the codebook's parameter.
const CODEBOOK: &str = "quantizer.codebooks";

/// Trains a [`Laq`] on clips.
pub(super) struct LaqStage {
    config: LaqStageConfig,
    clips: ClipStream,
    held_out: Vec<Clip>,
    losses: LossSet,
    tracker: CodebookTracker,
    /// Outputs of this step's forward passes.
    seen: Seen,
    /// Whether the decoder gets quantised vectors yet.
    phase: CodebookPhase,
    device: Device,
}

/// What the codebook is updated from after a step.
#[derive(Default)]
struct Seen {
    /// The encoder's outputs, `[vectors, code_dim]` of each pass.
    vectors: Vec<Tensor<2>>,
    /// `[batch, transitions, code_length]` of each pass.
    codes: Vec<Tensor<3, Int>>,
}

/// What a checkpoint holds of the stage.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    loader: LoaderState,
    codebook: CodebookTracker,
    #[serde(default, skip_serializing_if = "CodebookPhase::is_undecided", rename = "codes_have_begun")]
    phase: CodebookPhase,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    skipped: Vec<Skipped>,
}

impl LaqStage {
    /// A stage at the beginning of its data. With an empty `held_out` there are no held-out numbers.
    ///
    /// # Errors
    /// If the loader cannot be started.
    pub(super) fn new(
        config: LaqStageConfig,
        dataset: &Arc<ClipDataset>,
        held_out: Vec<Clip>,
        losses: LossSet,
        device: Device,
    ) -> Result<Self> {
        let clips = ClipStream::start(dataset)?;
        let tracker = CodebookTracker::new(config.model.quantizer.codes, config.model.code_length);
        let (seen, phase) = (Seen::default(), CodebookPhase::default());
        Ok(Self { config, clips, held_out, losses, tracker, seen, phase, device })
    }

    /// Episodes of which clips were left out, before and after the run was resumed.
    pub(super) fn skipped(&self) -> Vec<Skipped> {
        self.clips.skipped()
    }

    /// Use of the codebook.
    pub(super) fn codebook(&self) -> &CodebookTracker {
        &self.tracker
    }
}

impl Stage for LaqStage {
    type Model = Laq;
    type Batch = Batch;

    fn next_batch(&mut self) -> Result<Batch, StageError> {
        Ok(self.clips.batch(self.config.train.batch_size, &self.device)?)
    }

    fn loss(&mut self, model: &Laq, batch: Batch, step: &mut Step) -> Result<Losses, StageError> {
        let [clips, time, ..] = batch.clips.dims();
        let vectors = clips * (time - 1) * self.config.model.code_length;
        let shape = [vectors, self.config.model.quantizer.dim];
        let noise = Tensor::random(shape, Distribution::Normal(0.0, 1.0), &self.device);
        let config = &self.config.codebook;
        let is_quantized = self.phase.begin_at(step.number, config.first_step);
        let noise_scale = if is_quantized { config.noise_scale(step.number) } else { 0.0 };
        let rebuilt = model.reconstruct_scaled(batch.clips.clone(), noise, noise_scale)?;
        self.seen.vectors.push(rebuilt.vectors.detach());
        self.seen.codes.push(rebuilt.codes);
        let targets = batch.clips.narrow(1, 1, time - 1);
        Ok(self.losses.losses(step.number, rebuilt.frames, targets, transition_mask(batch.mask))?)
    }

    fn after_step(&mut self, mut model: Laq, step: &mut Step) -> Result<Laq, StageError> {
        let Seen { vectors, codes } = std::mem::take(&mut self.seen);
        if vectors.is_empty() {
            return Ok(model);
        }
        codes.into_iter().for_each(|codes| self.tracker.count(codes));
        let vectors = Tensor::cat(vectors, 0);
        let steps = step.number + 1;
        let config = &self.config.codebook;
        model = model.update_standardization(vectors.clone(), config.standard_rate);
        let codes_begin = self.phase.start_after(steps, config.first_step);
        if codes_begin {
            model.quantizer = seed(model.quantizer, vectors.clone(), &mut step.random);
        }
        if config.learning == CodebookLearning::Averages {
            model.quantizer = update_code_means(model.quantizer, &vectors, config.memory);
        }
        model.quantizer = self.tracker.replace(model.quantizer, vectors, steps, config, &mut step.random);
        if codes_begin {
            // The counts so far are of the old codes. (A replacement that was due in this step still went by them, and drew
            // some of the new codes once more.)
            self.tracker.forget_codes();
        }
        Ok(model)
    }

    fn step_skipped(&mut self) {
        self.seen = Seen::default();
    }

    fn observe(&mut self) -> Scalars {
        self.tracker.observe(&self.config.codebook, self.phase.is_quantized())
    }

    fn validate(&mut self, model: &Laq) -> Result<Scalars, StageError> {
        if self.held_out.is_empty() {
            return Ok(Scalars::new());
        }
        let mut evaluation = Evaluation::new(self.config.model.quantizer.codes, self.config.model.code_length);
        let device = self.device.clone().without_autodiff();
        for clips in self.held_out.chunks(self.config.train.batch_size) {
            evaluation.add(model, &batch_of(clips, &device))?;
            evaluation.next_episode();
        }
        Ok(evaluation.scalars())
    }

    fn rate_factor(&self, parameter: &str) -> f64 {
        if parameter == CODEBOOK {
            return match self.config.codebook.learning {
                CodebookLearning::Gradients => self.config.codebook.rate,
                CodebookLearning::Averages => 0.0,
            };
        }
        let is_pretrained = self.config.spatial_encoder_weights.is_some() && parameter.starts_with(SPATIAL_ENCODER);
        if is_pretrained { self.config.spatial_encoder_rate } else { 1.0 }
    }

    fn state(&self) -> serde_json::Value {
        let (loader, codebook) = (self.clips.state(), self.tracker.clone());
        serde_json::json!(State { loader, codebook, phase: self.phase, skipped: self.skipped() })
    }

    fn restore(&mut self, state: serde_json::Value) -> Result<(), StageError> {
        let State { loader, codebook, phase, skipped } = serde_json::from_value(state)?;
        self.clips.resume(loader, skipped)?;
        (self.tracker, self.phase) = (codebook, phase);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use vipra_data::{DataConfig, SourceConfig};
    use vipra_train::for_step;

    use super::super::made_data::wandering_squares;
    use super::*;
    use crate::spatial_encoder::SpatialEncoderConfig;
    use crate::{Error, LaqConfig};

    /// Codes of a pass: two clips of three transitions, four codes each.
    const CODES: usize = 2 * 3 * 4;

    /// A stage that quantises after two steps, and its model.
    fn begin(folder: &Path) -> (LaqStage, Laq) {
        let mut config = LaqStageConfig {
            model: LaqConfig {
                frame_size: [16, 16],
                patch: 4,
                dim: 16,
                spatial_encoder: SpatialEncoderConfig { depth: 1, heads: 2, registers: 1, position_grid: 4 },
                encoder_depth: 1,
                decoder_depth: 1,
                heads: 2,
                head_dim: 8,
                ..LaqConfig::default()
            },
            ..LaqStageConfig::default()
        };
        config.loss.weights.perceptual = 0.0;
        config.codebook.first_step = 2;
        config.train.batch_size = 2;
        let sources = vec![SourceConfig::new(wandering_squares(folder, &[12, 12]))];
        let mut data = DataConfig { sources, ..DataConfig::default() };
        (data.image.width, data.image.height, data.clip.frames) = (16, 16, 4);
        let dataset = Arc::new(ClipDataset::open(data, &|_, _| {}).unwrap());
        let device = Device::flex().autodiff();
        let no_network = || Err(Error::Invalid("its weight is 0".to_owned()));
        let losses = LossSet::load(&config.loss, no_network, &device).unwrap();
        let model = config.model.init(&device).unwrap();
        (LaqStage::new(config, &dataset, Vec::new(), losses, device).unwrap(), model)
    }

    fn step(number: u64) -> Step {
        Step { number, is_logged: true, random: for_step(0, number) }
    }

    /// A forward pass over the next clips, multiplied by a factor.
    fn pass(stage: &mut LaqStage, model: &Laq, step: &mut Step, factor: f64) {
        let Batch { clips, mask } = stage.next_batch().unwrap();
        stage.loss(model, Batch { clips: clips * factor, mask }, step).unwrap();
    }

    fn codes(model: &Laq) -> Vec<f32> {
        model.quantizer.codebooks.val().into_data().iter::<f32>().collect()
    }

    /// Codes counted since the last replacement.
    fn counted(stage: &LaqStage) -> u64 {
        let state = stage.state();
        let counts = state["codebook"]["since_replacement"]["counts"].as_array().unwrap();
        counts.iter().map(|count| count.as_u64().unwrap()).sum()
    }

    #[test]
    fn nothing_is_measured_where_nothing_is_held_out() {
        let folder = tempfile::tempdir().unwrap();
        let (mut stage, model) = begin(folder.path());
        let scalars = stage.validate(&model).unwrap();
        assert!(scalars.is_empty(), "{scalars:?}");
    }

    #[test]
    fn codes_learn_from_all_passes_of_a_step() {
        let folder = tempfile::tempdir().unwrap();
        let (mut stage, model) = begin(folder.path());
        stage.config.codebook.learning = CodebookLearning::Averages;
        let mut step = step(5);
        pass(&mut stage, &model, &mut step, 1.0);
        pass(&mut stage, &model, &mut step, 1.0);
        let vectors = Tensor::cat(stage.seen.vectors.clone(), 0);
        assert_eq!(vectors.dims()[0], 2 * CODES);
        let mut expected = model.clone();
        expected.quantizer = update_code_means(expected.quantizer, &vectors, stage.config.codebook.memory);
        let model = stage.after_step(model, &mut step).unwrap();
        assert_eq!(codes(&model), codes(&expected));
        assert_eq!(counted(&stage), 2 * CODES as u64);
        assert!(stage.seen.vectors.is_empty() && stage.seen.codes.is_empty());
    }

    #[test]
    fn a_skipped_step_leaves_nothing_of_what_it_saw() {
        let folder = tempfile::tempdir().unwrap();
        let (mut stage, model) = begin(folder.path());
        stage.config.codebook.learning = CodebookLearning::Averages;
        pass(&mut stage, &model, &mut step(5), f64::NAN);
        stage.step_skipped();
        assert_eq!(counted(&stage), 0);

        let mut next = step(6);
        pass(&mut stage, &model, &mut next, 1.0);
        let model = stage.after_step(model, &mut next).unwrap();
        assert!(codes(&model).into_iter().all(f32::is_finite));
        assert_eq!(counted(&stage), CODES as u64);
    }

    #[test]
    fn codes_begin_after_the_first_step_from_theirs_on_that_is_not_skipped() {
        let folder = tempfile::tempdir().unwrap();
        let (mut stage, mut model) = begin(folder.path());
        let drawn = codes(&model);
        for number in 0..4 {
            let mut step = step(number);
            pass(&mut stage, &model, &mut step, 1.0);
            assert_eq!(stage.phase.is_quantized(), number == 3, "step {number}");
            if number == 1 {
                stage.step_skipped();
                continue;
            }
            model = stage.after_step(model, &mut step).unwrap();
            assert_eq!(codes(&model) == drawn, number == 0, "step {number}");
            // Counts of the old codes say nothing about the new ones.
            assert_eq!(counted(&stage), if number == 2 { 0 } else { CODES as u64 }, "step {number}");
        }
    }

    #[test]
    fn codes_of_an_earlier_versions_checkpoint_have_begun_if_its_steps_say_so() {
        for (number, have_begun) in [(1, false), (2, true)] {
            let folder = tempfile::tempdir().unwrap();
            let (mut stage, model) = begin(folder.path());
            let state = stage.state();
            assert!(state.get("codes_have_begun").is_none(), "{state}");
            stage.restore(state).unwrap();
            pass(&mut stage, &model, &mut step(number), 1.0);
            let state = stage.state();
            assert_eq!(state["codes_have_begun"], have_begun);
            stage.restore(state).unwrap();
            assert_eq!(stage.phase, CodebookPhase::from(Some(have_begun)));
        }
    }

    #[test]
    fn checkpoints_hold_what_was_left_out_of_the_clips() {
        let folder = tempfile::tempdir().unwrap();
        let (mut stage, _) = begin(folder.path());
        let mut state = stage.state();
        assert!(state.get("skipped").is_none(), "{state}");
        let skipped = vec![Skipped { what: "episode 7".to_owned(), reason: "no such file".to_owned() }];
        state["skipped"] = serde_json::json!(skipped);
        stage.restore(state.clone()).unwrap();
        assert_eq!((stage.skipped(), stage.state()), (skipped, state));
    }
}
