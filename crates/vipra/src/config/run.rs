//! What `vipra run` is told beside what its stages are: the section `run` of a configuration.

use std::path::PathBuf;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vipra_eval::splits_named;
use vipra_sim::{Embodiment, LARGEST_PICTURE, Scenes, Split, TaskKind};

use crate::stage::Stage;

/// What `vipra run` learns from, and how it evaluates what it learned.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RunConfig {
    /// A caveat that is shown at the end of the run and at the top of its report.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Videos: everything up to pretraining is learned from them. Nothing is learned from their actions, if they have any.
    pub videos: RunData,
    /// Demonstrations with actions: finetuning learns from them.
    pub demonstrations: RunData,
    /// What there is at the embedded tabletop, where data is recorded or the policy is evaluated there.
    pub tabletop: SceneConfig,
    /// How the policy is evaluated.
    pub evaluation: EvaluationConfig,
    /// Measured times of the stages, which --dry-run uses where the run folder has none.
    pub estimate: EstimateConfig,
}

/// Data that is named, or recorded at the embedded tabletop.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RunData {
    /// Datasets, folders of videos or of frame folders. Splits `train` and `val` are learned from and held out; without
    /// `val`, the last twentieth of `train` or, without that too, of all episodes is held out.
    pub paths: Vec<PathBuf>,
    /// Frames a second: of frame folders, which carry no rate, and of videos in place of their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.001, max = 1000.0))]
    pub fps: Option<f64>,
    /// The camera, where a dataset has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub camera: Option<String>,
    /// Datasets to record where `paths` is empty, by name.
    pub record: IndexMap<String, RecordConfig>,
}

/// Scenes of the embedded tabletop.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SceneConfig {
    /// The tasks that are set, by chance; all of them where none is named.
    #[schemars(with = "Vec<TaskName>")]
    pub tasks: Vec<TaskKind>,
    /// What can lie on the table, such as `red block`; everything where nothing is named.
    pub objects: Vec<String>,
}

/// A recording of a scripted expert at the embedded tabletop.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RecordConfig {
    /// Who works.
    #[schemars(with = "EmbodimentName")]
    pub embodiment: Embodiment,
    /// Episodes to record.
    #[schemars(range(min = 1))]
    pub episodes: u32,
    /// Another seed is other episodes.
    #[schemars(range(max = 0x7fff_ffff))]
    pub seed: u64,
    /// Probability that the object is nudged aside when the expert comes down to it, and when it closes its fingers: what to
    /// do then is what a policy less exact than the expert has to know. Nothing is nudged where the task is to push.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub nudges: f32,
    /// Height and width of pictures, in pixels; an even number.
    #[schemars(range(min = 64))]
    pub size: u16,
}

impl Default for RecordConfig {
    fn default() -> Self {
        Self { embodiment: Embodiment::default(), episodes: 100, seed: 0, nudges: 0.0, size: 64 }
    }
}

/// The names of [`Embodiment`].
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", inline)]
#[allow(dead_code, reason = "only its schema is used")]
enum EmbodimentName {
    Hand,
    Gripper,
}

/// The names of [`TaskKind`].
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", inline)]
#[allow(dead_code, reason = "only its schema is used")]
enum TaskName {
    Put,
    Stack,
    Push,
}

/// How a policy is evaluated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EvaluationConfig {
    /// Where episodes at the tabletop begin: seen, unseen-pairs, unseen-positions, or unseen for both of these.
    pub splits: Vec<String>,
    /// Episodes of each split and seed.
    #[schemars(range(min = 1))]
    pub episodes: u32,
    /// Seeds of episodes, 0, 1, …
    #[schemars(range(min = 1, max = 1000))]
    pub seeds: u16,
    /// Episodes at a time; their chunks are inferred together.
    #[schemars(range(min = 1, max = 256))]
    pub parallel: u16,
    /// Videos of the first so many successes, and failures, of each split.
    pub videos: usize,
    /// Held-out demonstrations whose actions are compared with the policy's, at most.
    pub open_loop_episodes: usize,
}

impl Default for EvaluationConfig {
    fn default() -> Self {
        Self { splits: vec!["seen".into()], episodes: 100, seeds: 1, parallel: 16, videos: 3, open_loop_episodes: 4 }
    }
}

/// Measured times, for `vipra run --dry-run` to quote where a run folder has none of its own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EstimateConfig {
    /// Where they were measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machine: Option<String>,
    /// Seconds by the name of the stage.
    pub seconds: IndexMap<String, f64>,
}

