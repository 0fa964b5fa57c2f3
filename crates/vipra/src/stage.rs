//! The graph: which stages there are, and what each is made from.

use std::collections::BTreeSet;

/// A stage of the pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Videos, recorded or named.
    Videos,
    /// Demonstrations, recorded or named.
    Demonstrations,
    /// Frame tokens.
    Tokenizer,
    /// Latent actions.
    Laq,
    /// Labels and frame tokens of all videos.
    Cache,
    /// The multimodal transformer.
    Pretrain,
    /// The policy.
    Finetune,
    /// How often it succeeds, and how near it is to held-out demonstrations.
    Evaluate,
}

impl Stage {
    /// All of them, each behind its inputs.
    pub const ALL: [Self; 8] = [
        Self::Videos,
        Self::Demonstrations,
        Self::Tokenizer,
        Self::Laq,
        Self::Cache,
        Self::Pretrain,
        Self::Finetune,
        Self::Evaluate,
    ];

    /// Its name on the command line, and that of its record.
    pub fn name(self) -> &'static str {
        match self {
            Self::Videos => "videos",
            Self::Demonstrations => "demonstrations",
            Self::Tokenizer => "tokenizer",
            Self::Laq => "laq",
            Self::Cache => "cache",
            Self::Pretrain => "pretrain",
            Self::Finetune => "finetune",
            Self::Evaluate => "evaluate",
        }
    }

    /// What it does, in words.
    pub fn purpose(self) -> &'static str {
        match self {
            Self::Videos => "videos to learn from",
            Self::Demonstrations => "demonstrations to finetune on",
            Self::Tokenizer => "learning frame tokens from the videos",
            Self::Laq => "learning latent actions from the videos",
            Self::Cache => "labelling and encoding all videos",
            Self::Pretrain => "pretraining on the videos",
            Self::Finetune => "finetuning on the demonstrations",
            Self::Evaluate => "evaluating the policy",
        }
    }

    /// The stages that it is made from.
    pub fn inputs(self) -> &'static [Self] {
        match self {
            Self::Videos | Self::Demonstrations => &[],
            Self::Tokenizer | Self::Laq => &[Self::Videos],
            Self::Cache => &[Self::Videos, Self::Tokenizer, Self::Laq],
            Self::Pretrain => &[Self::Videos, Self::Tokenizer, Self::Laq, Self::Cache],
            Self::Finetune => &[Self::Demonstrations, Self::Tokenizer, Self::Pretrain],
            Self::Evaluate => &[Self::Demonstrations, Self::Finetune],
        }
    }

    /// The stage that brings the data which it learns from.
    pub fn source(self) -> Self {
        match self {
            Self::Demonstrations | Self::Finetune | Self::Evaluate => Self::Demonstrations,
            Self::Videos | Self::Tokenizer | Self::Laq | Self::Cache | Self::Pretrain => Self::Videos,
        }
    }

    /// Where in the run folder its results lie.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Videos => "data/videos",
            Self::Demonstrations => "data/demonstrations",
            Self::Tokenizer => "tokenizer",
            Self::Laq => "laq",
            Self::Cache => "cache",
            Self::Pretrain => "pretrain",
            Self::Finetune => "policy",
            Self::Evaluate => "evaluation",
        }
    }

    /// Whether what lies in its folder says itself what it was made from: results of other inputs may stay beside it, and
    /// are found again.
    pub fn is_keyed(self) -> bool {
        self == Self::Cache
    }

    /// It, and all that is made from it.
    pub fn with_dependents(self) -> BTreeSet<Self> {
        let mut found = BTreeSet::from([self]);
        for stage in Self::ALL {
            if stage.inputs().iter().any(|input| found.contains(input)) {
                found.insert(stage);
            }
        }
        found
    }

    /// The stages up to it.
    pub fn until(self) -> Vec<Self> {
        Self::ALL.into_iter().filter(|stage| *stage <= self).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stage_stands_behind_its_inputs() {
        for (at, stage) in Stage::ALL.iter().enumerate() {
            assert!(stage.inputs().iter().all(|input| Stage::ALL[..at].contains(input)), "{stage:?}");
            assert_eq!(stage.until().len(), at + 1);
        }
    }

    #[test]
    fn dependents_are_all_that_are_made_from_a_stage() {
        use Stage::*;
        assert_eq!(Laq.with_dependents(), BTreeSet::from([Laq, Cache, Pretrain, Finetune, Evaluate]));
        assert_eq!(Demonstrations.with_dependents(), BTreeSet::from([Demonstrations, Finetune, Evaluate]));
        assert_eq!(Videos.with_dependents().len(), Stage::ALL.len() - 1);
    }
}
