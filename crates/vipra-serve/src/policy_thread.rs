//! The policy's thread, and the queue before it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

use tokio::sync::{Semaphore, mpsc, oneshot};
use vipra_control::{ActionChunk, Observation, Policy, PolicyDescription};
use vipra_data::Frame;

use crate::options::Limits;
use crate::{Error, Result};

/// Deep models recurse; a thread of the standard library has two megabytes otherwise.
const STACK_BYTES: usize = 16 << 20;

/// For each observation that somebody waits for, how many may stand in the queue whose clients have gone.
const ABANDONED: usize = 3;

/// A chunk, and how long the policy took for it and those that were computed with it.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) chunk: ActionChunk,
    pub(crate) infer_ms: f64,
}

struct Request {
    observation: Observation,
    answer: oneshot::Sender<Result<Answer>>,
}

/// The way to the policy; all its copies lead to the same thread.
#[derive(Clone)]
pub(crate) struct PolicyHandle {
    requests: mpsc::Sender<Request>,
    shared: Arc<Shared>,
}

struct Shared {
    /// For observations that wait for an answer or are being answered. A client holds its own, so that one that has gone
    /// keeps nobody out.
    places: Semaphore,
    ready: AtomicBool,
    reset_wanted: AtomicBool,
}

impl PolicyHandle {
    /// Starts the thread, whose first deed is a warm-up. The thread ends when all copies are gone, or with an error if the
    /// warm-up fails.
    pub(crate) fn start(
        policy: Box<dyn Policy>,
        prompt: Option<&str>,
        limits: &Limits,
    ) -> Result<(Self, JoinHandle<Result<()>>)> {
        let places = limits.waiting + limits.batch;
        let (requests, receiver) = mpsc::channel(places * (1 + ABANDONED));
        let shared = Arc::new(Shared {
            places: Semaphore::new(places),
            ready: AtomicBool::default(),
            reset_wanted: AtomicBool::default(),
        });
        let first = warm_up_observation(policy.describe(), prompt.unwrap_or("warm up"));
        let mut worker = Worker { policy, shared: shared.clone(), max_batch: limits.batch };
        let thread = std::thread::Builder::new().name("policy".to_owned()).stack_size(STACK_BYTES);
        let thread = thread
            .spawn(move || worker.run(receiver, &first))
            .map_err(|error| Error::NeverReady(format!("its thread cannot be started: {error}")))?;
        Ok((Self { requests, shared }, thread))
    }

    /// Whether the warm-up is over.
    pub(crate) fn is_ready(&self) -> bool {
        self.shared.ready.load(Ordering::Acquire)
    }

    /// The chunk for an observation, when its turn comes. Whoever drops this future gives up its place.
    pub(crate) async fn infer(&self, observation: Observation) -> Result<Answer> {
        let _place = self.shared.places.try_acquire().map_err(|_| Error::Busy)?;
        let (answer, answered) = oneshot::channel();
        self.requests.try_send(Request { observation, answer }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Error::Busy,
            mpsc::error::TrySendError::Closed(_) => Error::Stopping,
        })?;
        answered.await.unwrap_or(Err(Error::Stopping))
    }

    /// An episode begins: the policy learns it before its next inference.
    pub(crate) fn reset(&self) {
        self.shared.reset_wanted.store(true, Ordering::Release);
    }
}

/// Something to warm up with that no policy refuses: black frames, and states that the model sees as zeros.
fn warm_up_observation(description: &PolicyDescription, prompt: &str) -> Observation {
    let [height, width] = description.image_size;
    let frame = Frame::new(width, height);
    let states = description.proprio.as_ref().map_or_else(Vec::new, |proprio| {
        let state: Vec<f32> = proprio.normalizer.offset.iter().map(|value| *value as f32).collect();
        vec![state; proprio.states]
    });
    Observation { instruction: prompt.to_owned(), frames: [frame.clone(), frame], proprio: states }
}

struct Worker {
    policy: Box<dyn Policy>,
    shared: Arc<Shared>,
    max_batch: usize,
}

impl Worker {
    fn run(&mut self, mut requests: mpsc::Receiver<Request>, first: &Observation) -> Result<()> {
        self.warm_up(first)?;
        while let Some(request) = requests.blocking_recv() {
            let mut batch = vec![request];
            while batch.len() < self.max_batch {
                let Ok(request) = requests.try_recv() else { break };
                batch.push(request);
            }
            // Whose client is gone needs no answer.
            batch.retain(|request| !request.answer.is_closed());
            if self.shared.reset_wanted.swap(false, Ordering::AcqRel) {
                self.policy.reset();
            }
            if !batch.is_empty() {
                self.answer(batch);
            }
        }
        Ok(())
    }

    fn warm_up(&mut self, first: &Observation) -> Result<()> {
        let began = Instant::now();
        let warmed = catch_unwind(AssertUnwindSafe(|| self.policy.infer(first)));
        let chunk = warmed.map_err(|_| Error::NeverReady("it panicked".to_owned()))?.map_err(Error::WarmUp)?;
        chunk.check(self.policy.describe()).map_err(|fault| Error::NeverReady(fault.to_string()))?;
        self.policy.reset();
        tracing::info!("the policy is ready after {:.1} s", began.elapsed().as_secs_f64());
        self.shared.ready.store(true, Ordering::Release);
        Ok(())
    }

    fn answer(&mut self, batch: Vec<Request>) {
        let (observations, waiting): (Vec<_>, Vec<_>) =
            batch.into_iter().map(|request| (request.observation, request.answer)).unzip();
        let began = Instant::now();
        // What the policy keeps between observations makes it faster and nothing else, and is forgotten after a panic.
        let chunks = catch_unwind(AssertUnwindSafe(|| self.policy.infer_batch(&observations)));
        let infer_ms = began.elapsed().as_secs_f64() * 1e3;
        let chunks = chunks.unwrap_or_else(|_| {
            tracing::error!("the policy panicked");
            self.policy.reset();
            Vec::new()
        });
        if !chunks.is_empty() && chunks.len() != waiting.len() {
            tracing::error!("the policy gave {} answers to {} observations", chunks.len(), waiting.len());
        }
        let fit = chunks.len() == waiting.len();
        let mut chunks = chunks.into_iter().filter(|_| fit);
        for answer in waiting {
            let result = chunks.next().map_or(Err(Error::PolicyFailed), |chunk| self.checked(chunk));
            // A client that went away in the meantime does not miss it.
            let _ = answer.send(result.map(|chunk| Answer { chunk, infer_ms }));
        }
    }

    /// The chunk, if it is what the policy says. What a client is told otherwise: refusals as they are, failures in the log
    /// alone, for they may name paths.
    fn checked(&self, chunk: Result<ActionChunk, vipra_control::Error>) -> Result<ActionChunk> {
        let checked = chunk.and_then(|chunk| chunk.check(self.policy.describe()).map(|()| chunk));
        checked.map_err(|error| match error {
            vipra_control::Error::Observation { field, reason } => Error::refused(field, reason),
            error => {
                tracing::error!("the policy failed: {}", chain(&error));
                Error::PolicyFailed
            }
        })
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
