//! Looks after a stage while it runs: how long, how much memory, and whether somebody wants it to stop.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Result;
use vipra_train::Interrupt;

use super::record::{Record, State};
use crate::commands::run::memory;
use crate::log::say;
use crate::stage::Stage;
use crate::training_end::TrainingEnd;

/// How often it looks whether somebody wants to stop.
const LOOK: Duration = Duration::from_millis(100);
/// How often the time of a stage is written down, for a kill not to lose it.
const WRITE: Duration = Duration::from_secs(5);
/// Exit code of a run that was asked to stop.
const STOPPED: i32 = 1;

/// A thread that looks after the stage that runs.
pub struct Monitor {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    run: PathBuf,
    /// How to go on.
    command: String,
    interrupt: Interrupt,
    running: Mutex<Option<Running>>,
    /// A training ends by itself when it is asked to; everything else ends with the process, and goes on all the same.
    ends_by_itself: AtomicBool,
    is_over: AtomicBool,
}

/// The stage that runs.
struct Running {
    stage: Stage,
    record: Record,
    began: Instant,
    /// What it took when it was called before.
    seconds_before: f64,
    peak_before: Option<f64>,
}

impl Running {
    fn measure(&mut self) {
        self.record.seconds = self.seconds_before + self.began.elapsed().as_secs_f64();
        let peaks = [memory::peak_mib(), self.peak_before];
        self.record.peak_memory_mib = peaks.into_iter().flatten().reduce(f64::max);
    }
}

impl Monitor {
    /// Begins to look; `command` is what goes on with the run.
    pub fn start(run: PathBuf, command: String, interrupt: Interrupt) -> Self {
        let shared = Arc::new(Shared {
            run,
            command,
            interrupt,
            running: Mutex::new(None),
            ends_by_itself: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
        });
        let looking = shared.clone();
        Self { shared, thread: Some(std::thread::spawn(move || looking.look())) }
    }

    /// A stage begins; `before` is the record of its earlier calls, if it goes on.
    ///
    /// # Errors
    /// If its record cannot be written.
    pub fn begin(&self, stage: Stage, mut record: Record, before: Option<&Record>) -> Result<()> {
        let knows_peak = memory::begin();
        let seconds_before = before.map_or(0.0, |before| before.seconds);
        if let Some(before) = before {
            record.began_at.clone_from(&before.began_at);
        }
        record.seconds = seconds_before;
        record.write(&self.shared.run, stage)?;
        if !knows_peak {
            tracing::info!("the system does not say how much memory stages take");
        }
        let peak_before = before.and_then(|before| before.peak_memory_mib);
        *self.shared.running() = Some(Running { stage, record, began: Instant::now(), seconds_before, peak_before });
        Ok(())
    }

    /// Runs a training, which ends by itself when it is asked to.
    ///
    /// # Errors
    /// What the training says.
    pub fn training(&self, learn: impl FnOnce() -> Result<TrainingEnd>) -> Result<TrainingEnd> {
        self.shared.ends_by_itself.store(true, Ordering::SeqCst);
        let end = learn()?;
        // After an interrupted training nothing else comes, and whoever called has the last word.
        self.shared.ends_by_itself.store(end.is_interrupted, Ordering::SeqCst);
        Ok(end)
    }

    /// The stage is over: its record, with what it took, after `finish` has changed it.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn end(&self, finish: impl FnOnce(&mut Record)) -> Result<Option<Record>> {
        let Some(mut running) = self.shared.running().take() else { return Ok(None) };
        running.measure();
        finish(&mut running.record);
        running.record.write(&self.shared.run, running.stage)?;
        Ok(Some(running.record))
    }

    /// What is said of a run that was asked to stop.
    pub fn stopped(&self, stage: Stage) -> String {
        self.shared.stopped(stage)
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            // It cannot panic, and there is nothing to do about it if it did.
            let _ended = thread.join();
        }
    }
}

impl Shared {
    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stopped(&self, stage: Stage) -> String {
        format!("stopped in the stage {}; to continue:\n  {}", stage.name(), self.command)
    }

    fn look(&self) {
        let mut written = Instant::now();
        while !self.is_over.load(Ordering::SeqCst) {
            std::thread::sleep(LOOK);
            let is_wanted = self.interrupt.is_raised() && !self.ends_by_itself.load(Ordering::SeqCst);
            if !is_wanted && written.elapsed() < WRITE {
                continue;
            }
            written = Instant::now();
            let mut running = self.running();
            let Some(running) = running.as_mut() else { continue };
            if running.record.state == State::Done {
                continue;
            }
            running.measure();
            if let Err(error) = running.record.write(&self.run, running.stage) {
                tracing::warn!("{error:#}");
            }
            if is_wanted {
                // What recordings, labels, tokens and outcomes have so far is on the disk.
                say(&self.stopped(running.stage));
                std::process::exit(STOPPED);
            }
        }
    }
}
