//! `vipra tokenizer reconstruct`.

use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::json;
use vipra_tokenizer::reconstruct::reconstruct;
use vipra_train::{Scalars, as_json};

use super::train::HELD_OUT;
use super::{Outcome, open_model};
use crate::cli::ReconstructArgs;
use crate::commands::datasets::{check_outside_data, measured_on};
use crate::output::{print, print_json};
use crate::progress::Progress;
use crate::training_end::held_out_table;

pub fn run(args: &ReconstructArgs) -> Result<Outcome> {
    let written = write_reconstructions(args)?;
    if args.json {
        let Reconstructions { fingerprint, numbers, pictures } = &written;
        print_json(&json!({ "model": fingerprint, "held_out": as_json(numbers), "pictures": pictures }))?;
    } else {
        let (count, out) = (written.pictures.len(), args.out.display());
        print(&format!("{}\n{count} pictures written to {out}\n", held_out_table(&written.numbers, HELD_OUT)))?;
    }
    Ok(Outcome::Done)
}

/// Held-out frames that were rebuilt.
pub struct Reconstructions {
    /// The model's.
    fingerprint: String,
    /// Held-out numbers.
    numbers: Scalars,
    /// The files.
    pictures: Vec<PathBuf>,
}

/// Rebuilds held-out frames, and writes pictures of them.
pub fn write_reconstructions(args: &ReconstructArgs) -> Result<Reconstructions> {
    let trained = open_model(&args.model)?;
    let config = measured_on(&args.model.model, &args.datasets)?;
    check_outside_data(&config.data, &args.out, "the folder of pictures")?;
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
    Ok(Reconstructions { fingerprint: trained.fingerprint, numbers: rebuilt.evaluation.scalars(), pictures })
}
