//! What is said when a stage fails: which, why, and how to go on.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::cli::RunArgs;
use crate::stage::Stage;

/// A stage that could not be made.
#[derive(Debug)]
pub struct StageFailed {
    stage: Stage,
    error: anyhow::Error,
    run: PathBuf,
    command: String,
}

impl StageFailed {
    /// `command` is what goes on with the run.
    pub fn new(stage: Stage, error: anyhow::Error, run: &Path, command: &str) -> Self {
        Self { stage, error, run: run.to_path_buf(), command: command.to_owned() }
    }
}

impl fmt::Display for StageFailed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let folder = self.run.join(self.stage.folder());
        writeln!(formatter, "the stage {} failed: {:#}", self.stage.name(), self.error)?;
        writeln!(formatter, "  the log of the run is {}", self.run.join(super::LOG).display())?;
        let metrics = folder.join(vipra_train::METRICS_FILE);
        if metrics.is_file() {
            writeln!(formatter, "  numbers of its steps are in {}", metrics.display())?;
        }
        write!(formatter, "  once that is mended, this goes on:\n  {}", self.command)
    }
}

// What it was caused by stands in its text already.
impl std::error::Error for StageFailed {}

/// The command that goes on with a run. Without --from: what is made again is made again once.
pub fn command(args: &RunArgs, run: &Path) -> String {
    let mut words = vec!["vipra".to_owned(), "run".to_owned(), args.config.clone()];
    let mut flag = |name: &str, value: String| words.extend([name.to_owned(), value]);
    flag("--run", run.display().to_string());
    args.data.iter().for_each(|path| flag("--data", path.display().to_string()));
    args.set.iter().for_each(|set| flag("--set", set.clone()));
    args.until.iter().for_each(|stage| flag("--until", stage.name().to_owned()));
    if args.device.device != "flex" {
        flag("--device", args.device.device.clone());
    }
    // Only a NUL, which no argument can have, cannot be quoted.
    shlex::try_join(words.iter().map(String::as_str)).unwrap_or_else(|_nul| words.join(" "))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    #[test]
    fn the_command_can_be_pasted() {
        let given = ["vipra", "run", "tiny", "--set", "a.b=\"c d\"", "--from", "laq", "--until", "pretrain"];
        let Command::Run(args) = Cli::parse_from(given).command else { panic!("another command") };
        let command = command(&args, Path::new("my run"));
        assert_eq!(command, "vipra run tiny --run 'my run' --set 'a.b=\"c d\"' --until pretrain");
    }
}
