//! The frame tokenizer as a stage of the training loop.

use std::sync::Arc;

use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use vipra_data::clip::{Clip, ClipDataset, LoaderState};
use vipra_data::source::Skipped;
use vipra_nn::codebook::CodebookPhase;
use vipra_train::perceptual::Pictures;
use vipra_train::{Losses, Scalars, Stage, StageError, Step};

use super::codebook::{CodebookTracker, Coded};
use super::config::TokenizerStageConfig;
use super::cutmix::CutMix;
use super::evaluation::Evaluation;
use super::frames::{FrameStream, batch_of};
use super::losses::LossSet;
use super::seeding::seed_codebook;
use crate::{Result, Vqgan};

/// Trains a [`Vqgan`] on frames.
pub(super) struct TokenizerStage {
    config: TokenizerStageConfig,
    frames: FrameStream,
    held_out: Vec<Clip>,
    losses: LossSet,
    tracker: CodebookTracker,
    /// Vectors and tokens of this step's forward passes.
    coded: Coded,
    /// Whether the decoder gets quantised vectors yet.
    phase: CodebookPhase,
    device: Device,
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

impl TokenizerStage {
    /// A stage at the beginning of its data. With an empty `held_out` there are no held-out numbers.
    ///
    /// # Errors
    /// If the loader cannot be started.
    pub(super) fn new(
        config: TokenizerStageConfig,
        dataset: &Arc<ClipDataset>,
        held_out: Vec<Clip>,
        losses: LossSet,
        device: Device,
    ) -> Result<Self> {
        let frames = FrameStream::start(dataset, &device)?;
        let tracker = CodebookTracker::new(config.model.codes);
        let (coded, phase) = (Coded::default(), CodebookPhase::default());
        Ok(Self { config, frames, held_out, losses, tracker, coded, phase, device })
    }

    /// Episodes of which frames were left out, before and after the run was resumed.
    pub(super) fn skipped(&self) -> Vec<Skipped> {
        self.frames.skipped()
    }

    /// Whether half of the frames of each batch are mixed from the other half.
    fn uses_cutmix(&self) -> bool {
        self.config.loss.locality_weight > 0.0
    }

    /// Use of the codebook.
    pub(super) fn codebook(&self) -> &CodebookTracker {
        &self.tracker
    }
}

impl Stage for TokenizerStage {
    type Model = Vqgan;
    type Batch = Tensor<4>;

    fn next_batch(&mut self) -> Result<Tensor<4>, StageError> {
        let frames = self.config.train.batch_size;
        self.frames.next(if self.uses_cutmix() { frames / 2 } else { frames })
    }

    fn loss(&mut self, model: &Vqgan, batch: Tensor<4>, step: &mut Step) -> Result<Losses, StageError> {
        let cutmix = self.uses_cutmix().then(|| {
            let grid = self.config.model.grid();
            CutMix::draw(batch.dims()[0], grid, &mut step.random)
        });
        let batch = match &cutmix {
            Some(cutmix) => cutmix.extend(batch),
            None => batch,
        };
        let is_quantized = self.phase.begin_at(step.number, self.config.codebook.first_step);
        let rebuilt =
            if is_quantized { model.reconstruct(batch.clone()) } else { model.reconstruct_unquantized(batch.clone()) };
        self.coded.add(&rebuilt);
        Ok(self.losses.losses(rebuilt, batch, cutmix.as_ref())?)
    }

    fn after_step(&mut self, model: Vqgan, step: &mut Step) -> Result<Vqgan, StageError> {
        let coded = std::mem::take(&mut self.coded);
        let (config, done) = (&self.config.codebook, step.number + 1);
        if self.phase.is_quantized() {
            let replaces = config.is_due(done, self.config.train.steps);
            return Ok(self.tracker.update(model, coded, replaces, config, &mut step.random));
        }
        match self.phase.start_after(done, config.first_step) {
            true => Ok(seed_codebook(model, &self.config, self.frames.dataset(), &self.device)?),
            false => Ok(model),
        }
    }

    fn step_skipped(&mut self) {
        self.coded = Coded::default();
    }

    fn observe(&mut self) -> Scalars {
        self.tracker.observe(&self.config.codebook)
    }

