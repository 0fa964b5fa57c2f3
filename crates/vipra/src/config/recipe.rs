//! What the results of stages depend on: configurations without the keys that may change while the results stay.

use serde_json::Value;
use vipra_data::DataConfig;
use vipra_data::normalize::NormalizationConfig;
use vipra_policy::finetune::FinetuneConfig;
use vipra_tokenizer::TextConfig;

use super::Config;
use super::files::FILE_KEYS;
use crate::stage::Stage;

/// How fast data is read, what only warns or measures, and how much may go wrong: nothing that is learned depends on it.
const MONITORING_KEYS: [&str; 7] = [
    "data.loader",
    "data.skip_limit",
    "laq.codebook.alarm_perplexity",
    "laq.validation_clips",
    "tokenizer.codebook.alarm_share",
    "tokenizer.validation_frames",
    "pretrain.validation_samples",
];
/// The same of every training loop.
const LOOP_KEYS: [&str; 4] = ["log_every", "validate_every", "checkpoint", "skip_limit"];
/// Sections with a training loop.
const TRAINED: [&str; 4] = ["laq", "tokenizer", "pretrain", "finetune"];
/// What the frame tokenizer does not read: it sees single frames at its own size, and text tokens are pretraining's.
const UNREAD_BY_TOKENIZER: [&str; 3] = ["data.clip", "data.image", "tokenizer.text"];
/// What of an evaluation may grow and shrink around the episodes that have run.
const EXTENDABLE_KEYS: [&str; 5] = [
    "run.evaluation.splits",
    "run.evaluation.episodes",
    "run.evaluation.seeds",
    "run.evaluation.videos",
    "run.evaluation.open_loop_episodes",
];

