//! A spatial encoder that starts from weights of DINOv2's names, and learns at a rate of its own.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is the message of a test")]

mod made_data;

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use made_data::wandering_squares;
use vipra_data::{DataConfig, SourceConfig};
use vipra_laq::LaqConfig;
use vipra_laq::spatial_encoder::{DINO_NAMES, SpatialEncoderConfig};
use vipra_laq::train::{LaqStageConfig, Session, train};
use vipra_nn::weights::{Names, Weights, load, save};
use vipra_train::{Interrupt, TrainConfig};

/// A new decoder repeats the frame before, whatever the codes: the first step teaches the encoder nothing.
const STEPS: u64 = 3;

fn dino_names() -> Names {
    Names::blocks().rename(DINO_NAMES)
}

fn model() -> LaqConfig {
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

/// A file as DINOv2's are: its names, and among them one that only its own training uses.
fn pretrained(folder: &Path) -> PathBuf {
    let device = Device::flex();
    device.seed(3);
    let encoder = model().spatial_encoder.init(model().dim, model().patch, &device);
    let mut weights = save(&encoder, &dino_names()).unwrap();
    assert!(weights.shape("blocks.0.attn.qkv.weight").is_some(), "{:?}", weights.names().collect::<Vec<_>>());
    weights.insert("mask_token", vec![1, 16], vec![0.0; 16]);
    let path = folder.join("dino.safetensors");
    weights.write_safetensors(&path).unwrap();
    path
}

/// The spatial encoder after some steps at a share of the learning rate.
fn trained(folder: &Path, weights: &Path, spatial_encoder_rate: f64) -> Weights {
    let source = |split: &str| SourceConfig { split: Some(split.into()), ..SourceConfig::new(folder.join("squares")) };
    let mut data =
        DataConfig { sources: vec![source("train")], validation: vec![source("val")], ..DataConfig::default() };
    (data.image.width, data.image.height, data.clip.frames) = (16, 16, 4);
    let mut stage = LaqStageConfig {
        model: model(),
        spatial_encoder_weights: Some(weights.to_path_buf()),
        spatial_encoder_rate,
        validation_clips: 1,
        train: TrainConfig { steps: STEPS, batch_size: 2, ..TrainConfig::default() },
        ..LaqStageConfig::default()
    };
    stage.loss.weights.perceptual = 0.0;
    stage.train.optimizer.learning_rate = 1e-2;
    stage.train.optimizer.warm_up_steps = 0;
    let run = tempfile::tempdir().unwrap();
    let summary = train(Session {
        stage: &stage,
        data: &data,
        configuration: serde_json::to_value(&stage).unwrap(),
        folder: run.path(),
        device: Device::flex(),
        interrupt: &Interrupt::default(),
        opening: &|_, _| {},
        progress: &mut |_| {},
    });
    let weights = Weights::read(&summary.unwrap().ended.checkpoint.join("model.safetensors")).unwrap();
    let laq = load(model().init(&Device::flex()).unwrap(), &weights, &Names::default()).unwrap();
    save(&laq.spatial_encoder, &dino_names()).unwrap()
}

#[test]
fn it_begins_where_the_file_is_and_learns_at_its_own_rate() {
    let folder = tempfile::tempdir().unwrap();
    wandering_squares(folder.path(), &[12, 12, 12]);
    let file = pretrained(folder.path());
    let before = Weights::read(&file).unwrap();
    let names: Vec<&str> = before.names().filter(|name| *name != "mask_token").collect();
    let unchanged = |after: &Weights| names.iter().filter(|name| after.floats(name) == before.floats(name)).count();
    assert_eq!(unchanged(&trained(folder.path(), &file, 0.0)), names.len(), "at a rate of nothing");
    let stuck = unchanged(&trained(folder.path(), &file, 0.1));
    assert!(stuck < names.len() / 2, "{stuck} of {} tensors did not learn", names.len());
}
