//! `vipra data convert`.

use anyhow::Result;
use vipra_data::Layout;
use vipra_data::convert::{ConvertOptions, convert};
use vipra_data::video::VideoOptions;

use super::{Outcome, open};
use crate::cli::{ConvertArgs, SourceArgs, TargetFormat};
use crate::output::{plural, print, tell_skipped};
use crate::progress::Progress;

pub fn run(args: &ConvertArgs) -> Result<Outcome> {
    let TargetFormat::LerobotV3 = args.to;
    let source = open(&SourceArgs { path: args.source.clone(), fps: source_rate(args), on_error: args.on_error })?;
    tell_skipped(&source.description().skipped);
    let options = ConvertOptions {
        fps: args.fps,
        video: video_options(args),
        images: args.images,
        split: args.split.clone(),
        without_actions: args.no_actions,
        on_error: args.on_error.into(),
    };
    let progress = Progress::new("converting", "episodes");
    let converted = convert(source.as_ref(), &args.target, &options, &|done, all| progress.set(done, all))?;
    drop(progress);
    tell_skipped(&converted.skipped);
    let episodes = plural(converted.episodes, "episode");
    let without = match converted.skipped.len() {
        0 => String::new(),
        count => format!(", {count} left out"),
    };
    print(&match converted.was_complete {
        false => format!("{episodes} written to {}{without}\n", args.target.display()),
        true => format!("already converted: {episodes} in {}{without}\n", args.target.display()),
    })?;
    Ok(Outcome::Done)
}

/// Frame folders carry no rate: what is written is what was recorded, unless said otherwise.
fn source_rate(args: &ConvertArgs) -> Option<f64> {
    let is_frame_folder = matches!(Layout::detect(&args.source), Ok(Layout::FrameFolder));
    args.source_fps.or_else(|| args.fps.map(f64::from).filter(|_| is_frame_folder))
}

/// Encoder settings, if any were asked for.
fn video_options(args: &ConvertArgs) -> Option<VideoOptions> {
    if args.codec.is_none() && args.gop.is_none() && args.crf.is_none() {
        return None;
    }
    let default = VideoOptions::default();
    Some(VideoOptions {
        codec: args.codec.unwrap_or(default.codec),
        gop: args.gop.unwrap_or(default.gop),
        crf: args.crf.unwrap_or(default.crf),
    })
}
