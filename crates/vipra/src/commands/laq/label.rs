//! `vipra laq label`.

use anyhow::Result;
use vipra_data::labels::Shard;
use vipra_data::{DataConfig, SourceConfig};
use vipra_laq::label::{LabelConfig, label_dataset};

use super::{Outcome, open_model};
use crate::cli::LabelArgs;
use crate::commands::datasets::open_dataset;
use crate::files::check_outside;
use crate::output::print;
use crate::progress::Progress;
use crate::run_folder::tolerance_of_run;

pub fn run(args: &LabelArgs) -> Result<Outcome> {
    let trained = open_model(&args.model)?;
    check_outside([args.dataset.as_path()], &args.out, "the folder of labels")?;
    let data = DataConfig { tolerance_secs: tolerance_of_run(&trained.path), ..DataConfig::default() };
    let source = open_dataset(&data, &SourceConfig { fps: args.fps, ..SourceConfig::new(&args.dataset) })?;
    let config = LabelConfig {
        horizon: usize::from(args.horizon),
        camera: args.camera.clone(),
        split: args.split.clone(),
        shard: args.shard.unwrap_or(Shard::WHOLE),
    };
    let labelling = Progress::new("labelling", "frames");
    let frames = label_dataset(&trained, source.as_ref(), &args.out, &config, &|done, all| labelling.set(done, all))?;
    drop(labelling);
    let done = if frames == 0 { "nothing was missing".to_owned() } else { format!("{frames} frames labelled") };
    print(&format!("{done}: {}\n", args.out.display()))?;
    Ok(Outcome::Done)
}
