//! Connections: how many there may be, how long their heads may take, and how they end.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Extension;
use axum::http::{Request, StatusCode, header};
use axum::response::IntoResponse;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::App;
use crate::failure::Failure;
use crate::{Error, Result};

/// Connections beyond the limit that are told so at a time; those beyond them are dropped.
const MAX_TURNED_AWAY: usize = 16;

/// After a failure to accept, such as too many open files.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);

/// A connection's place among those there may be. A WebSocket takes it along.
#[derive(Clone)]
pub(crate) struct ConnectionPermit {
    _permit: Arc<OwnedSemaphorePermit>,
}

/// Accepts connections until the server is to stop.
pub(super) async fn accept(listener: TcpListener, app: Arc<App>) -> Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener).map_err(Error::network("listening"))?;
    let permits = Arc::new(Semaphore::new(app.options.limits.connections));
    let turned_away = Arc::new(Semaphore::new(MAX_TURNED_AWAY));
    let router = app.clone().router();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = app.stop.cancelled() => return Ok(()),
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!("a connection could not be accepted: {error}");
                tokio::time::sleep(ACCEPT_BACKOFF).await;
                continue;
            }
        };
        // Answers are small and must not wait for more of them.
        let _ = stream.set_nodelay(true);
        let (router, permit) = match permits.clone().try_acquire_owned() {
            Ok(permit) => (router.clone(), permit),
            Err(_) => match turned_away.clone().try_acquire_owned() {
                Ok(permit) => (Router::new().fallback(full), permit),
                Err(_) => continue,
            },
        };
        let permit = ConnectionPermit { _permit: Arc::new(permit) };
        app.tracker.spawn(connection(stream, router.layer(Extension(permit)), app.clone()));
    }
}

async fn full(request: Request<axum::body::Body>) -> impl IntoResponse {
    drop(request);
    let failure = Failure::status(StatusCode::SERVICE_UNAVAILABLE, "too many connections");
    ([(header::CONNECTION, "close")], failure)
}

/// Serves a connection until it ends or becomes a WebSocket.
async fn connection(stream: TcpStream, router: Router, app: Arc<App>) {
    let service = TowerToHyperService::new(router);
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(app.options.timeouts.request)
        .serve_connection::<_, TowerToHyperService<Router>>(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::pin!(serving);
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = app.stop.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!("a connection broke: {error}");
    }
}