    fn validate(&mut self, model: &Vqgan) -> Result<Scalars, StageError> {
        if self.held_out.is_empty() {
            return Ok(Scalars::new());
        }
        let mut evaluation = Evaluation::new(self.config.model.codes);
        let device = self.device.clone().without_autodiff();
        for clips in self.held_out.chunks(self.config.train.batch_size) {
            evaluation.add(model, batch_of(clips, &device))?;
        }
        Ok(evaluation.scalars())
    }

    fn state(&self) -> Value {
        let (loader, codebook) = (self.frames.place(), self.tracker.clone());
        serde_json::json!(State { loader, codebook, phase: self.phase, skipped: self.skipped() })
    }

    fn restore(&mut self, state: Value) -> Result<(), StageError> {
        let State { loader, codebook, phase, skipped } = serde_json::from_value(state)?;
        self.frames.resume(loader, skipped)?;
        (self.tracker, self.phase) = (codebook, phase);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use vipra_data::{DataConfig, SourceConfig};
    use vipra_train::for_step;

    use super::super::frames::frame_data;
    use super::super::made_data::wandering_squares;
    use super::*;
    use crate::{Error, VqganConfig};

    /// A stage that quantises after two steps, and its model.
    fn begin(folder: &Path) -> (TokenizerStage, Vqgan) {
        let mut config = TokenizerStageConfig {
            model: VqganConfig {
                frame_size: [16, 16],
                width: 8,
                multipliers: vec![1, 2],
                blocks: 1,
                groups: 4,
                latent_dim: 8,
                codes: 24,
                code_dim: 4,
            },
            ..TokenizerStageConfig::default()
        };
        config.loss.perceptual_weight = 0.0;
        config.codebook.first_step = 2;
        config.train.batch_size = 4;
        let device = Device::flex().autodiff();
        let sources = vec![SourceConfig::new(wandering_squares(folder, &[12, 12]))];
        let data = frame_data(&DataConfig { sources, ..DataConfig::default() }, config.image());
        let dataset = Arc::new(ClipDataset::open(data, &|_, _| {}).unwrap());
        let no_network = || Err(Error::Invalid("its weight is 0".to_owned()));
        let losses = LossSet::load(&config.loss, no_network, &device).unwrap();
        let model = config.model.init(&device).unwrap();
        (TokenizerStage::new(config, &dataset, Vec::new(), losses, device).unwrap(), model)
    }

    fn step(number: u64) -> Step {
        Step { number, is_logged: true, random: for_step(0, number) }
    }

    /// A forward pass over the next frames, multiplied by a factor. Returns the names of its losses.
    fn pass(stage: &mut TokenizerStage, model: &Vqgan, step: &mut Step, factor: f64) -> Vec<&'static str> {
        let frames = stage.next_batch().unwrap() * factor;
        stage.loss(model, frames, step).unwrap().parts.into_iter().map(|(name, _)| name).collect()
    }

    fn codes(model: &Vqgan) -> Vec<f32> {
        model.codebook.val().into_data().iter::<f32>().collect()
    }

    #[test]
    fn a_skipped_step_leaves_nothing_of_what_it_coded() {
        let folder = tempfile::tempdir().unwrap();
        let (mut stage, model) = begin(folder.path());
        let before = stage.tracker.clone();
        pass(&mut stage, &model, &mut step(5), f64::NAN);
        assert!(!stage.coded.is_empty());
        stage.step_skipped();
        assert!(stage.coded.is_empty() && stage.tracker == before);

        let mut next = step(6);
        pass(&mut stage, &model, &mut next, 1.0);
        let model = stage.after_step(model, &mut next).unwrap();
        assert!(codes(&model).into_iter().all(f32::is_finite));
        assert!(stage.tracker != before);
    }

    #[test]
    fn codes_begin_after_the_first_step_from_theirs_on_that_is_not_skipped() {
        let folder = tempfile::tempdir().unwrap();
        let (mut stage, mut model) = begin(folder.path());
        let drawn = codes(&model);
        for number in 0..4 {
            let mut step = step(number);
            let names = pass(&mut stage, &model, &mut step, 1.0);
            assert_eq!(names.contains(&"commitment"), number == 3, "step {number}");
            if number == 1 {
                stage.step_skipped();
                continue;
            }
            model = stage.after_step(model, &mut step).unwrap();
            assert_eq!(codes(&model) == drawn, number == 0, "step {number}");
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
    fn checkpoints_hold_what_was_left_out_of_the_frames() {
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
