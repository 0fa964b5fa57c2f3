//! `vipra data clips`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use serde_json::json;
use vipra_data::SourceConfig;
use vipra_data::clip::{Clip, ClipDataset, ClipLoader, LoaderState};
use vipra_data::contact_sheet::{SheetRow, contact_sheet};

use super::Outcome;
use crate::cli::ClipsArgs;
use crate::commands::datasets::check_outside_data;
use crate::config::{Config, load};
use crate::files::create_parent;
use crate::output::{plural, print, table, tell_skipped};
use crate::progress::Progress;
use crate::run_folder::RunFolder;
use crate::stage::Stage;

pub fn run(args: &ClipsArgs) -> Result<Outcome> {
    print(&draw_clips(args)?)?;
    Ok(Outcome::Done)
}

/// Samples clips and draws them. Returns the text to print.
pub fn draw_clips(args: &ClipsArgs) -> Result<String> {
    let config = resolve(args)?;
    args.contact_sheet.iter().try_for_each(|file| check_outside_data(&config.data, file, "the contact sheet"))?;
    args.run.iter().try_for_each(|folder| check_outside_data(&config.data, folder, "the run folder"))?;
    let opening = Progress::new("opening", "videos");
    let dataset = Arc::new(ClipDataset::open(config.data.clone(), &|done, all| opening.set(done, all))?);
    drop(opening);
    // Only now: a run that cannot begin leaves no folder that would belong to its configuration.
    let folder = args.run.as_ref().map(|path| RunFolder::create(path, &config, Stage::Videos, None)).transpose()?;
    args.contact_sheet.iter().try_for_each(|file| create_parent(file))?;
    let began = Instant::now();
    let (clips, loader) = sample(&dataset, args)?;
    let secs = began.elapsed().as_secs_f64();

    let labels: Vec<Vec<String>> = clips.iter().map(|clip| describe(&dataset, clip)).collect();
    let sheets = args.contact_sheet.iter().cloned().chain(folder.iter().map(|folder| folder.file("contact-sheet.png")));
    draw(&clips, &labels, sheets.collect())?;
    folder.iter().try_for_each(|folder| write_list(folder, &clips, &dataset, &loader))?;

    let frames: usize = clips.iter().map(|clip| clip.mask.len()).sum();
    let mut text = table(&["clip", "dataset", "episode", "start", "real", "instruction"], labels, usize::MAX);
    let per_epoch = dataset.sampler().clips_per_epoch();
    text.push_str(&format!("\n{} of {per_epoch} in an epoch; ", plural(clips.len(), "clip")));
    text.push_str(&format!("{} in {secs:.2} s\n", plural(frames, "frame")));
    tell_skipped(dataset.skipped().iter().chain(loader.skipped()));
    Ok(text)
}

/// Writes which clips were drawn, and what was left out.
fn write_list(folder: &RunFolder, clips: &[Clip], dataset: &ClipDataset, loader: &ClipLoader) -> Result<()> {
    let addresses: Vec<_> = clips.iter().map(|clip| clip.address).collect();
    let list = json!({
        "clips": addresses,
        "clips_per_epoch": dataset.sampler().clips_per_epoch(),
        "skipped_when_opening": dataset.skipped(),
        "skipped_clips": loader.skipped(),
    });
    // Not a training's summary: the folder may be that of one, by its own configuration.
    let file = folder.file("clips.json");
    std::fs::write(&file, serde_json::to_string_pretty(&list)?).with_context(|| format!("writing {}", file.display()))
}

/// Loads the configuration, with the sources of the command line in place of its own.
fn resolve(args: &ClipsArgs) -> Result<Config> {
    let mut config = load(&args.config)?;
    if !args.paths.is_empty() {
        config.data.sources = args.paths.iter().map(SourceConfig::new).collect();
    }
    if config.data.sources.is_empty() {
        anyhow::bail!("no data: name a dataset, or a configuration with `data.sources`");
    }
    for source in &mut config.data.sources {
        source.fps = args.fps.or(source.fps);
        source.camera = args.camera.clone().or(source.camera.take());
        source.split = args.split.clone().or(source.split.take());
        // A resolved configuration means the same from everywhere.
        source.path = std::path::absolute(&source.path)?;
    }
    Ok(config)
}

fn sample(dataset: &Arc<ClipDataset>, args: &ClipsArgs) -> Result<(Vec<Clip>, ClipLoader)> {
    let progress = Progress::new("decoding", "clips");
    let count = args.count.min(dataset.sampler().clips_per_epoch() as usize);
    let mut loader = ClipLoader::start(dataset.clone(), LoaderState { epoch: args.epoch, index: 0 })?;
    let mut clips = Vec::with_capacity(count);
    while clips.len() < count {
        clips.push(loader.next_clip()?);
        progress.set(clips.len(), count);
    }
    Ok((clips, loader))
}

/// Describes a clip, in the columns of the table.
fn describe(dataset: &ClipDataset, clip: &Clip) -> Vec<String> {
    let source = dataset.source(clip.address.source);
    let episode = &source.episodes()[clip.address.episode];
    let name = source.description().root.file_name().map(|name| name.to_string_lossy().into_owned());
    let real = clip.mask.iter().filter(|&&real| real).count();
    vec![
        clip.index.to_string(),
        name.unwrap_or_default(),
        episode.name.clone(),
        format!("{:.2} s", clip.address.start as f64 / episode.fps),
        format!("{real}/{}", clip.mask.len()),
        episode.instruction().unwrap_or_default().to_owned(),
    ]
}

fn draw(clips: &[Clip], labels: &[Vec<String>], files: Vec<PathBuf>) -> Result<()> {
    if files.is_empty() {
        return Ok(());
    }
    let row = |(clip, label): (&Clip, &Vec<String>)| {
        let label = format!("{} episode {} at {}  {}", label[1], label[2], label[3], label[5]);
        SheetRow::from_clip(clip, label)
    };
    let sheet = contact_sheet(&clips.iter().zip(labels).map(row).collect::<Vec<_>>());
    files.iter().try_for_each(|file| Ok(sheet.save_png(file)?))
}
