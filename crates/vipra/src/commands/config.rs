//! `vipra config`.

use anyhow::Result;

use super::Outcome;
use crate::cli::ConfigCommand;
use crate::config::{Faults, load, to_toml};
use crate::output::print;

pub fn run(command: ConfigCommand) -> Result<Outcome> {
    match command {
        ConfigCommand::Show(args) => {
            print(&to_toml(&load(&args.into())?)?)?;
            Ok(Outcome::Done)
        }
        ConfigCommand::Check(args) => match load(&args.into()).map_err(|error| error.downcast::<Faults>()) {
            Ok(_) => {
                print("no faults\n")?;
                Ok(Outcome::Done)
            }
            Err(Ok(faults)) => {
                print(&format!("{faults}\n"))?;
                Ok(Outcome::CheckFailed)
            }
            Err(Err(error)) => Err(error),
        },
    }
}