impl Config {
    /// Keeps what a stage reads; other sections and keys become what they are by default, so that a run goes on whatever they
    /// say.
    pub fn restricted_to(self, stage: Stage) -> Self {
        let mut read = Self { data: self.data, ..Self::default() };
        if matches!(stage, Stage::Tokenizer | Stage::Cache | Stage::Pretrain | Stage::Finetune) {
            read.tokenizer = self.tokenizer;
        }
        if stage == Stage::Tokenizer {
            let DataConfig { clip, image, .. } = DataConfig::default();
            (read.data.clip, read.data.image) = (clip, image);
            read.tokenizer.text = TextConfig::default();
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

    /// Returns what the results of trainings depend on, of all sections. That a file of weights is named counts, not which.
    ///
    /// # Errors
    /// If it has no form in JSON.
    pub fn training_recipe(&self) -> serde_json::Result<Value> {
        let mut configuration = serde_json::to_value(self)?;
        strip_monitoring(&mut configuration);
        strip_inference(Stage::Finetune, &mut configuration);
        strip_paths(&mut configuration);
        remove(&mut configuration, "run");
        Ok(configuration)
    }

    /// Returns what the results of a stage's training depend on.
    ///
    /// # Errors
    /// If it has no form in JSON.
    pub fn stage_recipe(&self, stage: Stage) -> serde_json::Result<Value> {
        let mut configuration = self.clone().restricted_to(stage).training_recipe()?;
        strip_unread(stage, &mut configuration);
        Ok(configuration)
    }
}

/// Takes out of a configuration what changes nothing of a stage's results, as how the numbers of demonstrations are scaled,
/// which finetuning alone looks at.
pub fn strip_unread(stage: Stage, configuration: &mut Value) {
    strip_monitoring(configuration);
    if stage != Stage::Finetune {
        remove(configuration, "data.normalization");
    }
    if stage == Stage::Tokenizer {
        UNREAD_BY_TOKENIZER.iter().for_each(|key| remove(configuration, key));
    }
}

/// Takes out how the results of a stage are used and measured, which costs little: when it changes, the stage goes on from
/// where it ended.
pub fn strip_inference(stage: Stage, configuration: &mut Value) {
    match stage {
        Stage::Finetune => {
            for key in FinetuneConfig::INFERENCE_KEYS {
                remove(configuration, &format!("finetune.{key}"));
            }
            // What the package says that it was made for.
            remove(configuration, "run.tabletop");
        }
        Stage::Evaluate => EXTENDABLE_KEYS.iter().for_each(|key| remove(configuration, key)),
        _ => {}
    }
}

fn strip_monitoring(configuration: &mut Value) {
    MONITORING_KEYS.iter().for_each(|key| remove(configuration, key));
    for section in TRAINED {
        LOOP_KEYS.iter().for_each(|key| remove(configuration, &format!("{section}.train.{key}")));
    }
}

/// Takes out where datasets and files of weights lie: they may be moved, and what a training is given besides says what they
/// hold.
fn strip_paths(configuration: &mut Value) {
    for kind in ["data.sources", "data.validation"] {
        let sources = at(configuration, kind).and_then(Value::as_array_mut).into_iter().flatten();
        sources.for_each(|source| remove(source, "path"));
    }
    for key in FILE_KEYS {
        if let Some(file) = at(configuration, key) {
            *file = Value::Bool(true);
        }
    }
}

/// Takes a key such as `laq.train.steps` out, if it is there.
pub fn remove(configuration: &mut Value, key: &str) {
    let (section, last) = match key.rsplit_once('.') {
        Some((sections, last)) => (at(configuration, sections), last),
        None => (Some(configuration), key),
    };
    if let Some(section) = section.and_then(Value::as_object_mut) {
        section.remove(last);
    }
}

/// Returns the value of a key such as `laq.train.steps`, if it is there.
pub fn at<'a>(configuration: &'a mut Value, key: &str) -> Option<&'a mut Value> {
    key.split('.').try_fold(configuration, |section, name| section.get_mut(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json_of(config: &Config) -> Value {
        serde_json::to_value(config).unwrap()
    }

    #[test]
    fn keys_that_are_taken_out_are_keys_of_the_configuration() {
        let mut whole = json_of(&Config::default());
        let of_loops = TRAINED.iter().flat_map(|section| LOOP_KEYS.map(|key| format!("{section}.train.{key}")));
        let of_policies = FinetuneConfig::INFERENCE_KEYS.map(|key| format!("finetune.{key}"));
        let others = [&MONITORING_KEYS[..], &UNREAD_BY_TOKENIZER, &EXTENDABLE_KEYS, &["data.normalization"]].concat();
        let keys = of_loops.chain(of_policies).chain(others.into_iter().map(str::to_owned));
        for key in keys.chain(["run.tabletop".to_owned()]) {
            assert!(at(&mut whole, &key).is_some(), "{key}");
            remove(&mut whole, &key);
            assert!(at(&mut whole, &key).is_none(), "{key}");
        }
    }

    #[test]
    fn limits_warnings_and_measurements_are_no_part_of_what_is_learned() {
        let recipe = |edit: fn(&mut Config)| {
            let mut config = Config::default();
            edit(&mut config);
            config.training_recipe().unwrap()
        };
        let before = recipe(|_| {});
        let monitored = recipe(|config| {
            config.data.skip_limit += 1;
            config.laq.train.skip_limit += 1;
            config.finetune.train.skip_limit += 1;
            config.laq.codebook.alarm_perplexity += 1.0;
            config.tokenizer.codebook.alarm_share /= 2.0;
            config.laq.validation_clips += 1;
            config.tokenizer.validation_frames += 1;
            config.pretrain.validation_samples += 1;
            config.finetune.crops = 5;
        });
        assert_eq!(monitored, before);
        assert_ne!(recipe(|config| config.finetune.horizon += 1), before);
        assert_ne!(recipe(|config| config.data.seed += 1), before);
    }

    #[test]
    fn a_stage_depends_on_its_own_sections() {
        let mut config = Config::default();
        config.laq.train.steps = 7;
        config.tokenizer.train.steps = 8;
        config.pretrain.train.steps = 9;
        config.data.seed = 10;
        let steps = |stage| {
            let read = config.clone().restricted_to(stage);
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

    #[test]
    fn the_tokenizer_depends_on_no_clips_and_no_text() {
        let before = Config::default();
        let mut now = before.clone();
        now.data.clip.interval_secs *= 2.0;
        now.data.image.width += 1;
        now.tokenizer.text.vocab_size += 1;
        let recipes = |stage| [&before, &now].map(|config| config.stage_recipe(stage).unwrap());
        let [before, now] = recipes(Stage::Tokenizer);
        assert_eq!(before, now);
        for stage in [Stage::Laq, Stage::Pretrain] {
            let [before, now] = recipes(stage);
            assert_ne!(before, now, "{stage:?}");
        }
    }

    #[test]
    fn weights_count_by_being_named() {
        let recipe = |path: Option<&str>| {
            let mut config = Config::default();
            config.laq.spatial_encoder_weights = path.map(Into::into);
            config.stage_recipe(Stage::Laq).unwrap()
        };
        assert_eq!(recipe(Some("here.pth")), recipe(Some("there.pth")));
        assert_ne!(recipe(Some("here.pth")), recipe(None));
    }
}
