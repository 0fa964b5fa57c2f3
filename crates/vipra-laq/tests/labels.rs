//! Labelling: windows, shards, and work that is not repeated.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is the message of a test")]

mod made_data;

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use burn::tensor::{Device, Tensor};
use made_data::{CAMERA, wandering_squares};
use vipra_data::labels::{LabelStore, Shard};
use vipra_data::video::DecoderPool;
use vipra_data::{DataConfig, OpenOptions, Source};
use vipra_laq::frames::read_frames;
use vipra_laq::label::{LabelConfig, Labeler, horizon_window, label_dataset};
use vipra_laq::spatial_encoder::SpatialEncoderConfig;
use vipra_laq::{Description, LaqConfig, TrainedLaq};
use vipra_nn::weights::{Names, save};
use vipra_train::WeightsHeader;

const HORIZON: usize = 5;

fn config() -> LaqConfig {
    LaqConfig {
        frame_size: [16, 16],
        patch: 4,
        dim: 16,
        spatial_encoder: SpatialEncoderConfig { depth: 1, heads: 2, registers: 1, position_grid: 4 },
        encoder_depth: 1,
        decoder_depth: 1,
        heads: 2,
        head_dim: 8,
        ..LaqConfig::default()
    }
}

/// A model with random weights, written as a training run would.
fn trained(folder: &Path, seed: u64) -> TrainedLaq {
    // The framework's generator is one for all tests of the process.
    static GENERATOR: Mutex<()> = Mutex::new(());
    let device = Device::flex();
    let mut weights = {
        let _alone = GENERATOR.lock().unwrap_or_else(PoisonError::into_inner);
        device.seed(seed);
        save(&config().init(&device).unwrap(), &Names::default()).unwrap()
    };
    let mut data = DataConfig::default();
    (data.image.width, data.image.height) = (16, 16);
    weights.metadata = Description::new(&config(), &data).to_metadata().unwrap();
    let path = folder.join(format!("model-{seed}.safetensors"));
    weights.write_safetensors(&path).unwrap();
    TrainedLaq::open(&path, &device).unwrap()
}

fn source(folder: &Path) -> Box<dyn Source> {
    let root = wandering_squares(folder, &[21, 7, 1, 30]);
    vipra_data::open(&root, &OpenOptions::default()).unwrap()
}

#[test]
fn labels_are_the_codes_of_whole_windows_and_each_frame_is_encoded_once() {
    let folder = tempfile::tempdir().unwrap();
    let (trained, source) = (trained(folder.path(), 1), source(folder.path()));
    let mut labeler = Labeler::new(&trained, HORIZON).unwrap();
    let mut frames = 0;
    for (at, episode) in source.episodes().iter().enumerate() {
        let labels = labeler.episode(source.as_ref(), at, CAMERA).unwrap();
        frames += episode.length;
        assert_eq!(labels.codes.len(), episode.length * HORIZON * 4);
        // The same by the long way: each window on its own, through the whole encoder.
        for frame in [0, episode.length / 2, episode.length - 1] {
            let window = horizon_window(frame, episode.length, episode.fps, 0.2, HORIZON);
            let clip =
                read_frames(source.as_ref(), at, CAMERA, &window, trained.description.image, &mut DecoderPool::new(1));
            let clip: Tensor<5> = clip.unwrap().unsqueeze_dim(0);
            let codes = trained.model.infer(clip).unwrap().codes.narrow(1, 1, HORIZON);
            let codes: Vec<u8> = codes.into_data().iter::<i64>().map(|code| code as u8).collect();
            assert_eq!(
                labels.codes[frame * HORIZON * 4..(frame + 1) * HORIZON * 4],
                codes,
                "episode {at}, frame {frame}"
            );
        }
    }
    assert_eq!(labeler.encoded_frames(), frames);
}

#[test]
fn shards_make_one_set_of_labels_and_other_models_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (model, source) = (trained(folder.path(), 1), source(folder.path()));
    let label = |trained: &TrainedLaq, out: &str, shard: Shard| {
        let config = LabelConfig { horizon: HORIZON, camera: None, split: None, shard };
        label_dataset(trained, source.as_ref(), &folder.path().join(out), &config, &|_, _| {})
    };
    assert_eq!(label(&model, "whole", Shard::WHOLE).unwrap(), 59);
    assert_eq!(label(&model, "whole", Shard::WHOLE).unwrap(), 0, "nothing is done twice");
    let shards = [0, 1, 2].map(|index| label(&model, "parts", Shard { index, count: 3 }).unwrap());
    assert_eq!(shards.iter().sum::<usize>(), 59);
    let read = |out: &str| LabelStore::open(&folder.path().join(out)).unwrap().read().unwrap();
    assert_eq!(read("whole"), read("parts"));

    let other = trained(folder.path(), 2);
    let message = label(&other, "whole", Shard::WHOLE).unwrap_err().to_string();
    assert!(message.contains("`model`: these labels have"), "{message}");
}

#[test]
fn what_is_no_model_is_said_plainly() {
    let folder = tempfile::tempdir().unwrap();
    let open = |path: &Path| TrainedLaq::open(path, &Device::flex()).unwrap_err().to_string();
    assert!(open(folder.path()).starts_with("no checkpoint in this folder: "));
    assert!(open(&folder.path().join("none")).starts_with("there is no such file or folder: "));

    let foreign = folder.path().join("foreign.safetensors");
    let model = config().init(&Device::flex()).unwrap();
    save(&model, &Names::default()).unwrap().write_safetensors(&foreign).unwrap();
    assert!(open(&foreign).starts_with("these are not the weights of a latent action model: "));

    let whole = trained(folder.path(), 1).path;
    let bytes = std::fs::read(&whole).unwrap();
    std::fs::write(&whole, &bytes[..bytes.len() - 100]).unwrap();
    assert!(open(&whole).contains("not a readable safetensors file"));
}
