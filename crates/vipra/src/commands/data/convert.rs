//! `vipra data convert`.

use anyhow::Result;
use vipra_data::convert::{ConvertOptions, convert};
use vipra_data::video::VideoOptions;

use super::{Outcome, counted, open};
use crate::cli::{ConvertArgs, SourceArgs, TargetFormat};
use crate::output::print;
use crate::progress::Progress;

pub fn run(args: &ConvertArgs) -> Result<Outcome> {
    let TargetFormat::LerobotV3 = args.to;
    let source = open(&SourceArgs { path: args.source.clone(), fps: args.fps.map(f64::from) })?;
    let options = ConvertOptions {
        fps: args.fps,
        video: VideoOptions { codec: args.codec, gop: args.gop, crf: args.crf },
        images: args.images,
        split: args.split.clone(),
        without_actions: args.no_actions,
    };
    let progress = Progress::new("converting", "episodes");
    let episodes = convert(source.as_ref(), &args.target, &options, &|done, all| progress.set(done, all))?;
    drop(progress);
    print(&format!("{} written to {}\n", counted(episodes, "episode"), args.target.display()))?;
    Ok(Outcome::Done)
}
