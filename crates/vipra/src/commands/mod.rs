//! One file a command; each calls a crate and prints.

mod config;
mod data;
mod datasets;
mod eval;
mod finetune;
mod info;
mod laq;
mod policy;
mod predict;
mod pretrain;
mod report;
mod run;
mod serve;
mod sim;
mod tokenizer;

use anyhow::Result;
use burn::tensor::Device;
use clap::CommandFactory;

pub use crate::stage::Stage;

use crate::cli::{Cli, Command, DeviceArgs};

/// How a command ended that could run.
pub enum Outcome {
    /// All is well.
    Done,
    /// It found what it was looking for: faults.
    CheckFailed,
}

/// Opens the device that is named.
fn device(args: &DeviceArgs) -> Result<Device> {
    Ok(vipra_nn::device::named(&args.device)?)
}

/// Runs the command.
///
/// # Errors
/// Whatever keeps it from running.
pub fn run(cli: Cli) -> Result<Outcome> {
    match cli.command {
        Command::Run(args) => run::run(&args),
        Command::Data(command) => data::run(command),
        Command::Laq(command) => laq::run(command),
        Command::Tokenizer(command) => tokenizer::run(command),
        Command::Pretrain(args) => pretrain::run(&args),
        Command::Predict(args) => predict::run(&args),
        Command::Finetune(args) => finetune::run(&args),
        Command::Policy(command) => policy::run(command),
        Command::Serve(args) => serve::run(&args),
        Command::Sim(command) => sim::run(command),
        Command::Eval(args) => eval::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Config(command) => config::run(command),
        Command::Info => info::run(),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "vipra", &mut script);
            crate::output::print(&String::from_utf8_lossy(&script))?;
            Ok(Outcome::Done)
        }
    }
}
