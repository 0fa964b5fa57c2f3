//! A run's configuration: one section for each owner, each a typed struct of the owner's crate.

mod agreement;
mod document;
mod faults;
mod files;
mod load;
mod read;
mod recipe;
mod run;
mod schema;
mod with_defaults;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vipra_data::DataConfig;
use vipra_laq::train::LaqStageConfig;
use vipra_policy::finetune::FinetuneConfig;
use vipra_policy::pretrain::PretrainConfig;
use vipra_tokenizer::train::TokenizerStageConfig;

pub use agreement::disagreements;
pub use document::to_toml;
pub use faults::{Fault, Faults};
pub use files::{hash_files, strip_files};
pub use load::{ConfigArgs, load};
pub use recipe::{strip_inference, strip_unread};
pub use run::{RecordConfig, RunConfig, RunData};
pub use with_defaults::with_defaults;

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
