//! The run's own perceptual network: trained before the first step, kept in the run's folder.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::{Device, Tensor};
use serde_json::Value;
use vipra_nn::perceptual::{Lpips, OwnFeatures, PerceptualConfig};

use crate::config::{CheckpointConfig, OptimizerConfig, Schedule, TrainConfig};
use crate::interrupt::Interrupt;
use crate::run::{Outcome, Run, run};
use crate::stage::{Losses, Scalars, Stage, StageError, Step};
use crate::{Error, Result};

/// Folder within that of the run.
const FOLDER: &str = "perceptual";
const LEARNING_RATE: f64 = 2e-3;
/// Pictures per step.
const PICTURES: usize = 8;
/// Pictures that set the scale of the network.
const UNRELATED_PICTURES: usize = 32;

/// An endless stream of unrelated pictures, which can be resumed from its state.
pub trait Pictures {
    /// The next pictures.
    ///
    /// # Shapes
    /// → `[count, 3, height, width]` in [0, 1]
    ///
    /// # Errors
    /// Whatever is wrong with the data.
    fn next(&mut self, count: usize) -> Result<Tensor<4>, StageError>;

    /// The position of the stream.
    fn state(&self) -> Value;

    /// Resumes the stream from a [`state`](Self::state).
    ///
    /// # Errors
    /// If the state is not one of this stream.
    fn restore(&mut self, state: Value) -> Result<(), StageError>;
}

/// The frozen network: trained on the pictures that follow in the stream, or read from the run's folder if an earlier call has
/// trained it. `datasets` are the fingerprints of the data that the pictures come from.
///
/// # Errors
/// What is wrong with the pictures or the run; [`Error::Configuration`] if the network in the folder was trained on other data
/// or with another configuration; [`Error::Interrupted`] if the run was asked to stop.
pub fn own_features(
    config: &PerceptualConfig,
    seed: u64,
    datasets: &Value,
    mut pictures: impl Pictures,
    folder: &Path,
    interrupt: &Interrupt,
    device: &Device,
) -> Result<Lpips> {
    let folder = folder.join(FOLDER);
    std::fs::create_dir_all(&folder).map_err(|error| Error::io("making a folder", &folder, error))?;
    let loop_config = TrainConfig {
        seed,
        steps: config.steps,
        batch_size: PICTURES,
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
    let start = pictures.state();
    let mut stage = FeatureStage { pictures };
    let outcome = run(
        &mut stage,
        OwnFeatures::new(config.widths, device),
        Run {
            folder: &folder,
            config: &loop_config,
            configuration: serde_json::json!({ "perceptual": config, "train": loop_config, "datasets": datasets }),
            metadata: BTreeMap::new(),
            interrupt,
            progress: &mut |_| {},
        },
    )?;
    match outcome {
        Outcome::Finished { model, .. } => {
            pictures = stage.pictures;
            pictures.restore(start)?;
            Ok(model.into_lpips(pictures.next(UNRELATED_PICTURES)?))
        }
        Outcome::Interrupted { step, .. } => Err(Error::Interrupted { what: "the perceptual network", step }),
    }
}

/// The stage that trains the network: it rebuilds pictures from the features of each block.
struct FeatureStage<P> {
    pictures: P,
}

impl<P: Pictures> Stage for FeatureStage<P> {
    type Model = OwnFeatures;
    type Batch = Tensor<4>;

    fn next_batch(&mut self) -> Result<Tensor<4>, StageError> {
        self.pictures.next(PICTURES)
    }

    fn loss(&mut self, model: &OwnFeatures, batch: Tensor<4>, _step: &mut Step) -> Result<Losses, StageError> {
        Ok(Losses { total: model.rebuilding_loss(batch), parts: Vec::new() })
    }

    fn validate(&mut self, _model: &OwnFeatures) -> Result<Scalars, StageError> {
        Ok(Scalars::new())
    }

    fn state(&self) -> Value {
        self.pictures.state()
    }

    fn restore(&mut self, state: Value) -> Result<(), StageError> {
        self.pictures.restore(state)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use burn::tensor::{Device, Distribution, Tensor};
    use serde_json::{Value, json};
    use vipra_nn::perceptual::{Lpips, PerceptualConfig};

    use super::{FOLDER, Pictures, own_features};
    use crate::checkpoint::Checkpoints;
    use crate::{CheckpointConfig, Interrupt, Result, StageError};

    struct Noise(Device);

    impl Pictures for Noise {
        fn next(&mut self, count: usize) -> Result<Tensor<4>, StageError> {
            Ok(Tensor::random([count, 3, 16, 16], Distribution::Uniform(0.0, 1.0), &self.0))
        }

        fn state(&self) -> Value {
            Value::Null
        }

        fn restore(&mut self, _state: Value) -> Result<(), StageError> {
            Ok(())
        }
    }

    fn network(folder: &Path, datasets: &Value) -> Result<Lpips> {
        let device = Device::flex().autodiff();
        let config = PerceptualConfig { widths: [8; 5], steps: 1, ..PerceptualConfig::default() };
        own_features(&config, 0, datasets, Noise(device.clone()), folder, &Interrupt::default(), &device)
    }

    #[test]
    fn a_network_is_kept_for_its_own_data_and_refused_for_others() {
        let folder = tempfile::tempdir().unwrap();
        network(folder.path(), &json!(["a"])).unwrap();
        network(folder.path(), &json!(["a"])).unwrap();
        let refused = network(folder.path(), &json!(["b"])).unwrap_err().to_string();
        assert!(refused.contains("another configuration (datasets: "), "{refused}");
    }

    #[test]
    fn a_network_of_an_earlier_version_which_does_not_say_its_data_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        network(folder.path(), &json!(["a"])).unwrap();
        let checkpoints = Checkpoints::of_run(&folder.path().join(FOLDER), CheckpointConfig::default());
        let file = checkpoints.latest().unwrap().unwrap().join("state.json");
        let mut state: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        assert!(state["configuration"].as_object_mut().unwrap().remove("datasets").is_some());
        std::fs::write(&file, state.to_string()).unwrap();
        network(folder.path(), &json!(["b"])).unwrap();
    }
}
