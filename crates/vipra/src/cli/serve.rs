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
    /// The port; 0 picks a free one.
    #[arg(long, default_value_t = vipra_serve::DEFAULT_PORT, value_name = "PORT")]
    pub port: u16,
    /// The address to listen on. Anything but loopback needs --token-file or --insecure.
    #[arg(long, default_value = "127.0.0.1", value_name = "ADDRESS")]
    pub host: String,
    /// A file with the token that clients must send, as `Authorization: Bearer …` or openpi's `Api-Key …`.
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    pub token_file: Option<PathBuf>,
    /// Serve without a token: whoever reaches the address may use the policy, except web pages (requests with an `Origin`
    /// header), which are always refused.
    #[arg(long)]
    pub insecure: bool,
    /// Units of actions over HTTP. ViPRA's published client expects normalized ones and converts them; over WebSocket they are
    /// always the robot's.
    #[arg(long, value_enum, default_value = "normalized", value_name = "UNITS")]
    pub http_units: UnitsArg,
    /// Accept HTTP requests without `state`, and assume the mean state of the demonstrations: for ViPRA's published client,
    /// which sends none. A policy that was finetuned with states acts worse by it.
    #[arg(long)]
    pub http_assume_state: bool,
    /// The instruction for WebSocket requests without one.
    #[arg(long, value_name = "TEXT")]
    pub default_prompt: Option<String>,
    /// Maximum number of connections at once.
    #[arg(long, default_value_t = 64, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub connections: u16,
    /// Maximum number of waiting requests to answer in one inference.
    #[arg(long, default_value_t = 16, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub batch: u16,
    /// Maximum size of a request, in MiB.
    #[arg(long, default_value_t = 32, value_name = "MIB", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub message_mib: u16,
    /// Maximum width and height of an image, in pixels.
    #[arg(long, default_value_t = 2048, value_name = "PIXELS", value_parser = clap::value_parser!(u16).range(1..=16384))]
    pub image_side: u16,
    /// Random seed of the policy's sampling.
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
