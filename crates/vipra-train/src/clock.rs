//! Speed of a run.

use std::time::{Duration, Instant};

use crate::stage::Scalars;

/// A stopwatch for the steps of a run and the time spent waiting for data.
pub(crate) struct Clock {
    since: Instant,
    /// Steps of this lap.
    pub(crate) steps: u64,
    /// Time spent waiting for data in this lap.
    pub(crate) waited: Duration,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { since: Instant::now(), steps: 0, waited: Duration::ZERO }
    }

    /// Ends a lap and returns its speed.
    pub(crate) fn lap(&mut self) -> Scalars {
        let secs = self.since.elapsed().as_secs_f64().max(1e-9);
        let scalars = vec![
            ("steps_per_sec".to_owned(), self.steps as f64 / secs),
            ("data_wait".to_owned(), self.waited.as_secs_f64() / secs),
        ];
        self.restart();
        scalars
    }

    /// Restarts the lap, to leave out time that was not spent on training. Its steps so far are dropped with their time.
    pub(crate) fn restart(&mut self) {
        *self = Self::start();
    }
}
