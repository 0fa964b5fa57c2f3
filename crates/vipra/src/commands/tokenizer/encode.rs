//! `vipra tokenizer encode`.

use anyhow::Result;
use vipra_data::{DataConfig, SourceConfig};
use vipra_tokenizer::{EncodeConfig, encode_dataset};

use super::{Outcome, open_model};
use crate::cli::EncodeArgs;
use crate::commands::datasets::open_dataset;
use crate::files::check_outside;
use crate::output::print;
use crate::progress::Progress;
use crate::run_folder::tolerance_of_run;

pub fn run(args: &EncodeArgs) -> Result<Outcome> {
    let trained = open_model(&args.model)?;
    check_outside([args.dataset.as_path()], &args.out, "the folder of tokens")?;
    let data = DataConfig { tolerance_secs: tolerance_of_run(&trained.path), ..DataConfig::default() };
    let source = open_dataset(&data, &SourceConfig { fps: args.fps, ..SourceConfig::new(&args.dataset) })?;
    let config = EncodeConfig { camera: args.camera.clone(), split: args.split.clone() };
    let encoding = Progress::new("encoding", "frames");
    let frames = encode_dataset(&trained, source.as_ref(), &args.out, &config, &|done, all| encoding.set(done, all))?;
    drop(encoding);
    let done = if frames == 0 { "nothing was missing".to_owned() } else { format!("{frames} frames encoded") };
    print(&format!("{done}: {}\n", args.out.display()))?;
    Ok(Outcome::Done)
}
