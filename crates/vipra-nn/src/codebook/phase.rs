//! When quantisation begins.

use serde::{Deserialize, Serialize};

/// Whether vectors pass through the codebook yet, in a training that may start quantisation late. Part of the training
/// state, serialised as `Option<bool>`: whether quantisation has begun, if that is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Option<bool>", into = "Option<bool>")]
pub enum CodebookPhase {
    /// Not known before the first step. Checkpoints of earlier versions do not say.
    #[default]
    Undecided,
    /// Vectors pass as they are.
    Unquantized,
    /// Vectors pass through the codebook.
    Quantized,
}

impl CodebookPhase {
    /// To be called when a step begins; `step` counts from 0. Decides an undecided phase. Returns whether this step
    /// quantises.
    pub fn begin_at(&mut self, step: u64, first_step: u64) -> bool {
        if self.is_undecided() {
            *self = if step >= first_step { Self::Quantized } else { Self::Unquantized };
        }
        self.is_quantized()
    }

    /// To be called after a step that was not skipped; `done` is the number of steps so far. Returns whether quantisation
    /// starts now: once `first_step` steps are done, or later if the last of them was skipped.
    pub fn start_after(&mut self, done: u64, first_step: u64) -> bool {
        let starts = *self == Self::Unquantized && done >= first_step;
        if starts {
            *self = Self::Quantized;
        }
        starts
    }

    /// Whether vectors pass through the codebook.
    pub fn is_quantized(&self) -> bool {
        *self == Self::Quantized
    }

    /// Whether it is not known yet whether they do.
    pub fn is_undecided(&self) -> bool {
        *self == Self::Undecided
    }
}

impl From<Option<bool>> for CodebookPhase {
    fn from(has_begun: Option<bool>) -> Self {
        match has_begun {
            None => Self::Undecided,
            Some(false) => Self::Unquantized,
            Some(true) => Self::Quantized,
        }
    }
}

impl From<CodebookPhase> for Option<bool> {
    fn from(phase: CodebookPhase) -> Self {
        match phase {
            CodebookPhase::Undecided => None,
            CodebookPhase::Unquantized => Some(false),
            CodebookPhase::Quantized => Some(true),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json, to_value};

    use super::CodebookPhase;

    #[test]
    fn quantisation_begins_once_when_its_steps_are_done() {
        let mut phase = CodebookPhase::default();
        assert!(!phase.start_after(9, 2), "nothing is known before the first step");
        assert_eq!([0, 5].map(|step| phase.begin_at(step, 2)), [false; 2], "the first step decides");
        assert_eq!([1, 2, 3].map(|done| phase.start_after(done, 2)), [false, true, false]);
        assert!(phase.begin_at(0, 2));
        assert!(CodebookPhase::default().begin_at(2, 2) && CodebookPhase::default().begin_at(0, 0));
    }

    #[test]
    fn checkpoints_hold_whether_it_has_begun() {
        let phases = [CodebookPhase::Undecided, CodebookPhase::Unquantized, CodebookPhase::Quantized];
        for (phase, stored) in phases.into_iter().zip([json!(null), json!(false), json!(true)]) {
            assert_eq!(to_value(phase).unwrap(), stored);
            assert_eq!(from_value::<CodebookPhase>(stored).unwrap(), phase);
        }
    }
}
