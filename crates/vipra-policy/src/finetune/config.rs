//! What a run is told about finetuning: the section `finetune` of a configuration.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vipra_control::{ActionKind, Execution, Gripper, RotationForm};
use vipra_data::picture::AugmentConfig;
use vipra_train::{CheckpointConfig, OptimizerConfig, Schedule, TrainConfig};

use super::masking::MaskingConfig;
use crate::flow_matching::{FlowMatchingConfig, SolverConfig};
use crate::generate::Sampling;
use crate::layout::{Fields, TokenKind};
use crate::model::{ActionDecoder, NewParameters};
use crate::policy::crops_fault;

/// Finetuning on demonstrations: from a pretrained model, or from scratch, to a policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FinetuneConfig {
    /// How actions are predicted.
    pub decoder: ActionDecoder,
    /// What a sample holds, in order: `[proprio]` before `action` lets the policy see its states, `latent_state` behind
    /// `[vision]` lets it learn to predict the frame ahead as well, before it acts.
    #[serde(default = "actions")]
    pub fields: Fields,
    /// Actions of a chunk, H.
    #[schemars(range(min = 1))]
    pub horizon: usize,
    /// Time between the two frames that the policy sees, in seconds (two steps in the reference's finetuning).
    #[schemars(range(min = 0.0))]
    pub frame_interval_secs: f64,
    /// Most tokens of an instruction with the words around it; longer ones are cut, counted and named in a warning.
    #[schemars(range(min = 2))]
    pub instruction_tokens: usize,
    /// What the numbers of an action mean.
    pub action: ActionConfig,
    /// The states that the policy sees, if `[proprio]` is among the fields.
    pub proprio: ProprioConfig,
    /// Whether actions that are padded past an episode's end count in the loss (published: yes).
    pub learn_padding: bool,
    /// Random crops and colours of the frames; at inference the centred crop.
    pub augmentation: AugmentConfig,
    /// Crops of a frame to average over when acting: the centred one and others around it. Time grows in proportion.
    #[schemars(range(min = 1, max = 64))]
    pub crops: usize,
    /// Random augmentations of each episode; each costs one encoding of its frames and is kept in memory.
    #[schemars(range(min = 1))]
    pub augmentations: u64,
    /// Inputs that are dropped at random in training, against knowing few demonstrations by heart.
    pub hidden: MaskingConfig,
    /// How the flow is learned.
    pub flow: FlowMatchingConfig,
    /// How chunks are made at inference.
    pub solver: SolverConfig,
    /// Most bins of a dimension of an action, for the autoregressive decoder.
    #[schemars(range(min = 1))]
    pub bins: usize,
    /// How bins of actions, and tokens of the frame ahead, are chosen at inference.
    pub sampling: Sampling,
    /// How chunks are executed.
    pub execution: Execution,
    /// Initialisation of parameters that the pretrained model lacks.
    pub new_parameters: NewParameters,
    /// Factor of the learning rate for pretrained parameters.
    #[schemars(range(min = 0.0))]
    pub pretrained_rate: f64,
    /// Held-out chunks that a validation looks at, spread over the held-out episodes.
    #[schemars(range(min = 1))]
    pub validation_samples: usize,
    /// Number of leading actions over which the error `first_actions` is taken.
    #[schemars(range(min = 1))]
    pub measured_actions: usize,
    /// The training loop.
    pub train: TrainConfig,
}

/// What the numbers of an action mean. Datasets seldom say: it must be said here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ActionConfig {
    /// Feature of the dataset.
    pub feature: String,
    /// What an action does: `delta-end-effector` or `absolute`. Required, since it decides how actions are padded past an
    /// episode's end.
    pub kind: Option<ActionKind>,
    /// How three of its numbers turn the end effector.
    pub rotation: RotationForm,
    /// The gripper, if there is one. Its dimension is not normalised.
    pub gripper: Option<Gripper>,
    /// A unit for each dimension; without, those that names end in, such as `dx_m` and `yaw_rad`. Temporal ensembling averages `rad`
    /// and `deg` as angles, unless `rotation` is a rotation vector.
    pub units: Vec<String>,
}

impl Default for ActionConfig {
    fn default() -> Self {
        Self {
            feature: "action".to_owned(),
            kind: None,
            rotation: RotationForm::None,
            gripper: None,
            units: Vec::new(),
        }
    }
}

/// The states that a policy sees.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ProprioConfig {
    /// Feature of the dataset.
    pub feature: String,
    /// States, one a step, up to the current one.
    #[schemars(range(min = 1))]
    pub states: usize,
}

impl Default for ProprioConfig {
    /// The reference's.
    fn default() -> Self {
        Self { feature: "observation.state".to_owned(), states: 7 }
    }
}

fn actions() -> Fields {
    Fields::finetuning()
}

