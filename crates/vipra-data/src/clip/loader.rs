//! Clips, decoded ahead of time by several threads, in the order of the sampler.

use std::collections::HashSet;
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
    skipped_clips: u64,
    /// Source and episode of what was skipped.
    broken: HashSet<Option<(usize, usize)>>,
}

/// A clip, or where it should have come from and what was wrong there.
type Outcome = Result<Clip, (Option<ClipAddress>, Error)>;

struct Worker {
    clips: Receiver<Outcome>,
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
        let past_all = || Error::Invalid(format!("epoch {} is beyond every count", from.epoch));
        let first = from.epoch.checked_mul(per_epoch).and_then(|clips| clips.checked_add(from.index));
        let first = first.filter(|first| *first < 1 << 60).ok_or_else(past_all)?;
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
        let (skipped, broken) = Default::default();
        let waited = Duration::ZERO;
        Ok(ClipLoader { dataset, workers, shared, next: first, first, waited, skipped, skipped_clips: 0, broken })
    }

    /// As [`start`](Self::start), once `skipped` was skipped before: it counts for the limit, and its episodes are noted no second
    /// time.
    ///
    /// # Errors
    /// As [`start`](Self::start); [`Error::Invalid`] if more was skipped than the configuration allows.
    pub fn resume(dataset: Arc<ClipDataset>, from: LoaderState, skipped: Vec<Skipped>) -> Result<Self> {
        let mut loader = Self::start(dataset, from)?;
        loader.skipped = skipped;
        loader.check_limit()?;
        Ok(loader)
    }

    /// The next clip.
    ///
    /// # Errors
    /// What is wrong with the next clip; or, if broken clips are skipped, [`Error::Invalid`] with the list of broken
    /// episodes once there are more than the configuration allows, or all clips of an epoch are broken.
    pub fn next_clip(&mut self) -> Result<Clip> {
        let asked_for = self.next;
        loop {
            let worker = ((self.next - self.first) % self.workers.len() as u64) as usize;
            let before = Instant::now();
            let clip = self.workers[worker].clips.recv();
            self.waited += before.elapsed();
            self.next += 1;
            match clip {
                Ok(Ok(clip)) => return Ok(clip),
                Ok(Err((address, error))) if self.dataset.skips_errors() => {
                    self.skip(address, &error)?;
                    self.check_whole_epoch(asked_for)?;
                }
                Ok(Err((_, error))) => return Err(error),
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

    /// Episodes of which clips were skipped, also before the loader was resumed.
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// The number of clips that were skipped.
    pub fn skipped_clips(&self) -> u64 {
        self.skipped_clips
    }

    /// Notes a broken episode, once; a clip of it comes again in every epoch.
    fn skip(&mut self, address: Option<ClipAddress>, error: &Error) -> Result<()> {
        self.skipped_clips += 1;
        if !self.broken.insert(address.map(|address| (address.source, address.episode))) {
            return Ok(());
        }
        let what = match address {
            Some(address) => {
                let source = self.dataset.source(address.source);
                format!(
                    "episode {} of {}",
                    source.episodes()[address.episode].name,
                    source.description().root.display()
                )
            }
            None => "a clip".to_owned(),
        };
        if self.skipped.iter().any(|known| known.what == what) {
            return Ok(());
        }
        self.skipped.push(Skipped { what, reason: error.to_string() });
        self.check_limit()
    }

    fn check_limit(&self) -> Result<()> {
        let limit = self.dataset.config().skip_limit;
        match self.skipped.len() <= limit {
            true => Ok(()),
            false => Err(self.too_many_errors(&format!("more than {limit} episodes were skipped (data.skip_limit)"))),
        }
    }

    /// An error once all clips of a whole epoch were broken: those of the next one would be too, for ever. `first` is the first
    /// of the broken clips in a row.
    fn check_whole_epoch(&self, first: u64) -> Result<()> {
        let per_epoch = self.dataset.sampler().clips_per_epoch();
        let whole_epoch = first.next_multiple_of(per_epoch);
        match self.next < whole_epoch + per_epoch {
            true => Ok(()),
            false => Err(self.too_many_errors("no clip of a whole epoch could be read")),
        }
    }

    /// The error that says why nothing more comes, with what is wrong with each broken episode.
    fn too_many_errors(&self, why: &str) -> Error {
        let mut reasons: Vec<&str> = self.skipped.iter().map(|skipped| skipped.reason.as_str()).collect();
        reasons.sort_unstable();
        Error::Invalid(format!("{why}:\n  {}", reasons.join("\n  ")))
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

fn work(dataset: &ClipDataset, shared: &Shared, sender: &SyncSender<Outcome>, first: u64) {
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
        let outcome = order.clip(index).map_err(|error| (None, error)).and_then(|address| {
            let read = dataset.read(address, (epoch, index), &mut reader, &mut clip);
            read.map(|()| clip).map_err(|error| (Some(address), error))
        });
        if sender.send(outcome).is_err() {
            return;
        }
    }
}
