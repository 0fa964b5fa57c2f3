//! Pretraining: its curves, and futures that the model imagines.

use std::path::Path;

use maud::{Markup, html};
use serde::Deserialize;
use vipra_page::{Picture, percent};

use super::{absent, left_out, training};
use crate::curves::{self, remaining};
use crate::metrics::Metrics;
use crate::read::{folders, json_optional};
use crate::{Error, Result, layout};

/// Moments of a dataset that are shown, spread evenly: each has a strip and an animation, which together are large.
const MAX_MOMENTS: usize = 3;

/// What `vipra predict` writes beside its pictures.
#[derive(Deserialize)]
struct Predictions {
    moments: Vec<Moment>,
}

#[derive(Deserialize)]
struct Moment {
    caption: String,
    strip: String,
    animation: Option<String>,
    /// Share of the imagined frame's tokens that are right.
    tokens_right: Option<f64>,
    /// The same of the current frame's.
    tokens_right_of_current: Option<f64>,
    /// Share of the imagined codes that are the true clip's.
    codes_right: Option<f64>,
}

pub(super) fn body(run: &Path) -> Result<Option<Markup>> {
    let folder = run.join(layout::PRETRAIN);
    if !folder.is_dir() {
        return Ok(None);
    }
    let metrics = Metrics::read(&folder)?;
    let pictures = run.join(layout::PRETRAIN_PICTURES);
    let mut imagined = Vec::new();
    for folder in std::iter::once(pictures.clone()).chain(folders(&pictures)?) {
        let file = folder.join(layout::PREDICTIONS);
        if let Some(value) = json_optional(&file)? {
            let predictions: Predictions =
                serde_json::from_value(value).map_err(|error| Error::content(error, &file))?;
            imagined.push(predictions.to_markup(run, &folder)?);
        }
    }
    Ok(Some(html! {
        (training(metrics.as_ref(), curves::PRETRAIN, "vipra pretrain"))
        @if let Some(metrics) = &metrics { (remaining(metrics, &[curves::PRETRAIN])) }
        h3 { "Imagined futures" }
        @if imagined.is_empty() { (absent("Nothing was imagined", "vipra predict")) }
        @else {
            p {
                "From two frames and the instruction the model imagines the frame some steps ahead, and the latent actions "
                "in between; those are rolled out by the latent action model's decoder. In what moves, the true clip is on "
                "the left."
            }
            @for imagined in &imagined { (imagined) }
        }
    }))
}

impl Predictions {
    fn to_markup(&self, run: &Path, folder: &Path) -> Result<Markup> {
        let mut shown = Vec::new();
        for moment in self.moments.iter().step_by(self.moments.len().div_ceil(MAX_MOMENTS).max(1)) {
            let strip = Picture::read(&folder.join(&moment.strip))?;
            let animation = moment.animation.as_ref().map(|name| Picture::read(&folder.join(name))).transpose()?;
            shown.push((moment, strip, animation));
        }
        let name = folder.strip_prefix(run).unwrap_or(folder).display().to_string();
        Ok(html! {
            @if name != layout::PRETRAIN_PICTURES { h4 { "Another dataset, " code { (name) } } }
            @for (moment, strip, animation) in &shown {
                figure {
                    (strip.to_strip(&moment.caption))
                    @if let Some(animation) = animation { (animation.to_image(&format!("{}, moving", moment.caption))) }
                    figcaption { (moment.caption) (moment.numbers()) }
                }
            }
            (left_out(shown.len(), self.moments.len(), &name))
        })
    }
}

impl Moment {
    fn numbers(&self) -> String {
        let mut text = String::new();
        if let (Some(right), Some(current)) = (self.tokens_right, self.tokens_right_of_current) {
            text += &format!("; tokens right {}, of the current frame {}", percent(right), percent(current));
        }
        if let Some(right) = self.codes_right {
            text += &format!("; latent actions of the true clip {}", percent(right));
        }
        text
    }
}
