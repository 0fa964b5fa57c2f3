//! What a training makes of its data: nothing held out, too short videos held out, other data than it began with.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is the message of a test")]

mod made_data;

use std::path::Path;

use burn::tensor::Device;
use made_data::wandering_squares;
use serde_json::json;
use vipra_data::{DataConfig, SourceConfig};
use vipra_laq::spatial_encoder::SpatialEncoderConfig;
use vipra_laq::train::{LaqStageConfig, Session, Summary, train};
use vipra_laq::{LaqConfig, Result};
use vipra_nn::perceptual::PerceptualConfig;
use vipra_train::{Interrupt, TrainConfig};

/// The smallest stage that has a perceptual network of its own.
fn stage() -> LaqStageConfig {
    let mut stage = LaqStageConfig {
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
        validation_clips: 1,
        train: TrainConfig { steps: 1, batch_size: 2, ..TrainConfig::default() },
        ..LaqStageConfig::default()
    };
    stage.loss.perceptual = PerceptualConfig { widths: [8; 5], steps: 1, ..PerceptualConfig::default() };
    stage
}

/// Trains on the split `train` in `folder/run`; `contents` is the fingerprint of the dataset.
fn trained(folder: &Path, validation: &[&str], contents: &str) -> Result<Summary> {
    let source = |split: &str| SourceConfig { split: Some(split.into()), ..SourceConfig::new(folder.join("squares")) };
    let mut data = DataConfig {
        sources: vec![source("train")],
        validation: validation.iter().map(|split| source(split)).collect(),
        ..DataConfig::default()
    };
    (data.image.width, data.image.height, data.clip.frames) = (16, 16, 4);
    train(Session {
        stage: &stage(),
        data: &data,
        configuration: json!({ "laq": stage(), "inputs": { "datasets": [contents] } }),
        folder: &folder.join("run"),
        device: Device::flex(),
        interrupt: &Interrupt::default(),
        opening: &|_, _| {},
        progress: &mut |_| {},
    })
}

#[test]
fn nothing_held_out_is_no_held_out_numbers() {
    let folder = tempfile::tempdir().unwrap();
    wandering_squares(folder.path(), &[12, 12]);
    let summary = trained(folder.path(), &[], "a").unwrap();
    assert!(summary.ended.validation.is_empty(), "{:?}", summary.ended.validation);
}

#[test]
fn held_out_videos_that_are_too_short_are_said_to_be_the_held_out_ones() {
    let folder = tempfile::tempdir().unwrap();
    wandering_squares(folder.path(), &[12, 1]);
    let message = trained(folder.path(), &["val"], "a").unwrap_err().to_string();
    assert!(message.starts_with("what is held out (`data.validation`): no episode lasts"), "{message}");
}

#[test]
fn a_perceptual_network_of_other_data_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    wandering_squares(folder.path(), &[12, 12]);
    trained(folder.path(), &[], "a").unwrap();
    // A kill between the perceptual network and the first checkpoint.
    std::fs::remove_dir_all(folder.path().join("run/checkpoints")).unwrap();
    let message = trained(folder.path(), &[], "b").unwrap_err().to_string();
    assert!(message.contains("another configuration (datasets: ") && message.contains("perceptual"), "{message}");
    trained(folder.path(), &[], "a").unwrap();
}
