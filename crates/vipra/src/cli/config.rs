//! Flags of `vipra config`.

use clap::{Args, Subcommand};

use crate::config::ConfigArgs;

/// Commands on configurations.
#[derive(Subcommand)]
pub enum ConfigCommand {
    /// Print the whole configuration, defaults included, with what each key means.
    Show(NamedConfigArgs),
    /// Check a configuration and list everything that is wrong with it.
    Check(NamedConfigArgs),
}

/// A configuration, which is named as that of a run or as those of other commands.
#[derive(Args)]
pub struct NamedConfigArgs {
    /// The same as --config.
    #[arg(value_name = "CONFIG", conflicts_with = "config")]
    name: Option<String>,
    #[command(flatten)]
    named: ConfigArgs,
}

impl From<NamedConfigArgs> for ConfigArgs {
    fn from(args: NamedConfigArgs) -> Self {
        let NamedConfigArgs { name, named } = args;
        Self { config: name.or(named.config), set: named.set }
    }
}
