//! `vipra tokenizer`.

mod encode;
mod import;
mod reconstruct;
mod train;

use anyhow::Result;
use vipra_tokenizer::TrainedTokenizer;

pub use reconstruct::write_reconstructions;
pub use train::run_training;

use super::Outcome;
use super::device;
use crate::cli::{ModelArgs, TokenizerCommand};

pub fn run(command: TokenizerCommand) -> Result<Outcome> {
    match command {
        TokenizerCommand::Train(args) => train::run(&args),
        TokenizerCommand::Encode(args) => encode::run(&args),
        TokenizerCommand::Reconstruct(args) => reconstruct::run(&args),
        TokenizerCommand::Import(args) => import::run(&args),
    }
}

fn open_model(args: &ModelArgs) -> Result<TrainedTokenizer> {
    Ok(TrainedTokenizer::open(&args.model, &device(&args.device)?)?)
}
