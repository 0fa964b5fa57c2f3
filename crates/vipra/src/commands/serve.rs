//! `vipra serve`.

use std::net::{SocketAddr, ToSocketAddrs};

use anyhow::{Context, Result};
use vipra_control::Policy;
use vipra_data::stats::Stats;
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
    options.check()?;
    let package = open_package(&args.package, &args.crops)?;
    options.execution = Some(package.specification.execution);
    options.http_assumed_state = if args.http_assume_state { assumed_state(&package)? } else { None };
    if let Some(state) = &options.http_assumed_state {
        tracing::warn!("/step and /step_bytes without a state are answered as if the robot stood still at {state:?}");
    }
    let server = Server::start(policy(package, args)?, options)?;
    server.stop_on_signals();
    let address = server.address();
    let path = args.package.display();
    print(&format!("serving {path} on http://{address} and ws://{address}; Ctrl-C ends it\n"))?;
    server.wait()?;
    Ok(Outcome::Done)
}

fn policy(package: Package, args: &ServeArgs) -> Result<Box<dyn Policy>> {
    let mut policy = package.into_policy(&device(&args.device)?)?;
    policy.seed(args.seed);
    Ok(Box::new(policy))
}

/// Returns the mean state of the demonstrations, `[dimensions]`, if the policy sees states.
fn assumed_state(package: &Package) -> Result<Option<Vec<f32>>> {
    let proprio = package.specification.control.proprio.as_ref();
    let feature = &package.specification.features.state;
    let mean = proprio.map(|proprio| mean(&package.statistics, feature, proprio.names.len()));
    mean.transpose().context("--http-assume-state")
}

fn mean(statistics: &Stats, feature: &str, width: usize) -> Result<Vec<f32>> {
    let mean = statistics.get(feature).map(|stats| &stats.mean).filter(|mean| mean.len() == width);
    let mean = mean.with_context(|| format!("the package has no mean of `{feature}` in {width} dimensions"))?;
    Ok(mean.iter().map(|value| *value as f32).collect())
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
        default_prompt: args.default_prompt.clone(),
        seed: Some(args.seed),
        limits,
        ..ServeOptions::default()
    })
}

fn address(host: &str, port: u16) -> Result<SocketAddr> {
    let mut addresses = (host, port).to_socket_addrs().with_context(|| format!("looking up {host}"))?;
    addresses.next().with_context(|| format!("{host} has no address"))
}

#[cfg(test)]
mod tests {
    use vipra_data::stats::Collector;
    use vipra_data::{Rows, Values};

    use super::*;

    /// A normaliser's offset is zero for dimensions that are not scaled.
    #[test]
    fn the_assumed_state_is_the_mean_of_the_demonstrations() {
        let mut rows = Rows { length: 2, ..Rows::default() };
        rows.insert("observation.state", 2, Values::F64(vec![1.0, 10.0, 3.0, 30.0])).unwrap();
        let mut collector = Collector::default();
        collector.add_rows(&rows);
        let statistics = collector.finish();
        assert_eq!(mean(&statistics, "observation.state", 2).unwrap(), [2.0, 20.0]);
        for (feature, width) in [("state", 2), ("observation.state", 3)] {
            let error = mean(&statistics, feature, width).unwrap_err().to_string();
            assert!(error.contains(&format!("no mean of `{feature}`")), "{error}");
        }
    }
}
