//! Starting, routing and stopping.

mod app;
mod connections;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use vipra_control::{Policy, PolicyDescription};

use crate::policy_thread::PolicyHandle;
use crate::{Error, Result, ServeOptions};
pub(crate) use app::App;
pub(crate) use connections::ConnectionPermit;

/// Threads of the network; the policy has its own.
const NETWORK_THREADS: usize = 2;

/// Serves a policy until SIGINT or SIGTERM comes.
///
/// # Errors
/// Options that are not safe, an address that cannot be had, a policy whose first inference fails.
pub fn serve(policy: Box<dyn Policy>, options: ServeOptions) -> Result<()> {
    let server = Server::start(policy, options)?;
    server.stop_on_signals();
    server.wait()
}

#[cfg(unix)]
async fn signalled() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

#[cfg(not(unix))]
async fn signalled() -> std::io::Result<()> {
    tokio::signal::ctrl_c().await
}

/// A server that runs beside its caller.
pub struct Server {
    address: SocketAddr,
    stop: CancellationToken,
    runtime_handle: tokio::runtime::Handle,
    thread: JoinHandle<Result<()>>,
}

impl Server {
    /// Starts a server; it listens when this returns, and is healthy after the policy's first inference.
    ///
    /// # Errors
    /// Options that are not safe, and an address that cannot be had.
    pub fn start(policy: Box<dyn Policy>, options: ServeOptions) -> Result<Self> {
        options.check()?;
        check_assumed_state(&options, policy.describe())?;
        let listener = listen(options.address)?;
        let address = listener.local_addr().map_err(Error::network("reading the address"))?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(NETWORK_THREADS)
            .thread_name("network")
            .enable_all()
            .build()
            .map_err(Error::network("starting the network's threads"))?;
        let runtime_handle = runtime.handle().clone();
        let stop = CancellationToken::new();
        let description = policy.describe().clone();
        let (policy, policy_thread) = PolicyHandle::start(policy, options.default_prompt.as_deref(), &options.limits)?;
        let app = Arc::new(App::new(description, options, policy, stop.clone())?);
        tracing::info!("listening on {address}");
        let thread = std::thread::Builder::new()
            .name("server".to_owned())
            .spawn(move || run(&runtime, listener, app, policy_thread))
            .map_err(Error::network("starting the server's thread"))?;
        Ok(Self { address, stop, runtime_handle, thread })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops when SIGINT or SIGTERM comes, which from now on end nothing else.
    pub fn stop_on_signals(&self) {
        let stop = self.stop.clone();
        self.runtime_handle.spawn(async move {
            match signalled().await {
                Ok(()) => stop.cancel(),
                Err(error) => tracing::warn!("signals cannot be waited for: {error}"),
            }
        });
    }

    /// Waits until it ends.
    ///
    /// # Errors
    /// A policy whose first inference failed.
    pub fn wait(self) -> Result<()> {
        self.thread.join().unwrap_or(Err(Error::Stopping))
    }

    /// Takes no more requests, answers those that it has, and ends.
    ///
    /// # Errors
    /// Those of [`Server::wait`].
    pub fn stop(self) -> Result<()> {
        self.stop.cancel();
        self.wait()
    }
}

/// Refuses to assume a state that the policy would refuse in every request.
fn check_assumed_state(options: &ServeOptions, description: &PolicyDescription) -> Result<()> {
    let (Some(state), Some(proprio)) = (&options.http_assumed_state, &description.proprio) else { return Ok(()) };
    let wanted = proprio.names.len();
    match state.len() == wanted && state.iter().all(|value| value.is_finite()) {
        true => Ok(()),
        false => Err(Error::Options(format!("{state:?} is no state of the policy's {wanted} dimensions"))),
    }
}

/// A socket that has the address at once, also where a server ended a moment ago.
fn listen(address: SocketAddr) -> Result<TcpListener> {
    let listener = TcpListener::bind(address).map_err(Error::network(format!("listening on {address}")))?;
    listener.set_nonblocking(true).map_err(Error::network("making the socket non-blocking"))?;
    Ok(listener)
}

fn run(runtime: &Runtime, listener: TcpListener, app: Arc<App>, policy_thread: JoinHandle<Result<()>>) -> Result<()> {
    let (stop, tracker, timeouts) = (app.stop.clone(), app.tracker.clone(), app.options.timeouts);
    // The policy's thread ends before the others only if its warm-up fails.
    let (ended, mut policy_ended) = tokio::sync::oneshot::channel();
    let watcher = std::thread::Builder::new().name("watcher".to_owned()).spawn(move || {
        let result = policy_thread.join().unwrap_or_else(|_| Err(Error::NeverReady("it panicked".to_owned())));
        let _ = ended.send(result);
    });
    watcher.map_err(Error::network("starting a thread"))?;
    runtime.block_on(async {
        let accepting = connections::accept(listener, app);
        tokio::select! {
            accepted = accepting => accepted?,
            result = &mut policy_ended => return result.unwrap_or(Err(Error::Stopping)),
        }
        debug_assert!(stop.is_cancelled());
        tracker.close();
        if tokio::time::timeout(timeouts.shutdown, tracker.wait()).await.is_err() {
            tracing::warn!("some requests were given up");
            return Ok(());
        }
        // Every connection is gone, and with them every way to the policy.
        match tokio::time::timeout(timeouts.shutdown, policy_ended).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) | Err(_) => Ok(()),
        }
    })
}
