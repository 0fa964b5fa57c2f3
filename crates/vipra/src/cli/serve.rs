//! Flags of `vipra serve`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::common::DeviceArgs;
use super::policy::CropsArgs;

/// What to serve, and to whom.
#[derive(Args)]
pub struct ServeArgs {
    /// The policy: a package, or the folder of the run that made it.
    pub package: PathBuf,
    /// The port; 0 is any that is free.
    #[arg(long, default_value_t = vipra_serve::DEFAULT_PORT, value_name = "PORT")]
    pub port: u16,
    /// The address to listen on. One that others can reach needs --token-file or --insecure.
    #[arg(long, default_value = "127.0.0.1", value_name = "ADDRESS")]
    pub host: String,
    /// A file with a token that clients have to send, as `Authorization: Bearer …` or openpi's `Api-Key …`.
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    pub token_file: Option<PathBuf>,
    /// Let whoever reaches the address use the policy.
    #[arg(long)]
    pub insecure: bool,
    /// Units of the actions of /step and /step_bytes. ViPRA's published client takes normalized ones to the robot's itself;
    /// those of the WebSocket are always the robot's.
    #[arg(long, value_enum, default_value = "normalized", value_name = "UNITS")]
    pub http_units: UnitsArg,
    /// Answer /step and /step_bytes without a `state` as if the robot stood in the middle of the demonstrations' states. For ViPRA's
    /// published client, which sends none; a policy that was finetuned with states acts worse by it.
    #[arg(long)]
    pub http_assume_state: bool,
    /// The instruction of WebSocket requests that bring none.
    #[arg(long, value_name = "TEXT")]
    pub default_prompt: Option<String>,
    /// Connections at a time.
    #[arg(long, default_value_t = 64, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub connections: u16,
    /// Requests that are answered in one inference, when so many wait.
    #[arg(long, default_value_t = 16, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub batch: u16,
    /// Most bytes of a request, in MiB.
    #[arg(long, default_value_t = 32, value_name = "MIB", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub message_mib: u16,
    /// Most pixels of an image's row or column.
    #[arg(long, default_value_t = 2048, value_name = "PIXELS", value_parser = clap::value_parser!(u16).range(1..=16384))]
    pub image_side: u16,
    /// Seed of what the policy draws.
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub seed: u64,
    #[command(flatten)]
    pub crops: CropsArgs,
    #[command(flatten)]
    pub device: DeviceArgs,
}

/// Units of actions.
#[derive(Clone, Copy, ValueEnum)]
pub enum UnitsArg {
    /// The model's.
    Normalized,
    /// The robot's.
    Robot,
}

impl From<UnitsArg> for vipra_serve::Units {
    fn from(argument: UnitsArg) -> Self {
        match argument {
            UnitsArg::Normalized => Self::Normalized,
            UnitsArg::Robot => Self::Robot,
        }
    }
}
