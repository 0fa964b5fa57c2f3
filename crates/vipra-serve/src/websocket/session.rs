//! What the server remembers of a connection: frames and states, until the connection ends.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Bytes;
use vipra_control::{ActionChunk, History, Observation};

use super::request::{Request, Seen};
use crate::codec::{Array, Value, encode};
use crate::metadata::{WEBSOCKET_NAMES, keys};
use crate::policy_thread::Answer;
use crate::server::App;
use crate::{Error, Result};

/// The most bytes of frames that are remembered of a connection, but for three frames, which always are. At the size of a policy's frames that is some hundred.
const HISTORY_BYTES: usize = 64 << 20;

/// What goes back.
pub(super) enum Reply {
    Binary(Vec<u8>),
    Text(&'static str),
}

pub(super) struct Session {
    app: Arc<App>,
    history: History,
    began: Instant,
    request_came: Instant,
    /// How long the request before took, until its answer was sent.
    previous_ms: Option<f64>,
}

impl Session {
    pub(super) fn new(app: &Arc<App>) -> Self {
        let now = Instant::now();
        let history = History::new(&app.description).limited(HISTORY_BYTES);
        Self { app: app.clone(), history, began: now, request_came: now, previous_ms: None }
    }

    /// Answers a request.
    pub(super) async fn answer(&mut self, bytes: Bytes) -> Result<Reply> {
        self.request_came = Instant::now();
        match self.read(bytes).await? {
            Request::Reset => {
                self.history.clear();
                self.app.policy.reset();
                Ok(Reply::Text("reset successful"))
            }
            Request::Infer(seen) => {
                let bare = seen.bare;
                let observation = self.observe(*seen)?;
                let asked = Instant::now();
                let answer = self.app.policy.infer(observation).await;
                let answer = answer.map_err(|error| WEBSOCKET_NAMES.translate(error))?;
                let whole_ms = asked.elapsed().as_secs_f64() * 1e3;
                self.write(&answer, whole_ms, bare).map(Reply::Binary)
            }
        }
    }

    /// The answer was sent.
    pub(super) fn sent(&mut self) {
        self.previous_ms = Some(self.request_came.elapsed().as_secs_f64() * 1e3);
    }

    /// Decoding is computing: it must not keep the network waiting.
    async fn read(&self, bytes: Bytes) -> Result<Request> {
        let app = self.app.clone();
        let read = move || {
            let proprio = app.description.proprio.as_ref();
            Request::read(&bytes, proprio, app.options.limits.image_side)
        };
        tokio::task::spawn_blocking(read).await.unwrap_or(Err(Error::Stopping))
    }

    fn observe(&mut self, seen: Seen) -> Result<Observation> {
        let prompt = seen.prompt.or_else(|| self.app.options.default_prompt.clone());
        let prompt = prompt.ok_or_else(|| Error::refused(keys::PROMPT, "is missing, and the server has no default"))?;
        let secs = (self.request_came - self.began).as_secs_f64();
        let current = seen.states.last().cloned().unwrap_or_default();
        self.history.push(secs, seen.image, current);
        let mut observation = self.history.observe(&prompt).ok_or(Error::Stopping)?;
        if let Some(previous) = seen.previous {
            observation.frames[0] = previous;
        }
        if seen.states.len() > 1 {
            observation.proprio = seen.states;
        }
        Ok(observation)
    }

    /// A map of actions and times (interfaces a.4), or for RoboArena the actions alone.
    fn write(&self, answer: &Answer, whole_ms: f64, bare: bool) -> Result<Vec<u8>> {
        let ActionChunk { actions } = &answer.chunk;
        let actions = Value::Array(Array::from_rows(actions)?);
        if bare {
            return encode(&actions);
        }
        let mut server = vec![("infer_ms".into(), Value::Float(whole_ms))];
        server.extend(self.previous_ms.map(|ms| ("prev_total_ms".into(), Value::Float(ms))));
        encode(&Value::map([
            ("actions", actions),
            ("policy_timing", Value::map([("infer_ms", Value::Float(answer.infer_ms))])),
            ("server_timing", Value::Map(server)),
        ]))
    }
}
