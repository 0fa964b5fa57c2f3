//! openpi's protocol (interfaces a): the server speaks first, then one answer for each request, in robot units.

mod request;
mod session;

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Bytes;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{Extension, Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{RequestExt, extract::ws::rejection::WebSocketUpgradeRejection};
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::failure::Failure;
use crate::server::{App, ConnectionPermit};
use session::{Reply, Session};

/// Requests that a client may send before it has the answer to the first; openpi's client sends none.
const MAX_UNANSWERED: usize = 16;

/// The close reason after an error (interfaces a.1 without the backtrace).
const ERROR_REASON: &str = "Internal server error. The previous frame says why.";

/// Whatever no other route takes: an upgrade to a WebSocket on any path.
pub(crate) async fn upgrade(
    State(app): State<Arc<App>>,
    Extension(permit): Extension<ConnectionPermit>,
    mut request: Request,
) -> Response {
    if request.method() != Method::GET {
        return Failure::status(StatusCode::NOT_FOUND, "Not Found").into_response();
    }
    let upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection> = request.extract_parts().await;
    let Ok(upgrade) = upgrade else {
        let headers = [(header::UPGRADE, "websocket"), (header::CONNECTION, "close")];
        return (StatusCode::UPGRADE_REQUIRED, headers, "This is a policy server: it speaks WebSocket.\n")
            .into_response();
    };
    let max_bytes = app.options.limits.message_bytes;
    let tracked = app.tracker.token();
    upgrade.max_message_size(max_bytes).max_frame_size(max_bytes).on_upgrade(async move |socket| {
        // The connection keeps its place among the others, and the server waits for it when it stops.
        let _held = (permit, tracked);
        Connection { socket, app, last_heard: Instant::now() }.run().await;
    })
}

struct Connection {
    socket: WebSocket,
    app: Arc<App>,
    /// When the client last sent anything.
    last_heard: Instant,
}

/// Whether a request may wait behind others: all that wait have no more bytes than one message may have.
fn has_room(waiting: &VecDeque<Bytes>, request: &Bytes, max_bytes: usize) -> bool {
    let bytes: usize = waiting.iter().map(Bytes::len).sum();
    waiting.len() < MAX_UNANSWERED && bytes + request.len() <= max_bytes
}

/// The connection is over; it ends the loop, and says nothing more.
struct Closed;

impl Connection {
    async fn run(mut self) {
        let _ = self.converse().await;
    }

    async fn converse(&mut self) -> Result<(), Closed> {
        self.send(Message::Binary(self.app.greeting.clone())).await?;
        let mut session = Session::new(&self.app);
        let mut unanswered = VecDeque::new();
        loop {
            let bytes = match unanswered.pop_front() {
                Some(bytes) => bytes,
                None => self.next_request().await?,
            };
            let reply = self.while_listening(session.answer(bytes), &mut unanswered).await?;
            match reply {
                Ok(Reply::Binary(bytes)) => self.send(Message::Binary(bytes.into())).await?,
                Ok(Reply::Text(text)) => self.send(Message::Text(text.into())).await?,
                Err(error) => return self.fail(&error.to_string()).await,
            }
            session.sent();
        }
    }

    /// Computes, and in the meantime answers pings, keeps what comes for later, and notices if the client goes away.
    async fn while_listening<T>(
        &mut self,
        work: impl Future<Output = T>,
        unanswered: &mut VecDeque<Bytes>,
    ) -> Result<T, Closed> {
        tokio::pin!(work);
        let mut ping = interval(self.app.options.timeouts.ping_interval);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ping.reset();
        loop {
            let message = tokio::select! {
                done = &mut work => return Ok(done),
                message = self.socket.recv() => message,
                _ = ping.tick() => {
                    self.keep_alive().await?;
                    continue;
                }
            };
            if let ControlFlow::Break(bytes) = self.heard(message).await? {
                if !has_room(unanswered, &bytes, self.app.options.limits.message_bytes) {
                    return self.fail("too many requests without waiting for their answers").await;
                }
                unanswered.push_back(bytes);
            }
        }
    }

    async fn next_request(&mut self) -> Result<Bytes, Closed> {
        let mut ping = interval(self.app.options.timeouts.ping_interval);
        ping.reset();
        let stop = self.app.stop.clone();
        loop {
            let message = tokio::select! {
                message = self.socket.recv() => message,
                () = stop.cancelled() => return self.close(close_code::AWAY, "The server is stopping.").await,
                _ = ping.tick() => {
                    self.keep_alive().await?;
                    continue;
                }
            };
            if let ControlFlow::Break(bytes) = self.heard(message).await? {
                return Ok(bytes);
            }
        }
    }

    /// Breaks with a request; pings were answered by the library.
    async fn heard(&mut self, message: Option<Result<Message, axum::Error>>) -> Result<ControlFlow<Bytes>, Closed> {
        self.last_heard = Instant::now();
        match message {
            Some(Ok(Message::Binary(bytes))) => Ok(ControlFlow::Break(bytes)),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(ControlFlow::Continue(())),
            Some(Ok(Message::Text(_))) => self.fail("a request is a binary message").await,
            Some(Ok(Message::Close(_))) | None => Err(Closed),
            Some(Err(error)) => {
                tracing::debug!("a WebSocket broke: {error}");
                let limit = self.app.options.limits.message_bytes;
                let too_long = error.to_string().contains("too long");
                if too_long {
                    return self.fail(&format!("a message has at most {limit} bytes")).await;
                }
                Err(Closed)
            }
        }
    }

    async fn keep_alive(&mut self) -> Result<(), Closed> {
        if self.last_heard.elapsed() > self.app.options.timeouts.idle {
            tracing::debug!("a WebSocket was silent for too long");
            return Err(Closed);
        }
        self.send(Message::Ping(Bytes::new())).await
    }

    async fn send(&mut self, message: Message) -> Result<(), Closed> {
        match timeout(self.app.options.timeouts.idle, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Closed),
        }
    }

    /// A text, then a close with code 1011: openpi's way of an error.
    async fn fail<T>(&mut self, reason: &str) -> Result<T, Closed> {
        tracing::debug!("a WebSocket request failed: {reason}");
        self.send(Message::Text(reason.into())).await?;
        self.close(close_code::ERROR, ERROR_REASON).await
    }

    /// Says goodbye, and waits a little for the client to do the same: a socket that is closed with something unread in it
    /// may take back what was sent last.
    async fn close<T>(&mut self, code: u16, reason: &'static str) -> Result<T, Closed> {
        self.send(Message::Close(Some(CloseFrame { code, reason: reason.into() }))).await?;
        let goodbye = async { while let Some(Ok(_)) = self.socket.recv().await {} };
        let _ = timeout(self.app.options.timeouts.shutdown, goodbye).await;
        Err(Closed)
    }
}
