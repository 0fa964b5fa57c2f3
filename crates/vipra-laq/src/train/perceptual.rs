//! The run's own perceptual network: trained before the first step, kept in the run's folder.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use burn::tensor::{Device, Tensor};
use serde_json::Value;
use vipra_data::clip::{ClipDataset, ClipLoader, LoaderState};
use vipra_nn::perceptual::{Lpips, OwnFeatures};
use vipra_train::{
    CheckpointConfig, Interrupt, Losses, OptimizerConfig, Outcome, Run, Scalars, Schedule, Stage, StageError, Step,
    TrainConfig, run,
};

use super::batch::batch_of;
use super::config::LaqStageConfig;
use crate::{Error, Result};

/// Folder within that of the run.
const FOLDER: &str = "perceptual";
const LEARNING_RATE: f64 = 2e-3;
/// Clips of a step; one frame of each is looked at.
const CLIPS: usize = 8;
/// Frames by which the network is scaled.
const UNRELATED_FRAMES: usize = 32;

/// The frozen network, trained on the run's frames, or as an earlier call has left it.
pub(super) fn own_features(
    config: &LaqStageConfig,
    dataset: &Arc<ClipDataset>,
    folder: &Path,
    interrupt: &Interrupt,
    device: &Device,
) -> Result<Lpips> {
    let folder = folder.join(FOLDER);
    std::fs::create_dir_all(&folder).map_err(|error| vipra_data::Error::io(&folder, error))?;
    let loop_config = TrainConfig {
        seed: config.train.seed,
        steps: config.loss.perceptual.steps,
        batch_size: CLIPS,
        optimizer: OptimizerConfig {
            learning_rate: LEARNING_RATE,
            schedule: Schedule::Cosine,
            ..OptimizerConfig::default()
        },
        validate_every: 0,
        checkpoint: CheckpointConfig { every: 0, keep: 1, milestone_every: 0 },
        ..TrainConfig::default()
    };
    tracing::info!("training the run's own perceptual network for {} steps", loop_config.steps);
    let loader = ClipLoader::start(dataset.clone(), LoaderState::default())?;
    let mut stage = FeatureStage { dataset: dataset.clone(), loader, device: device.clone() };
    let model = OwnFeatures::new(config.loss.perceptual.widths, device);
    let outcome = run(
        &mut stage,
        model,
        Run {
            folder: &folder,
            config: &loop_config,
            configuration: serde_json::json!({ "perceptual": config.loss.perceptual, "train": loop_config }),
            metadata: BTreeMap::new(),
            interrupt,
            progress: &mut |_| {},
        },
    )?;
    match outcome {
        Outcome::Finished { model, .. } => {
            let frames = first_frames(dataset, UNRELATED_FRAMES, device)?;
            Ok(model.into_lpips(frames))
        }
        Outcome::Interrupted { step, .. } => Err(Error::Invalid(format!(
            "stopped after step {step} of the perceptual network; the same command goes on"
        ))),
    }
}

/// The first frames of some clips: a clip's others are much the same.
///
/// # Shapes
/// → `[clips, 3, height, width]`
fn next_frames(loader: &mut ClipLoader, count: usize, device: &Device) -> Result<Tensor<4>> {
    let clips = (0..count).map(|_| loader.next_clip()).collect::<Result<Vec<_>, _>>()?;
    let frames = batch_of(&clips, device).clips;
    clips.into_iter().for_each(|clip| loader.recycle(clip));
    Ok(frames.narrow(1, 0, 1).squeeze_dim(1))
}

fn first_frames(dataset: &Arc<ClipDataset>, count: usize, device: &Device) -> Result<Tensor<4>> {
    next_frames(&mut ClipLoader::start(dataset.clone(), LoaderState::default())?, count, device)
}

/// Rebuilds frames from the features of each block.
struct FeatureStage {
    dataset: Arc<ClipDataset>,
    loader: ClipLoader,
    device: Device,
}

impl Stage for FeatureStage {
    type Model = OwnFeatures;
    type Batch = Tensor<4>;

    fn next_batch(&mut self) -> Result<Tensor<4>, StageError> {
        Ok(next_frames(&mut self.loader, CLIPS, &self.device)?)
    }

    fn loss(&mut self, model: &OwnFeatures, batch: Tensor<4>, _step: &mut Step) -> Result<Losses, StageError> {
        Ok(Losses { total: model.rebuilding_loss(batch), parts: Vec::new() })
    }

    fn validate(&mut self, _model: &OwnFeatures) -> Result<Scalars, StageError> {
        Ok(Scalars::new())
    }

    fn state(&self) -> Value {
        serde_json::json!(self.loader.state())
    }

    fn restore(&mut self, state: Value) -> Result<(), StageError> {
        self.loader = ClipLoader::start(self.dataset.clone(), serde_json::from_value(state)?)?;
        Ok(())
    }
}
