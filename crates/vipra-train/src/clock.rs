//! The stopwatch of a run.

use std::time::{Duration, Instant};

use crate::stage::Scalars;

/// How fast the run goes, and how long it waits.
pub(crate) struct Clock {
    since: Instant,
    /// Steps of the lap.
    pub(crate) steps: u64,
    /// For data.
    pub(crate) waited: Duration,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { since: Instant::now(), steps: 0, waited: Duration::ZERO }
    }

    /// Speed since the last lap; the next one begins.
    pub(crate) fn lap(&mut self) -> Scalars {
        let secs = self.since.elapsed().as_secs_f64().max(1e-9);
        let scalars = vec![
            ("steps_per_sec".to_owned(), self.steps as f64 / secs),
            ("data_wait".to_owned(), self.waited.as_secs_f64() / secs),
        ];
        self.restart();
        scalars
    }

    /// Begins the lap anew, to leave out what was not training. Its steps so far go with it, so that the speed stays right.
    pub(crate) fn restart(&mut self) {
        *self = Self::start();
    }
}
