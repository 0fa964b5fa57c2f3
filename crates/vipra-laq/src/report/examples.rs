//! Example pictures: rebuilt frames, and codes of one clip applied to the first frame of another.

use burn::tensor::{Device, Tensor};
use serde::Serialize;
use vipra_data::contact_sheet::{SheetRow, contact_sheet};
use vipra_data::picture::{side_by_side, to_gif, to_png};
use vipra_data::video::DecoderPool;
use vipra_data::{Frame, sample_evenly_by_task};
use vipra_page::Picture;

use super::selection::Selection;
use crate::frames::to_pictures;
use crate::{Description, Laq, Result, TrainedLaq};

/// A picture with its caption.
#[derive(Debug, Clone, Serialize)]
pub struct Example {
    /// What it shows.
    pub kind: ExampleKind,
    /// Which clips it shows.
    pub caption: String,
    /// Name of its file, if it is written to one.
    pub file: String,
    /// The picture.
    #[serde(skip)]
    pub picture: Picture,
}

/// What a picture shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExampleKind {
    /// True frames above, rebuilt ones below.
    Reconstruction,
    /// A clip, and its codes applied to the first frame of another.
    Swap,
    /// The same, animated.
    SwapAnimation,
}

/// A clip of a held-out episode.
struct Sample {
    name: String,
    /// `[1, time, 3, height, width]`
    clip: Tensor<5>,
}

impl Example {
    /// Examples of `wanted` held-out episodes.
    ///
    /// # Errors
    /// What is wrong with their videos.
    pub(super) fn all(
        trained: &TrainedLaq,
        held_out: &[Selection],
        wanted: usize,
        decoders: &mut DecoderPool,
        device: &Device,
    ) -> Result<Vec<Self>> {
        let samples = samples(&trained.description, held_out, wanted, decoders, device)?;
        let mut examples = Vec::new();
        for (at, sample) in samples.iter().enumerate() {
            examples.push(reconstruction(&trained.model, sample, at)?);
        }
        for (at, source) in samples.iter().enumerate() {
            // The partner is another episode wherever there is one.
            let target = &samples[(at + samples.len() / 2) % samples.len()];
            examples.extend(swap(trained, source, target, at)?);
        }
        Ok(examples)
    }
}

/// Clips from the middle of held-out episodes, spread evenly over these and their tasks.
fn samples(
    description: &Description,
    held_out: &[Selection],
    wanted: usize,
    decoders: &mut DecoderPool,
    device: &Device,
) -> Result<Vec<Sample>> {
    let time = description.clip.frames.max(2);
    let episodes: Vec<_> = held_out
        .iter()
        .enumerate()
        .flat_map(|(of, selection)| {
            selection.positions.iter().map(move |at| (of, selection, *at, &selection.source.episodes()[*at]))
        })
        .collect();
    let tasks = episodes.iter().map(|(of, _, _, episode)| (of, episode.instruction()));
    let mut samples = Vec::new();
    for chosen in sample_evenly_by_task(tasks, wanted) {
        let (_, selection, at, episode) = episodes[chosen];
        let stride = description.clip.interval_secs * episode.fps;
        let last = episode.length.saturating_sub(1);
        let start = (last as f64 - (time - 1) as f64 * stride).max(0.0) / 2.0;
        let frames: Vec<usize> =
            (0..time).map(|at| ((start + at as f64 * stride).round() as usize).min(last)).collect();
        let clip = selection.clip(at, &frames, description.image, decoders)?;
        let name = format!("episode {}, {}", episode.name, episode.instruction().unwrap_or("no instruction"));
        samples.push(Sample { name, clip: clip.to_device(device) });
    }
    Ok(samples)
}

fn reconstruction(model: &Laq, sample: &Sample, at: usize) -> Result<Example> {
    let time = sample.clip.dims()[1];
    let latents = model.infer(sample.clip.clone())?.latents;
    let rebuilt = model.decode(sample.clip.clone().narrow(1, 0, time - 1), latents)?;
    let truth = pictures(sample.clip.clone());
    let mut below = vec![truth[0].clone()];
    below.extend(pictures(rebuilt));
    let picture = strip(vec![("true", truth), ("rebuilt, each from the true past and its codes", below)])?;
    let file = format!("reconstruction-{at:03}.png");
    Ok(Example { kind: ExampleKind::Reconstruction, caption: sample.name.clone(), file, picture })
}

fn swap(trained: &TrainedLaq, source: &Sample, target: &Sample, at: usize) -> Result<[Example; 2]> {
    let first: Tensor<4> = target.clip.clone().narrow(1, 0, 1).squeeze_dim(1);
    let moved = trained.model.transfer(source.clip.clone(), first.clone())?;
    let above = pictures(source.clip.clone());
    let mut below = to_pictures(first);
    below.extend(pictures(moved));
    let caption = format!("codes of {} on the first frame of {}", source.name, target.name);
    let animation = Picture::new(animation(&[&above, &below], trained.description.clip.interval_secs)?)?;
    let strip =
        strip(vec![("the clip that gives its codes", above), ("its codes, rolled out from another frame", below)])?;
    Ok([
        Example {
            kind: ExampleKind::Swap,
            caption: caption.clone(),
            file: format!("swap-{at:03}.png"),
            picture: strip,
        },
        Example { kind: ExampleKind::SwapAnimation, caption, file: format!("swap-{at:03}.gif"), picture: animation },
    ])
}

/// Rows of frames as a GIF that shows them side by side, enlarged; it holds the last frames for a moment.
///
/// # Errors
/// If there are no pixels.
pub fn animation(rows: &[&Vec<Frame>], interval_secs: f64) -> Result<Vec<u8>> {
    const SHOWN_SIDE: usize = 128;
    const HELD: usize = 3;
    let side = rows.first().and_then(|row| row.first()).map_or(1, Frame::height);
    let scale = (SHOWN_SIDE / side.max(1)).max(1);
    let length = rows.iter().map(|row| row.len()).max().unwrap_or(0);
    let frames: Vec<Frame> = (0..length + HELD)
        .map(|at| {
            let shown: Vec<&Frame> = rows.iter().filter_map(|row| row.get(at.min(row.len() - 1))).collect();
            side_by_side(&shown, scale)
        })
        .collect();
    Ok(to_gif(&frames, interval_secs)?)
}

/// Labelled rows of frames below each other, as PNG.
fn strip(rows: Vec<(&str, Vec<Frame>)>) -> Result<Picture> {
    let row = |(label, frames): (&str, Vec<Frame>)| {
        let real = vec![true; frames.len()];
        SheetRow { label: label.to_owned(), frames, real }
    };
    let sheet = contact_sheet(&rows.into_iter().map(row).collect::<Vec<_>>());
    Ok(Picture::new(to_png(&sheet)?)?)
}

fn pictures(clip: Tensor<5>) -> Vec<Frame> {
    to_pictures(clip.squeeze_dim(0))
}