impl Default for FinetuneConfig {
    /// The release's for LIBERO (reference 6.6), but for the batch, which eight GPUs share.
    fn default() -> Self {
        Self {
            decoder: ActionDecoder::FlowMatching,
            fields: actions(),
            horizon: 14,
            frame_interval_secs: 0.4,
            instruction_tokens: 128,
            action: ActionConfig::default(),
            proprio: ProprioConfig::default(),
            learn_padding: true,
            augmentation: AugmentConfig::reference(),
            crops: 1,
            augmentations: 16,
            hidden: MaskingConfig::default(),
            flow: FlowMatchingConfig::default(),
            solver: SolverConfig::default(),
            bins: 256,
            sampling: Sampling::default(),
            execution: Execution::default(),
            new_parameters: NewParameters::default(),
            pretrained_rate: 1.0,
            validation_samples: 128,
            measured_actions: 7,
            train: TrainConfig {
                steps: 30_001,
                batch_size: 16,
                accumulation: 4,
                optimizer: OptimizerConfig {
                    learning_rate: 4e-4,
                    beta_2: 0.95,
                    clip_norm: 1.0,
                    schedule: Schedule::Constant,
                    ..OptimizerConfig::default()
                },
                checkpoint: CheckpointConfig::default(),
                ..TrainConfig::default()
            },
        }
    }
}

impl FinetuneConfig {
    /// Keys by which a finished policy is used and measured: nothing of what is learned depends on them.
    pub const INFERENCE_KEYS: [&str; 6] =
        ["crops", "solver", "sampling", "execution", "validation_samples", "measured_actions"];

    /// Whether the policy sees states.
    pub fn sees_proprio(&self) -> bool {
        self.fields.has(TokenKind::Proprio)
    }

    /// What the types cannot say; every fault as (key, what is wrong).
    pub fn faults(&self) -> Vec<(String, String)> {
        let mut faults = Vec::new();
        let mut fault = |key: &str, reason: String| faults.push((key.to_owned(), reason));
        let counts = [
            ("horizon", self.horizon),
            ("bins", self.bins),
            ("validation_samples", self.validation_samples),
            ("measured_actions", self.measured_actions),
            ("solver.steps", self.solver.steps),
            ("flow.noises", self.flow.noises),
            ("proprio.states", self.proprio.states),
        ];
        for (key, value) in counts {
            if value == 0 {
                fault(key, "0 is less than 1".to_owned());
            }
        }
        if self.measured_actions > self.horizon {
            fault(
                "measured_actions",
                format!("{} are more than the {} of a chunk", self.measured_actions, self.horizon),
            );
        }
        if let Execution::First { actions } = self.execution
            && (actions == 0 || actions > self.horizon)
        {
            fault("execution", format!("cannot execute {actions} actions: a chunk has {}", self.horizon));
        }
        if let Some(reason) = crops_fault(self.crops, self.augmentation.crop_area) {
            fault("crops", reason);
        }
        if self.augmentations == 0 {
            fault("augmentations", "0 is less than 1".to_owned());
        }
        if !(self.frame_interval_secs.is_finite() && self.frame_interval_secs >= 0.0) {
            fault("frame_interval_secs", format!("{} is not a time", self.frame_interval_secs));
        }
        if !(0.0..0.5).contains(&self.flow.sigma_min) {
            fault("flow.sigma_min", format!("{} is not from 0 to 0.5", self.flow.sigma_min));
        }
        self.hidden.faults().into_iter().for_each(|(key, reason)| fault(&format!("hidden.{key}"), reason));
        self.field_faults(&mut fault);
        let of_loop = self.train.faults().into_iter();
        of_loop.for_each(|(key, reason)| fault(&format!("train.{key}"), reason));
        faults
    }

    fn field_faults(&self, fault: &mut impl FnMut(&str, String)) {
        if let Some(reason) = self.fields.misspelt() {
            fault("fields", reason);
        }
        let last = self.fields.iter().last();
        if !last.is_some_and(|field| field.kind == TokenKind::Action && field.is_predicted) {
            fault("fields", "`action` without brackets must come last: it is what a policy puts out".to_owned());
        }
        if self.fields.has(TokenKind::LatentAction) {
            fault("fields", "demonstrations have actions and no labels: `latent_action` is for pretraining".to_owned());
        }
        for field in self.fields.iter() {
            let is_given = field.kind == TokenKind::LatentState && !field.is_predicted;
            let is_guessed = matches!(field.kind, TokenKind::Proprio | TokenKind::Vision) && field.is_predicted;
            if is_given {
                fault(
                    "fields",
                    "a latent state in brackets is read but not predicted: a robot does not have it".to_owned(),
                );
            }
            if is_guessed {
                fault("fields", format!("`{}` must stand in brackets: it is seen, not predicted", field.kind));
            }
        }
    }
}
