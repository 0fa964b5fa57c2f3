//! `vipra data convert`.

use anyhow::Result;
use vipra_data::Layout;
use vipra_data::convert::{ConvertOptions, Converted, convert};
use vipra_data::video::VideoOptions;

use super::{Outcome, counted, open, report_skipped};
use crate::cli::{ConvertArgs, SourceArgs, TargetFormat};
use crate::output::print;
use crate::progress::Progress;

pub fn run(args: &ConvertArgs) -> Result<Outcome> {
    let TargetFormat::LerobotV3 = args.to;
    let source = open(&SourceArgs { path: args.source.clone(), fps: source_rate(args), on_error: args.on_error })?;
    report_skipped(source.as_ref());
    let options = ConvertOptions {
        fps: args.fps,
        video: video_options(args),
        images: args.images,
        split: args.split.clone(),
        without_actions: args.no_actions,
    };
    let progress = Progress::new("converting", "episodes");
    let converted = convert(source.as_ref(), &args.target, &options, &|done, all| progress.set(done, all))?;
    drop(progress);
    print(&match converted {
        Converted::Written(episodes) => {
            format!("{} written to {}\n", counted(episodes, "episode"), args.target.display())
        }
        Converted::Already(episodes) => {
            format!("already converted: {} in {}\n", counted(episodes, "episode"), args.target.display())
        }
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
