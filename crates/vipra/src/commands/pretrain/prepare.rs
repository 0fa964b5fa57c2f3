//! Labels and tokens of datasets: found where they were made, or made now.

use std::path::{Path, PathBuf};

use anyhow::Result;
use vipra_data::labels::{LabelStore, Shard};
use vipra_data::source::fingerprint;
use vipra_data::{DataConfig, Source, SourceConfig};
use vipra_laq::TrainedLaq;
use vipra_laq::label::{LabelConfig, label_dataset};
use vipra_policy::pretrain::Prepared;
use vipra_tokenizer::{EncodeConfig, TokenCache, TrainedTokenizer, encode_dataset};

use crate::commands::datasets::open_dataset;
use crate::progress::Progress;

/// How much of a fingerprint names a folder.
const NAMED: usize = 12;

/// What to make of datasets, and where.
pub struct Preparation<'a> {
    pub data: &'a DataConfig,
    pub tokenizer: &'a TrainedTokenizer,
    /// None if latent actions are not asked for.
    pub laq: Option<&'a TrainedLaq>,
    /// Transitions of a label.
    pub horizon: usize,
    /// Labels that exist already.
    pub labels: &'a [PathBuf],
    /// Tokens that exist already.
    pub tokens: &'a [PathBuf],
    /// Where to make what is missing.
    pub cache: PathBuf,
}

impl Preparation<'_> {
    /// Finds or makes what is needed of each dataset. Whole datasets are made, so that their splits share the work.
    pub fn prepare(&self, sources: &[SourceConfig]) -> Result<Vec<Prepared>> {
        let prepared = sources.iter().map(|config| {
            let source = open_dataset(self.data, config)?;
            let dataset = fingerprint(source.as_ref())?;
            Ok(Prepared {
                source: config.clone(),
                tokens: self.tokens(config, source.as_ref(), &dataset)?,
                labels: self.laq.map(|laq| self.labels(laq, config, source.as_ref(), &dataset)).transpose()?,
            })
        });
        prepared.collect()
    }

    fn tokens(&self, config: &SourceConfig, source: &dyn Source, dataset: &str) -> Result<PathBuf> {
        let camera = source.description().camera(config.camera.as_deref())?;
        for folder in self.tokens {
            let cache = TokenCache::open(folder)?;
            if cache.info().dataset == dataset && cache.info().camera == camera {
                anyhow::ensure!(
                    cache.info().tokenizer == self.tokenizer.fingerprint,
                    "these tokens were made by another tokenizer than {}: {}",
                    self.tokenizer.path.display(),
                    folder.display()
                );
                anyhow::ensure!(
                    cache.info().image == self.tokenizer.description.image,
                    "these tokens were made of frames transformed in another way than the tokenizer's: {}",
                    folder.display()
                );
                return Ok(folder.clone());
            }
        }
        let folder = self.cache.join(self.name("tokens", dataset, &self.tokenizer.fingerprint, config));
        say(&folder, config, "encoding frames of");
        let encoding = Progress::new("encoding", "frames");
        let encode = EncodeConfig { camera: config.camera.clone(), split: None };
        encode_dataset(self.tokenizer, source, &folder, &encode, &|done, all| encoding.set(done, all))?;
        Ok(folder)
    }

    fn labels(&self, laq: &TrainedLaq, config: &SourceConfig, source: &dyn Source, dataset: &str) -> Result<PathBuf> {
        let camera = source.description().camera(config.camera.as_deref())?;
        for folder in self.labels {
            let store = LabelStore::open(folder)?;
            if store.info().dataset == dataset && store.info().camera == camera {
                anyhow::ensure!(
                    store.info().model == laq.fingerprint,
                    "these labels were made by another model than {}: {}",
                    laq.path.display(),
                    folder.display()
                );
                return Ok(folder.clone());
            }
        }
        let name = self.name("labels", dataset, &laq.fingerprint, config);
        let folder = self.cache.join(format!("{name}-{}", self.horizon));
        say(&folder, config, "labelling");
        let labelling = Progress::new("labelling", "frames");
        let label =
            LabelConfig { horizon: self.horizon, camera: config.camera.clone(), split: None, shard: Shard::WHOLE };
        label_dataset(laq, source, &folder, &label, &|done, all| labelling.set(done, all))?;
        Ok(folder)
    }

    fn name(&self, what: &str, dataset: &str, model: &str, config: &SourceConfig) -> String {
        let part = |text: &str| text.chars().take(NAMED).collect::<String>();
        let camera = config.camera.as_ref().map(|camera| format!("-{camera}")).unwrap_or_default();
        format!("{what}-{}-{}{camera}", part(dataset), part(model))
    }
}

fn say(folder: &Path, config: &SourceConfig, doing: &str) {
    if !folder.exists() {
        tracing::info!("{doing} {} into {}", config.path.display(), folder.display());
    }
}
