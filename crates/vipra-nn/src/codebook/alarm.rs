//! An alarm for a codebook that has collapsed.

use serde::{Deserialize, Serialize};

/// Raised by several observations of low use in a row, ended by the first that is not low. Part of the training state,
/// serialised as the number of low observations in a row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CollapseAlarm(u32);

impl CollapseAlarm {
    /// Low observations in a row that raise the alarm.
    pub const THRESHOLD: u32 = 3;

    /// Counts an observation. Returns whether it has raised the alarm, which was off before.
    pub fn update(&mut self, is_low: bool) -> bool {
        self.0 = if is_low { self.0 + 1 } else { 0 };
        self.0 == Self::THRESHOLD
    }

    /// Whether the alarm is on.
    pub fn is_on(&self) -> bool {
        self.0 >= Self::THRESHOLD
    }

    /// Turns the alarm off and forgets all observations.
    pub fn reset(&mut self) {
        self.0 = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::CollapseAlarm;

    #[test]
    fn it_is_raised_once_by_low_use_in_a_row_and_ends_with_it() {
        let mut alarm = CollapseAlarm::default();
        assert_eq!(
            [true, true, false, true, true, true, true].map(|is_low| alarm.update(is_low)),
            [false, false, false, false, false, true, false]
        );
        assert!(alarm.is_on());
        alarm.update(false);
        assert!(!alarm.is_on());
    }

    #[test]
    fn a_reset_forgets_what_was_observed() {
        let mut alarm = CollapseAlarm::default();
        for _ in 0..CollapseAlarm::THRESHOLD {
            alarm.update(true);
        }
        alarm.reset();
        assert!(!alarm.is_on() && !alarm.update(true));
    }

    #[test]
    fn checkpoints_hold_the_count() {
        let mut alarm = CollapseAlarm::default();
        alarm.update(true);
        assert_eq!(serde_json::to_value(alarm).unwrap(), 1);
        assert_eq!(serde_json::from_str::<CollapseAlarm>("1").unwrap(), alarm);
    }
}
