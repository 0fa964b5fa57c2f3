//! Flags of `vipra config`.

use clap::Subcommand;

use crate::config::ConfigArgs;

/// Commands on configurations.
#[derive(Subcommand)]
pub enum ConfigCommand {
    /// Print the whole configuration, defaults included, with what each key means.
    Show(ConfigArgs),
    /// Check a configuration and list everything that is wrong with it.
    Check(ConfigArgs),
}
