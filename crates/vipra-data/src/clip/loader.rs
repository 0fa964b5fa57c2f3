//! Clips, decoded ahead of time by several threads, in the order of the sampler.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::{Clip, ClipAddress, ClipDataset};
use crate::error::{Error, Result};
use crate::source::Skipped;

/// Where a loader is; what a checkpoint needs to go on with the very next clip.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoaderState {
    /// Epoch of the next clip.
    pub epoch: u64,
    /// Number of the next clip within the epoch.
    pub index: u64,
}

/// An endless stream of clips. The n-th clip is worker (n mod workers)'s, so the order is that of the sampler whatever
/// their number; each worker is at most `prefetch` clips ahead.
pub struct ClipLoader {
    dataset: Arc<ClipDataset>,
    workers: Vec<Worker>,
    shared: Arc<Shared>,
    /// Clips since the first epoch's first.
    next: u64,
    first: u64,
    waited: Duration,
    skipped: Vec<Skipped>,
}

struct Worker {
    clips: Receiver<Result<Clip>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    /// Clips whose memory can be used again; never more than are in flight.
    used: Mutex<Vec<Clip>>,
}

impl ClipLoader {
    /// Starts the threads at `from`.
    ///
    /// # Errors
    /// [`Error::Invalid`] if `from` is past the end of its epoch or a thread cannot be started.
    pub fn start(dataset: Arc<ClipDataset>, from: LoaderState) -> Result<Self> {
        let per_epoch = dataset.sampler().clips_per_epoch();
        if from.index > per_epoch {
            return Err(Error::Invalid(format!("clip {} of an epoch of {per_epoch}", from.index)));
        }
        let first = from.epoch * per_epoch + from.index;
        let config = dataset.config().loader;
        let shared = Arc::new(Shared::default());
        let workers = (0..config.workers)
            .map(|number| {
                let (sender, clips) = sync_channel(config.prefetch);
                let (dataset, shared) = (dataset.clone(), shared.clone());
                let thread = std::thread::Builder::new()
                    .name(format!("clips-{number}"))
                    .spawn(move || work(&dataset, &shared, &sender, first + number as u64))
                    .map_err(|error| Error::Invalid(format!("starting a thread: {error}")))?;
                Ok(Worker { clips, thread: Some(thread) })
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(ClipLoader { dataset, workers, shared, next: first, first, waited: Duration::ZERO, skipped: Vec::new() })
    }

    /// The next clip.
    ///
    /// # Errors
    /// What is wrong with the next clip; or, if broken clips are skipped, [`Error::Invalid`] with the list of them once
    /// there are more than the configuration allows.
    pub fn next_clip(&mut self) -> Result<Clip> {
        loop {
            let worker = ((self.next - self.first) % self.workers.len() as u64) as usize;
            let before = Instant::now();
            let clip = self.workers[worker].clips.recv();
            self.waited += before.elapsed();
            self.next += 1;
            match clip {
                Ok(Ok(clip)) => return Ok(clip),
                Ok(Err(error)) if self.dataset.skips() => self.skip(&error)?,
                Ok(Err(error)) => return Err(error),
                Err(_) => return Err(Error::Invalid("a thread that decodes clips has died".into())),
            }
        }
    }

    /// Gives a clip's memory back.
    pub fn recycle(&self, clip: Clip) {
        self.shared.used.lock().unwrap_or_else(PoisonError::into_inner).push(clip);
    }

    /// Where the next clip comes from.
    pub fn state(&self) -> LoaderState {
        let per_epoch = self.dataset.sampler().clips_per_epoch();
        LoaderState { epoch: self.next / per_epoch, index: self.next % per_epoch }
    }

    /// Time that was spent waiting for clips.
    pub fn waited(&self) -> Duration {
        self.waited
    }

    /// Clips that were left out.
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    fn skip(&mut self, error: &Error) -> Result<()> {
        let per_epoch = self.dataset.sampler().clips_per_epoch();
        let number = self.next - 1;
        let what = format!("clip {} of epoch {}", number % per_epoch, number / per_epoch);
        self.skipped.push(Skipped { what, reason: error.to_string() });
        let limit = self.dataset.config().skip_limit;
        if self.skipped.len() <= limit {
            return Ok(());
        }
        let mut reasons: Vec<&str> = self.skipped.iter().map(|skipped| skipped.reason.as_str()).collect();
        reasons.sort_unstable();
        reasons.dedup();
        Err(Error::Invalid(format!(
            "more than {limit} clips were skipped (data.skip_limit):\n  {}",
            reasons.join("\n  ")
        )))
    }
}

impl Drop for ClipLoader {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        for worker in &mut self.workers {
            // A closed channel ends the thread at its next clip.
            worker.clips = sync_channel(1).1;
            if let Some(thread) = worker.thread.take() {
                drop(thread.join());
            }
        }
    }
}

fn work(dataset: &ClipDataset, shared: &Shared, sender: &SyncSender<Result<Clip>>, first: u64) {
    let workers = dataset.config().loader.workers;
    let per_epoch = dataset.sampler().clips_per_epoch();
    let mut reader = dataset.reader(workers);
    let mut order = None;
    for number in (first..).step_by(workers) {
        if shared.stop.load(Ordering::Relaxed) {
            return;
        }
        let (epoch, index) = (number / per_epoch, number % per_epoch);
        let order = match &mut order {
            Some((of, order)) if *of == epoch => order,
            other => &mut other.insert((epoch, dataset.sampler().order(epoch))).1,
        };
        let mut clip = shared.used.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        let outcome = order
            .clip(index)
            .and_then(|address: ClipAddress| dataset.read(address, (epoch, index), &mut reader, &mut clip))
            .map(|()| clip);
        if sender.send(outcome).is_err() {
            return;
        }
    }
}
