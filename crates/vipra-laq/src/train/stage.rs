//! Latent actions as a stage of the training loop.

use std::sync::Arc;

use burn::tensor::{Device, Distribution, Int, Tensor};
use serde::{Deserialize, Serialize};
use vipra_data::clip::{Clip, ClipDataset, ClipLoader, LoaderState};
use vipra_train::{Losses, Scalars, Stage, StageError, Step};

use super::batch::{Batch, batch_of};
use super::codebook::{CodebookTracker, update_code_means};
use super::config::{CodebookLearning, LaqStageConfig};
use super::evaluation::Evaluation;
use super::losses::LossSet;
use crate::loss::transition_mask;
use crate::quantizer::seed;
use crate::{Laq, Result};

/// Prefix of the names of the spatial encoder's parameters.
const SPATIAL_ENCODER: &str = "spatial_encoder.";

/// Name of the codebook.
const CODEBOOK: &str = "quantizer.codebooks";

/// Trains a [`Laq`] on clips.
pub struct LaqStage {
    config: LaqStageConfig,
    dataset: Arc<ClipDataset>,
    loader: ClipLoader,
    held_out: Vec<Clip>,
    losses: LossSet,
    tracker: CodebookTracker,
    /// What this step's passes have seen.
    seen: Seen,
    /// Whether codes have begun, and the decoder reads them; not known before the first step.
    codes_have_begun: Option<bool>,
    device: Device,
}

/// What the codebook learns from after a step.
#[derive(Default)]
struct Seen {
    /// What the encoder put out, `[vectors, code_dim]` of each pass.
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
    /// Earlier versions do not say: the first step of the run that goes on decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    codes_have_begun: Option<bool>,
}

impl LaqStage {
    /// A stage at the beginning of its data. `held_out` may be empty; validation then has nothing to say.
    ///
    /// # Errors
    /// If the loader cannot be started.
    pub fn new(
        config: LaqStageConfig,
        dataset: Arc<ClipDataset>,
        held_out: Vec<Clip>,
        losses: LossSet,
        device: Device,
    ) -> Result<Self> {
        let loader = ClipLoader::start(dataset.clone(), LoaderState::default())?;
        let tracker = CodebookTracker::new(config.model.quantizer.codes, config.model.code_length);
        let seen = Seen::default();
        Ok(Self { config, dataset, loader, held_out, losses, tracker, seen, codes_have_begun: None, device })
    }

    /// Episodes of which clips were left out, and the codebook as it is.
    pub fn loader(&self) -> &ClipLoader {
        &self.loader
    }

    /// How the codebook does.
    pub fn codebook(&self) -> &CodebookTracker {
        &self.tracker
    }
}

impl Stage for LaqStage {
    type Model = Laq;
    type Batch = Batch;

    fn next_batch(&mut self) -> Result<Batch, StageError> {
        let count = self.config.train.batch_size;
        let clips = (0..count).map(|_| self.loader.next_clip()).collect::<Result<Vec<_>, _>>()?;
        let batch = batch_of(&clips, &self.device);
        clips.into_iter().for_each(|clip| self.loader.recycle(clip));
        Ok(batch)
    }

    fn loss(&mut self, model: &Laq, batch: Batch, step: &mut Step) -> Result<Losses, StageError> {
        let [clips, time, ..] = batch.clips.dims();
        let vectors = clips * (time - 1) * self.config.model.code_length;
        let shape = [vectors, self.config.model.quantizer.dim];
        let noise = Tensor::random(shape, Distribution::Normal(0.0, 1.0), &self.device);
        let config = &self.config.codebook;
        let are_read = *self.codes_have_begun.get_or_insert(step.number >= config.first_step);
        let noise_scale = if are_read { config.noise_scale(step.number) } else { 0.0 };
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
        // After `first_step` steps; after more, if the last of them was skipped.
        let codes_begin = self.codes_have_begun == Some(false) && steps >= config.first_step;
        if codes_begin {
            model.quantizer = seed(model.quantizer, vectors.clone(), &mut step.random);
            self.codes_have_begun = Some(true);
        }
        if config.learning == CodebookLearning::Averages {
            model.quantizer = update_code_means(model.quantizer, &vectors, config.memory);
        }
        model.quantizer = self.tracker.replace(model.quantizer, vectors, steps, config, &mut step.random);
        if codes_begin {
            // What was counted so far are choices among other codes. (A replacement that was due in this step as well
            // has still gone by them, and drawn some of the new codes once more.)
            self.tracker.forget_codes();
        }
        Ok(model)
    }

    fn step_skipped(&mut self) {
        self.seen = Seen::default();
    }

    fn observe(&mut self) -> Scalars {
        self.tracker.observe(&self.config.codebook, self.codes_have_begun.unwrap_or(true))
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
        let (loader, codebook) = (self.loader.state(), self.tracker.clone());
        serde_json::json!(State { loader, codebook, codes_have_begun: self.codes_have_begun })
    }

    fn restore(&mut self, state: serde_json::Value) -> Result<(), StageError> {
        let State { loader, codebook, codes_have_begun } = serde_json::from_value(state)?;
        self.loader = ClipLoader::start(self.dataset.clone(), loader)?;
        (self.tracker, self.codes_have_begun) = (codebook, codes_have_begun);
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

    /// A stage whose codes begin after two steps, and its model.
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
        (LaqStage::new(config, dataset, Vec::new(), losses, device).unwrap(), model)
    }

    fn step(number: u64) -> Step {
        Step { number, is_logged: true, random: for_step(0, number) }
    }

    /// A pass over the next clips times a factor.
    fn pass(stage: &mut LaqStage, model: &Laq, step: &mut Step, factor: f64) {
        let Batch { clips, mask } = stage.next_batch().unwrap();
        stage.loss(model, Batch { clips: clips * factor, mask }, step).unwrap();
    }

    fn codes(model: &Laq) -> Vec<f32> {
        model.quantizer.codebooks.val().into_data().iter::<f32>().collect()
    }

    /// Choices since the last replacement.
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
            assert_eq!(stage.codes_have_begun, Some(number == 3), "step {number}");
            if number == 1 {
                stage.step_skipped();
                continue;
            }
            model = stage.after_step(model, &mut step).unwrap();
            assert_eq!(codes(&model) == drawn, number == 0, "step {number}");
            // The choices among the codes of before say nothing of those that have begun.
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
            assert_eq!(stage.codes_have_begun, Some(have_begun));
        }
    }
}