impl RunConfig {
    /// What the types cannot say; every fault as (key, what is wrong).
    pub fn faults(&self) -> Vec<(String, String)> {
        let mut faults = Vec::new();
        for (name, data) in [("videos", &self.videos), ("demonstrations", &self.demonstrations)] {
            let named = data.faults().into_iter().map(|(key, reason)| (format!("{name}.{key}"), reason));
            faults.extend(named);
        }
        for (name, record) in &self.demonstrations.record {
            if !record.embodiment.has_actions() {
                let who = record.embodiment.name();
                let key = format!("demonstrations.record.{name}.embodiment");
                faults.push((key, format!("recordings of the {who} have no actions to learn from")));
            }
        }
        match self.tabletop.scenes().and_then(|scenes| scenes.fault().map_or(Ok(scenes), Err)) {
            Ok(scenes) => faults.extend(self.evaluation.split_faults(&scenes)),
            Err(reason) => faults.push(("tabletop".into(), reason)),
        }
        for split in self.evaluation.splits.iter().filter(|split| splits_named(split).is_none()) {
            let known = Split::ALL.map(Split::name).join(", ");
            faults.push(("evaluation.splits".into(), format!("`{split}` is not known; valid are {known}, unseen")));
        }
        if self.evaluation.splits.is_empty() {
            faults.push(("evaluation.splits".into(), "names no split to evaluate on".into()));
        }
        let stages = Stage::ALL.map(Stage::name);
        for (stage, secs) in &self.estimate.seconds {
            if !stages.contains(&stage.as_str()) {
                let reason = format!("is no stage; valid are {}", stages.join(", "));
                faults.push((format!("estimate.seconds.{stage}"), reason));
            }
            if !(secs.is_finite() && *secs >= 0.0) {
                faults.push((format!("estimate.seconds.{stage}"), format!("{secs} is not a time")));
            }
        }
        faults
    }
}

impl EvaluationConfig {
    /// Splits that scenes of this kind cannot be drawn of: their turn comes hours later.
    fn split_faults(&self, scenes: &Scenes) -> Vec<(String, String)> {
        let named: Vec<Split> = self.splits.iter().filter_map(|name| splits_named(name)).flatten().collect();
        let splits = Split::ALL.into_iter().filter(|split| named.contains(split));
        let faults = splits.filter_map(|split| Some((split, scenes.of(split).fault()?)));
        let told = |(split, reason): (Split, String)| format!("`{}` cannot be shown: {reason}", split.name());
        faults.map(|fault| ("evaluation.splits".to_owned(), told(fault))).collect()
    }
}

impl SceneConfig {
    /// Scenes as in training.
    ///
    /// # Errors
    /// Names of objects that there are not.
    pub fn scenes(&self) -> Result<Scenes, String> {
        let objects = self.objects.iter().map(|name| name.parse()).collect::<Result<_, String>>()?;
        Ok(Scenes { split: Split::Seen, tasks: self.tasks.clone(), objects })
    }
}

impl RunData {
    fn faults(&self) -> Vec<(String, String)> {
        let mut faults = Vec::new();
        if !self.paths.is_empty() && !self.record.is_empty() {
            faults.push((
                "paths".into(),
                "`paths` and `record` exclude each other: keep one (a base's is dropped by unset)".into(),
            ));
        }
        for (name, record) in &self.record {
            // It becomes a folder's name.
            let is_plain = |character: char| character.is_ascii_alphanumeric() || "-_".contains(character);
            if name.is_empty() || !name.chars().all(is_plain) {
                faults.push((format!("record.{name}"), "a name has letters, digits, - and _ only".into()));
            }
            if !record.size.is_multiple_of(2) || usize::from(record.size) > LARGEST_PICTURE {
                let reason = format!("{} is not an even number from 64 to {LARGEST_PICTURE}", record.size);
                faults.push((format!("record.{name}.size"), reason));
            }
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Faults of an evaluation of `put` with some objects.
    fn faults(objects: &[&str], splits: &[&str]) -> Vec<(String, String)> {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let tabletop = SceneConfig { tasks: vec![TaskKind::Put], objects: owned(objects) };
        let evaluation = EvaluationConfig { splits: owned(splits), ..EvaluationConfig::default() };
        RunConfig { tabletop, evaluation, ..RunConfig::default() }.faults()
    }

    #[test]
    fn a_split_that_cannot_be_shown_is_a_fault() {
        let few = ["red block", "yellow plate"];
        assert!(faults(&few, &["seen", "unseen-positions"]).is_empty());
        assert!(faults(&[], &["seen", "unseen"]).is_empty());
        assert_eq!(faults(&["red block", "green block", "yellow plate"], &["seen"])[0].0, "tabletop");
        let found = faults(&few, &["seen", "unseen", "unseen-pairs"]);
        let [(key, reason)] = &found[..] else { panic!("{found:?}") };
        assert_eq!(key, "evaluation.splits");
        assert!(reason.contains("`unseen-pairs` cannot be shown"), "{reason}");
    }
}
