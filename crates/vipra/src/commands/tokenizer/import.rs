//! `vipra tokenizer import`.

use anyhow::Result;
use burn::tensor::Device;
use vipra_tokenizer::TrainedTokenizer;

use super::Outcome;
use crate::cli::ImportArgs;
use crate::config::load;
use crate::files::create_parent;
use crate::output::print;

pub fn run(args: &ImportArgs) -> Result<Outcome> {
    let config = load(&args.config)?.tokenizer;
    create_parent(&args.out)?;
    TrainedTokenizer::import(&config.description(), &args.weights, &args.out, &Device::flex())?;
    print(&format!("weights in {}\n", args.out.display()))?;
    Ok(Outcome::Done)
}
