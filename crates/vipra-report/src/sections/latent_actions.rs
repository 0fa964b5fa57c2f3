//! The latent action model: its training, its codebook, and what its codes do to frames.

use std::path::Path;

use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Map, Value};
use vipra_page::{Picture, bars, percent, short, table, two_decimals};

use super::{MAX_PICTURES, absent, left_out, number, strip, training};
use crate::curves::{self, charts, remaining};
use crate::metrics::Metrics;
use crate::read::json_optional;
use crate::{Error, Result, layout};

/// What the quality report says, as far as it is shown.
#[derive(Deserialize)]
struct Quality {
    episodes: usize,
    reconstruction: Reconstruction,
    codes: Codes,
    probe: Option<Vec<Value>>,
    #[serde(default)]
    pictures: Vec<Example>,
}

#[derive(Deserialize)]
struct Reconstruction {
    numbers: Map<String, Value>,
    nearer_to_next_interval: [f64; 2],
}

#[derive(Deserialize)]
struct Codes {
    shares: Vec<f64>,
    perplexity: f64,
    dead_codes: usize,
    positions: Vec<Position>,
}

#[derive(Deserialize)]
struct Position {
    shares: Vec<f64>,
    entropy_bits: f64,
}

#[derive(Deserialize)]
struct Example {
    kind: String,
    caption: String,
    file: String,
}

pub(super) fn body(run: &Path) -> Result<Option<Markup>> {
    let folder = run.join(layout::LAQ);
    if !folder.is_dir() {
        return Ok(None);
    }
    let metrics = Metrics::read(&folder)?;
    let file = run.join(layout::LAQ_REPORT);
    let quality: Option<Quality> = match json_optional(&file)? {
        Some(value) => Some(serde_json::from_value(value).map_err(|error| Error::content(error, &file))?),
        None => None,
    };
    let measured = quality.map(|quality| quality.to_markup(run)).transpose()?;
    Ok(Some(html! {
        (training(metrics.as_ref(), curves::LAQ, "vipra laq train"))
        @if let Some(metrics) = &metrics {
            h3 { "Health of the codebook" }
            (charts(metrics, curves::LAQ_CODEBOOK))
            (remaining(metrics, &[curves::LAQ, curves::LAQ_CODEBOOK]))
        }
        @match measured {
            Some(measured) => (measured),
            None => (absent("The codes were not looked at on held-out episodes", "vipra laq report")),
        }
    }))
}

impl Quality {
    fn to_markup(&self, run: &Path) -> Result<Markup> {
        let of = |name: &str| self.reconstruction.numbers.get(name).map_or("–".to_owned(), number);
        let [low, high] = self.reconstruction.nearer_to_next_interval;
        let nearer = self.reconstruction.numbers.get("nearer_to_next").and_then(Value::as_f64);
        Ok(html! {
            h3 { "On " (self.episodes) " held-out episodes" }
            p {
                "On pixels that move, frames rebuilt from their codes are off by "
                span.verdict { (of("l1_moving_ratio")) } " of what repeating the current frame is; from the codes of other "
                "clips by " (of("l1_moving_ratio_of_other_codes")) ". The codes mean something if the first is well below 1, "
                "and below the second."
                @if let Some(nearer) = nearer {
                    " Of the transitions that move, " span.verdict { (percent(nearer)) } " (95 % interval " (percent(low))
                    " to " (percent(high)) ") are rebuilt nearer to the next frame than to the current one."
                }
            }
            p {
                "Codes effectively in use: " span.verdict { (short(self.codes.perplexity)) } " of " (self.codes.shares.len())
                " over all positions; " (self.codes.dead_codes) " are never chosen. How often each code is chosen:"
            }
            div.positions { div { (bars(&self.codes.shares)) } }
            details {
                summary { "At each of the " (self.codes.positions.len()) " positions of a transition" }
                div.positions {
                    @for (at, position) in self.codes.positions.iter().enumerate() {
                        div { (bars(&position.shares)) "position " (at) ": " (short(position.entropy_bits)) " bits" }
                    }
                }
            }
            (self.probe())
            (self.examples(run, "reconstruction", "Frames rebuilt from the true past and their codes")?)
            (self.examples(run, "swap", "Codes of one clip on the first frame of another")?)
            (self.examples(run, "swap-animation", "The same, moving")?)
        })
    }

    fn probe(&self) -> Markup {
        let cell = |value: &Value| html! { (value.as_f64().map_or("does not vary".to_owned(), two_decimals)) };
        let row = |result: &Value| {
            let name = result["dimension"].as_str().unwrap_or("–");
            let mut cells = vec![html! { (name) }];
            cells.extend(["codes", "shuffled_codes", "frame_difference"].map(|name| cell(&result[name])));
            cells
        };
        html! {
            @if let Some(results) = &self.probe {
                h3 { "True actions told from codes" }
                p { "R² of a ridge regression on held-out episodes: 1 is perfect, 0 is the mean action." }
                (table(
                    &["dimension", "codes", "shuffled codes", "frame difference"],
                    &results.iter().map(row).collect::<Vec<_>>(),
                ))
            }
        }
    }

    fn examples(&self, run: &Path, kind: &str, title: &str) -> Result<Markup> {
        let folder = run.join(layout::LAQ_PICTURES);
        let of_kind: Vec<&Example> = self.pictures.iter().filter(|example| example.kind == kind).collect();
        let mut shown = Vec::new();
        for example in of_kind.iter().take(MAX_PICTURES) {
            shown.push((&example.caption, Picture::read(&folder.join(&example.file))?));
        }
        Ok(html! {
            @if !shown.is_empty() {
                h3 { (title) }
                @for (caption, picture) in &shown { (strip(picture, caption)) }
                (left_out(shown.len(), of_kind.len(), layout::LAQ_PICTURES))
            }
        })
    }
}
