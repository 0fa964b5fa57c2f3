//! `vipra serve`.

use std::net::{SocketAddr, ToSocketAddrs};

use anyhow::{Context, Result};
use vipra_control::Policy;
use vipra_policy::policy::Package;
use vipra_serve::{Access, Limits, ServeOptions, Server, Token};

use super::Outcome;
use super::device;
use super::policy::open_package;
use crate::cli::ServeArgs;
use crate::output::print;

pub fn run(args: &ServeArgs) -> Result<Outcome> {
    let mut options = options(args)?;
    // Before the weights are read: that takes longer than saying no.
    options.check().context("see --token-file and --insecure")?;
    let package = open_package(&args.package, &args.crops)?;
    options.execution = Some(package.specification.execution);
    let policy = policy(&package, args)?;
    if args.http_assume_state && policy.describe().proprio.is_some() {
        tracing::warn!(
            "/step and /step_bytes without a state are answered as if the robot stood still in the middle of its states"
        );
    }
    let server = Server::start(policy, options)?;
    server.stop_on_signals();
    let address = server.address();
    let path = args.package.display();
    print(&format!("serving {path} on http://{address} and ws://{address}; Ctrl-C ends it\n"))?;
    server.wait()?;
    Ok(Outcome::Done)
}

fn policy(package: &Package, args: &ServeArgs) -> Result<Box<dyn Policy>> {
    let mut policy = package.policy(&device(&args.device)?)?;
    policy.seed(args.seed);
    Ok(Box::new(policy))
}

fn options(args: &ServeArgs) -> Result<ServeOptions> {
    let access = match &args.token_file {
        Some(file) => Access::Token(Token::from_file(file)?),
        None if args.insecure => Access::Anyone,
        None => Access::Loopback,
    };
    let limits = Limits {
        message_bytes: usize::from(args.message_mib) << 20,
        image_side: args.image_side.into(),
        connections: args.connections.into(),
        // Each connection waits for one answer at a time, so that none is turned away.
        waiting: args.connections.into(),
        batch: args.batch.into(),
    };
    Ok(ServeOptions {
        address: address(&args.host, args.port)?,
        access,
        http_units: args.http_units.into(),
        http_assume_state: args.http_assume_state,
        default_prompt: args.default_prompt.clone(),
        limits,
        ..ServeOptions::default()
    })
}

fn address(host: &str, port: u16) -> Result<SocketAddr> {
    let mut addresses = (host, port).to_socket_addrs().with_context(|| format!("looking up {host}"))?;
    addresses.next().with_context(|| format!("{host} has no address"))
}
