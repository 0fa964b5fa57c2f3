//! A run's configuration: one section for each owner, each a typed struct of the owner's crate.

mod agreement;
mod completed;
mod document;
mod faults;
mod load;
mod read;
mod run;
mod schema;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use vipra_data::DataConfig;
use vipra_data::normalize::NormalizationConfig;
use vipra_laq::train::LaqStageConfig;
use vipra_policy::finetune::FinetuneConfig;
use vipra_policy::pretrain::PretrainConfig;
use vipra_tokenizer::train::TokenizerStageConfig;

use crate::commands::Stage;

pub use agreement::disagreements;
pub use completed::completed;
pub use document::to_toml;
pub use faults::{Fault, Faults};
pub use load::{ConfigArgs, load};
pub use run::{RecordConfig, RunConfig, RunData};

/// Everything that a run can be told.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Which data a run learns from, and how it becomes clips.
    pub data: DataConfig,
    /// Latent actions: the model and how it is trained.
    pub laq: LaqStageConfig,
    /// Frame and text tokens: the model and how it is trained.
    pub tokenizer: TokenizerStageConfig,
    /// Pretraining: the multimodal transformer and how it is trained.
    pub pretrain: PretrainConfig,
    /// Finetuning: from a pretrained model and demonstrations to a policy.
    pub finetune: FinetuneConfig,
    /// What `vipra run` learns from, and how it evaluates what it learned.
    pub run: RunConfig,
}

impl Config {
    /// The sections that a stage reads, the others as they are by default: a run goes on whatever others say.
    pub fn read_by(self, stage: Stage) -> Self {
        let mut read = Self { data: self.data, ..Self::default() };
        if matches!(stage, Stage::Tokenizer | Stage::Cache | Stage::Pretrain | Stage::Finetune) {
            read.tokenizer = self.tokenizer;
        }
        if matches!(stage, Stage::Laq | Stage::Finetune) {
            read.laq = self.laq;
        }
        if matches!(stage, Stage::Cache | Stage::Pretrain | Stage::Finetune) {
            read.pretrain = self.pretrain;
        }
        if stage == Stage::Finetune {
            read.finetune = self.finetune;
            // A policy's package says what it was made for.
            read.run.tabletop = self.run.tabletop;
        } else {
            // Of demonstrations' numbers alone.
            read.data.normalization = NormalizationConfig::default();
        }
        read
    }

    /// What a training's results depend on, of all sections.
    ///
    /// # Errors
    /// If it has no form in JSON.
    pub fn of_learning(&self) -> serde_json::Result<Value> {
        let mut configuration = serde_json::to_value(self)?;
        leave_out_watching(&mut configuration);
        leave_out_use(&mut configuration);
        leave_out_places(&mut configuration);
        configuration.as_object_mut().and_then(|sections| sections.remove("run"));
        Ok(configuration)
    }

    /// What the types cannot say, over all sections.
    fn faults(&self) -> Vec<Fault> {
        let section = |name: &'static str, faults: Vec<(String, String)>| {
            faults.into_iter().map(move |(key, reason)| Fault { key: format!("{name}.{key}"), reason })
        };
        section("data", self.data.faults())
            .chain(section("laq", self.laq.faults()))
            .chain(section("tokenizer", self.tokenizer.faults()))
            .chain(section("pretrain", self.pretrain.faults()))
            .chain(section("finetune", self.finetune.faults()))
            .chain(section("run", self.run.faults()))
            .collect()
    }
}

/// Takes out what changes nothing of what is learned: how fast data is read, and how often a training is looked at and kept.
pub fn leave_out_watching(configuration: &mut Value) {
    let sections = configuration.as_object_mut().into_iter().flatten();
    for (name, section) in sections {
        if let Some(data) = section.as_object_mut().filter(|_| name == "data") {
            data.remove("loader");
        }
        if let Some(train) = section.get_mut("train").and_then(Value::as_object_mut) {
            for key in ["log_every", "validate_every", "checkpoint"] {
                train.remove(key);
            }
        }
    }
}

/// Takes out where datasets lie: they may be moved, and what a training is given besides says what they hold.
fn leave_out_places(configuration: &mut Value) {
    for kind in ["/data/sources", "/data/validation"] {
        let sources = configuration.pointer_mut(kind).and_then(Value::as_array_mut).into_iter().flatten();
        sources.filter_map(Value::as_object_mut).for_each(|source| drop(source.remove("path")));
    }
}

/// Takes out how a finished policy is used and measured.
pub fn leave_out_use(configuration: &mut Value) {
    if let Some(finetune) = configuration.get_mut("finetune").and_then(Value::as_object_mut) {
        finetune.retain(|key, _| !FinetuneConfig::UNLEARNED_KEYS.contains(&key.as_str()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_there() {
        let mut whole = serde_json::to_value(FinetuneConfig::default()).unwrap();
        for key in FinetuneConfig::UNLEARNED_KEYS {
            assert!(whole.as_object_mut().unwrap().remove(key).is_some(), "{key}");
        }
        let mut config = Config::default();
        let before = config.of_learning().unwrap();
        config.finetune.crops = 5;
        assert_eq!(config.of_learning().unwrap(), before);
        config.finetune.horizon += 1;
        assert_ne!(config.of_learning().unwrap(), before);
    }

    #[test]
    fn a_stage_reads_its_own_sections() {
        let mut config = Config::default();
        config.laq.train.steps = 7;
        config.tokenizer.train.steps = 8;
        config.pretrain.train.steps = 9;
        config.data.seed = 10;
        let steps = |stage| {
            let read = config.clone().read_by(stage);
            assert_eq!(read.data.seed, 10);
            [read.laq.train.steps, read.tokenizer.train.steps, read.pretrain.train.steps]
        };
        let Config { laq, tokenizer, pretrain, .. } = Config::default();
        let [of_laq, of_tokenizer, of_pretrain] = [laq.train.steps, tokenizer.train.steps, pretrain.train.steps];
        assert_eq!(steps(Stage::Laq), [7, of_tokenizer, of_pretrain]);
        assert_eq!(steps(Stage::Tokenizer), [of_laq, 8, of_pretrain]);
        assert_eq!(steps(Stage::Pretrain), [of_laq, 8, 9]);
        assert_eq!(steps(Stage::Finetune), [7, 8, 9]);
    }
}
