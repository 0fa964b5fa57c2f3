//! A dataset with its token cache and its labels.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use vipra_data::labels::{EpisodeLabels, LabelStore, LabelsInfo};
use vipra_data::source::{Episode, Source, fingerprint};
use vipra_data::{DataConfig, SourceConfig};
use vipra_tokenizer::TokenCache;

use super::config::PretrainConfig;
use crate::layout::SampleLayout;
use crate::{Error, Result};

/// A dataset with what was made of it.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The dataset.
    pub source: SourceConfig,
    /// Its frames as tokens.
    pub tokens: PathBuf,
    /// Its transitions as latent actions, where they are predicted.
    pub labels: Option<PathBuf>,
}

/// One dataset, open.
pub(super) struct TokenSource {
    pub(super) source: Box<dyn Source>,
    pub(super) tokens: TokenCache,
    pub(super) labels: Option<(LabelsInfo, BTreeMap<usize, EpisodeLabels>)>,
}

impl TokenSource {
    /// Opens a dataset and what was made of it, and checks that they belong together.
    pub(super) fn open(
        prepared: &Prepared,
        data: &DataConfig,
        config: &PretrainConfig,
        layout: &SampleLayout,
    ) -> Result<Self> {
        let wanted = &prepared.source;
        let source = data.open(wanted, &|_, _| {})?;
        let dataset = fingerprint(source.as_ref())?;
        let tokens = TokenCache::open(&prepared.tokens)?;
        if tokens.info().dataset != dataset {
            let reason = format!("are of another dataset than {}", wanted.path.display());
            return Err(Error::Mismatch { what: "these tokens", reason, path: prepared.tokens.clone() });
        }
        let codes = layout.ids.end_of_frame as usize;
        if tokens.info().codes != codes {
            let reason = format!("are of a codebook of {} codes, but the model has {codes}", tokens.info().codes);
            return Err(Error::Mismatch { what: "these tokens", reason, path: prepared.tokens.clone() });
        }
        let labels = match &prepared.labels {
            None => None,
            Some(folder) => {
                let store = LabelStore::open(folder)?;
                let codes = layout.ids.end_of_latent_action as usize;
                check_labels(store.info(), &dataset, data.clip.interval_secs, config.horizon, codes)
                    .map_err(|reason| Error::Mismatch { what: "these labels", reason, path: folder.clone() })?;
                Some((store.info().clone(), store.read()?))
            }
        };
        Ok(Self { source, tokens, labels })
    }

    /// Refuses tokens or labels that lack one of the episodes.
    pub(super) fn check_coverage(&self, episodes: &[(usize, &Episode)], prepared: &Prepared) -> Result<()> {
        let missing = |what, episode: &Episode, path: &PathBuf| {
            let reason = format!("have nothing on episode {}", episode.name);
            Err(Error::Mismatch { what, reason, path: path.clone() })
        };
        let encoded: BTreeSet<usize> = self.tokens.info().episodes.iter().map(|episode| episode.number).collect();
        for (_, episode) in episodes {
            if !encoded.contains(&episode.number) {
                return missing("these tokens", episode, &prepared.tokens);
            }
            if let (Some((_, labels)), Some(folder)) = (&self.labels, &prepared.labels)
                && !labels.contains_key(&episode.number)
            {
                return missing("these labels", episode, folder);
            }
        }
        Ok(())
    }
}

/// Says in which field labels are not the wanted ones.
fn check_labels(
    info: &LabelsInfo,
    dataset: &str,
    interval_secs: f64,
    horizon: usize,
    codes: usize,
) -> Result<(), String> {
    if info.dataset != dataset {
        return Err("are of another dataset".to_owned());
    }
    if info.horizon != horizon {
        return Err(format!("look {} transitions ahead, but `pretrain.horizon` is {horizon}", info.horizon));
    }
    if info.codes != codes {
        return Err(format!("are of a codebook of {} codes, but the model has {codes}", info.codes));
    }
    if (info.interval_secs - interval_secs).abs() > 1e-9 {
        let found = info.interval_secs;
        return Err(format!("are of transitions of {found} s, but `data.clip.interval_secs` is {interval_secs}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use vipra_data::labels::LabelsInfo;

    use super::check_labels;

    #[test]
    fn labels_of_another_kind_are_refused_by_field() {
        let info = LabelsInfo {
            model: "m".into(),
            dataset: "d".into(),
            camera: "c".into(),
            episodes: vec![0],
            horizon: 14,
            interval_secs: 0.2,
            code_length: 16,
            codes: 8,
        };
        assert_eq!(check_labels(&info, "d", 0.2, 14, 8), Ok(()));
        let reason = |dataset: &str, interval, horizon, codes| {
            check_labels(&info, dataset, interval, horizon, codes).unwrap_err()
        };
        assert!(reason("e", 0.2, 14, 8).contains("another dataset"));
        assert!(reason("d", 0.1, 14, 8).contains("transitions of 0.2 s"));
        assert!(reason("d", 0.2, 7, 8).contains("14 transitions ahead, but `pretrain.horizon` is 7"));
        assert!(reason("d", 0.2, 14, 16).contains("codebook of 8 codes, but the model has 16"));
    }
}
