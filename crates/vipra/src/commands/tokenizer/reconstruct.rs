//! `vipra tokenizer reconstruct`.

use anyhow::{Context, Result};
use serde_json::json;
use vipra_tokenizer::reconstruct::reconstruct;

use super::train::HELD_OUT;
use super::{Outcome, open_model};
use crate::cli::ReconstructArgs;
use crate::commands::laq::split_datasets;
use crate::config::Config;
use crate::output::{print, print_json};
use crate::progress::Progress;
use crate::run_folder::config_of_run;
use crate::training_end::{as_json, held_out_table};

pub fn run(args: &ReconstructArgs) -> Result<Outcome> {
    let trained = open_model(&args.model)?;
    let mut config = if args.paths.is_empty() { config_of_run(&args.model.model)? } else { Config::default() };
    split_datasets(&mut config.data, &args.paths, args.fps, args.camera.as_deref())?;
    std::fs::create_dir_all(&args.out).with_context(|| format!("making {}", args.out.display()))?;
    let rebuilding = Progress::new("rebuilding", "frames");
    let show = |done, all| rebuilding.set(done, all);
    let rebuilt = reconstruct(&trained, &config.data, args.frames as usize, usize::from(args.strips), &show)?;
    drop(rebuilding);
    let mut pictures = Vec::new();
    for (number, strip) in rebuilt.strips.iter().enumerate() {
        let file = args.out.join(format!("strip-{number:03}.png"));
        strip.save_png(&file)?;
        pictures.push(file);
    }
    let numbers = rebuilt.evaluation.scalars();
    if args.json {
        print_json(&json!({ "model": trained.fingerprint, "held_out": as_json(&numbers), "pictures": pictures }))?;
    } else {
        let count = pictures.len();
        print(&format!(
            "{}\n{count} pictures written to {}\n",
            held_out_table(&numbers, HELD_OUT),
            args.out.display()
        ))?;
    }
    Ok(Outcome::Done)
}
