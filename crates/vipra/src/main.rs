//! The `vipra` command: parse, load the configuration, call a crate, print.
//!
//! Exit codes: 0 done, 1 a check failed, 2 could not run. Results go to standard output, the log and progress bars to
//! standard error.

mod cli;
mod commands;
mod config;
mod files;
mod log;
mod output;
mod progress;
mod run_folder;
mod stage;
mod training_end;
mod training_progress;

use std::io;
use std::process::ExitCode;

use clap::Parser;

use cli::Cli;
use commands::Outcome;

fn main() -> ExitCode {
    quiet_encoders();
    // Training frees and takes the same megabytes in every step.
    vipra_nn::memory::keep_freed();
    vipra_nn::threads::start();
    let cli = Cli::parse();
    log::init(cli.log_level());
    match commands::run(cli) {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::CheckFailed) => ExitCode::from(1),
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// SVT-AV1 reports its settings, and that it was interrupted, on standard error unless it is told not to; what matters
/// comes back as an error of ours.
fn quiet_encoders() {
    if std::env::var_os("SVT_LOG").is_none() {
        // SAFETY: nothing else runs yet that could read the environment.
        unsafe { std::env::set_var("SVT_LOG", "0") };
    }
}

/// Whoever read our output has seen enough, as in `vipra data inspect … | head`.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let as_io = error.chain().find_map(|cause| cause.downcast_ref::<io::Error>());
    as_io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
