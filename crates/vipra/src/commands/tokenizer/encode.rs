//! `vipra tokenizer encode`.

use anyhow::Result;
use vipra_data::{OnError, OpenOptions};
use vipra_tokenizer::{EncodeConfig, encode_dataset};

use super::{Outcome, open_model};
use crate::cli::EncodeArgs;
use crate::output::print;
use crate::progress::Progress;

pub fn run(args: &EncodeArgs) -> Result<Outcome> {
    let trained = open_model(&args.model)?;
    let opening = Progress::new("opening", "videos");
    let show = |done, all| opening.set(done, all);
    let options = OpenOptions { fps: args.fps, on_error: OnError::Stop, progress: &show, ..OpenOptions::default() };
    let source = vipra_data::open(&args.dataset, &options)?;
    drop(opening);
    let config = EncodeConfig { camera: args.camera.clone(), split: args.split.clone() };
    let encoding = Progress::new("encoding", "frames");
    let frames = encode_dataset(&trained, source.as_ref(), &args.out, &config, &|done, all| encoding.set(done, all))?;
    drop(encoding);
    let done = if frames == 0 { "nothing was missing".to_owned() } else { format!("{frames} frames encoded") };
    print(&format!("{done}: {}\n", args.out.display()))?;
    Ok(Outcome::Done)
}
