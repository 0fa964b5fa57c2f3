//! What all requests share, and which of them goes where.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use vipra_control::PolicyDescription;

use crate::codec::encode;
use crate::failure::Failure;
use crate::metadata::{metadata, to_value};
use crate::options::Access;
use crate::policy_thread::PolicyHandle;
use crate::{Result, ServeOptions, http, websocket};

/// The path that anyone may ask.
const HEALTH: &str = "/healthz";

/// What all requests share.
pub(crate) struct App {
    pub(crate) description: PolicyDescription,
    pub(crate) options: ServeOptions,
    pub(crate) policy: PolicyHandle,
    /// What a WebSocket's client is told first.
    pub(crate) greeting: Bytes,
    /// Cancelled when the server is to stop.
    pub(crate) stop: CancellationToken,
    /// Connections that are open.
    pub(crate) tracker: TaskTracker,
    /// The task of the HTTP API, which has one for all clients, as published.
    task: Mutex<Option<String>>,
}

impl App {
    pub(crate) fn new(
        description: PolicyDescription,
        options: ServeOptions,
        policy: PolicyHandle,
        stop: CancellationToken,
    ) -> Result<Self> {
        let greeting = encode(&to_value(&metadata(&description, &options)))?.into();
        let tracker = TaskTracker::new();
        Ok(Self { description, options, policy, greeting, stop, tracker, task: Mutex::new(None) })
    }

    /// A task begins.
    pub(crate) fn begin_task(&self, task: String) {
        *self.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
        self.policy.reset();
    }

    /// The task of a request: the one it names, which begins if it is another than the current one, or the current one.
    pub(crate) fn switch_task(&self, requested: Option<String>) -> Option<String> {
        let current = self.task.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if requested.is_some() && requested != current {
            self.begin_task(requested.clone().unwrap_or_default());
        }
        requested.or(current)
    }

    /// All routes.
    pub(crate) fn router(self: Arc<Self>) -> Router {
        Router::new()
            .route(HEALTH, get(health))
            .route("/reset", post(http::reset))
            .route("/step", post(http::step))
            .route("/step_bytes", post(http::step_bytes))
            .fallback(websocket::upgrade)
            .method_not_allowed_fallback(async || Failure::status(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed"))
            // The bodies' limit is ours: it knows the options.
            .layer(DefaultBodyLimit::disable())
            .layer(from_fn_with_state(self.clone(), authorize))
            .layer(from_fn(refuse_pages))
            .with_state(self)
    }
}

/// `OK` as openpi's server says it, once the policy is ready.
async fn health(State(app): State<Arc<App>>) -> Response {
    let (status, text) =
        if app.policy.is_ready() { (StatusCode::OK, "OK\n") } else { (StatusCode::SERVICE_UNAVAILABLE, "starting\n") };
    let headers = [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CONNECTION, "close")];
    (status, headers, text).into_response()
}

/// Refuses what web pages ask. A browser lets any of them send a POST or open a WebSocket, and says by `Origin` that it was one.
async fn refuse_pages(request: Request, next: Next) -> Response {
    if request.uri().path() != HEALTH && request.headers().contains_key(header::ORIGIN) {
        let reason = "requests with an `Origin` header are refused, because web pages send it: leave the header out";
        return Failure::status(StatusCode::FORBIDDEN, reason).into_response();
    }
    next.run(request).await
}

async fn authorize(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    if let Access::Token(token) = &app.options.access {
        let header = request.headers().get(header::AUTHORIZATION).map(|value| value.as_bytes());
        if request.uri().path() != HEALTH && !token.admits(header) {
            let failure = Failure::status(StatusCode::UNAUTHORIZED, "a token is needed");
            return ([(header::WWW_AUTHENTICATE, "Bearer")], failure).into_response();
        }
    }
    next.run(request).await
}
