//! Reconstruction of held-out frames by a trained tokenizer: numbers, and pictures to look at.

use vipra_data::clip::Clip;
use vipra_data::contact_sheet::{SheetRow, contact_sheet};
use vipra_data::{DataConfig, Frame};
use vipra_nn::pixels;

use crate::train::{Evaluation, batch_of, held_out_frames};
use crate::{Error, Result, TrainedTokenizer};

/// Frames that are rebuilt at a time, and columns of a strip.
const FRAME_BATCH: usize = 8;

/// Rebuilt frames.
#[derive(Debug)]
pub struct Rebuilt {
    /// Numbers over all of them.
    pub evaluation: Evaluation,
    /// Pictures of some of them: true frames above, rebuilt ones below.
    pub strips: Vec<Frame>,
}

/// Encodes and decodes up to `frames` held-out frames of `data`, and draws the first of them as `strips` strips of eight.
/// `progress` is called with (done, all).
///
/// # Errors
/// What is wrong with the data; [`Error::Invalid`] if nothing is held out.
pub fn reconstruct(
    trained: &TrainedTokenizer,
    data: &DataConfig,
    frames: usize,
    strips: usize,
    progress: &dyn Fn(usize, usize),
) -> Result<Rebuilt> {
    let clips = held_out_frames(data, trained.description.image, frames, &|_, _| {})?;
    if clips.is_empty() {
        return Err(Error::Invalid("nothing is held out: name a dataset of at least two episodes".to_owned()));
    }
    let device = vipra_nn::device::of(&trained.model);
    let mut rebuilt = Rebuilt { evaluation: Evaluation::new(trained.description.model.codes), strips: Vec::new() };
    for (at, batch) in clips.chunks(FRAME_BATCH).enumerate() {
        let below = rebuilt.evaluation.add(&trained.model, batch_of(batch, &device))?;
        if at < strips {
            let (width, height) = (trained.description.image.width, trained.description.image.height);
            rebuilt.strips.push(strip(batch, Frame::split_batch(width, height, &pixels::to_bytes(below))));
        }
        progress(rebuilt.evaluation.frames(), clips.len());
    }
    Ok(rebuilt)
}

fn strip(clips: &[Clip], rebuilt: Vec<Frame>) -> Frame {
    let row = |label: &str, frames: Vec<Frame>| {
        let real = vec![true; frames.len()];
        SheetRow { label: label.to_owned(), frames, real }
    };
    let truth = clips.iter().map(|clip| clip.frame(0)).collect();
    contact_sheet(&[row("true", truth), row("rebuilt from tokens", rebuilt)])
}
