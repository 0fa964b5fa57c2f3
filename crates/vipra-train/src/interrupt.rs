//! Requests to stop a run.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::{Error, Result};

/// A flag that SIGINT and SIGTERM raise; the second signal ends the process at once.
#[derive(Debug, Clone, Default)]
pub struct Interrupt {
    raised: Arc<AtomicBool>,
}

impl Interrupt {
    /// Listens to the signals. All calls in a process return the same flag: if several trainings follow one another, a signal
    /// stops all of them.
    ///
    /// # Errors
    /// [`Error::Invalid`] if signal handlers cannot be installed.
    pub fn listen() -> Result<Self> {
        const EXIT_CODE_OF_SIGINT: i32 = 130;
        static LISTENING: Mutex<Option<Interrupt>> = Mutex::new(None);
        let mut listening = LISTENING.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(interrupt) = &*listening {
            return Ok(interrupt.clone());
        }
        let interrupt = Self::default();
        for signal in [SIGINT, SIGTERM] {
            // In this order: the first signal raises the flag, the second finds it raised.
            flag::register_conditional_shutdown(signal, EXIT_CODE_OF_SIGINT, interrupt.raised.clone())
                .and_then(|_| flag::register(signal, interrupt.raised.clone()))
                .map_err(|error| Error::Invalid(format!("listening to signals: {error}")))?;
        }
        *listening = Some(interrupt.clone());
        Ok(interrupt)
    }

    /// Whether the run is to stop.
    pub fn is_raised(&self) -> bool {
        self.raised.load(Ordering::Relaxed)
    }

    /// Asks to stop, as a signal would.
    pub fn raise(&self) {
        self.raised.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_listen_in_a_process_hear_the_same() {
        let [one, other] = [Interrupt::listen().unwrap(), Interrupt::listen().unwrap()];
        one.raise();
        assert!(other.is_raised());
        assert!(!Interrupt::default().is_raised());
    }
}
