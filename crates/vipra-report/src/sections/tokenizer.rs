//! The frame tokenizer: its training, its codebook, and frames through its tokens.

use std::path::Path;

use maud::{Markup, html};
use vipra_page::{Picture, percent, short};

use super::{MAX_PICTURES, absent, left_out, strip, training};
use crate::curves::{self, charts, remaining};
use crate::metrics::{Kind, Metrics};
use crate::read::files;
use crate::{Result, layout};

pub(super) fn body(run: &Path) -> Result<Option<Markup>> {
    let folder = run.join(layout::TOKENIZER);
    if !folder.is_dir() {
        return Ok(None);
    }
    let metrics = Metrics::read(&folder)?;
    let strips = files(&run.join(layout::TOKENIZER_PICTURES), "png")?;
    let shown = strips.iter().take(MAX_PICTURES).map(|file| Picture::read(file));
    let shown = shown.collect::<Result<Vec<_>, _>>()?;
    Ok(Some(html! {
        (training(metrics.as_ref(), curves::TOKENIZER, "vipra tokenizer train"))
        @if let Some(metrics) = &metrics {
            h3 { "Health of the codebook" }
            (health(metrics))
            (charts(metrics, curves::TOKENIZER_CODEBOOK))
            (remaining(metrics, &[curves::TOKENIZER, curves::TOKENIZER_CODEBOOK]))
        }
        h3 { "Frames through their tokens" }
        @if shown.is_empty() { (absent("There are no pictures", "vipra tokenizer reconstruct")) }
        @for picture in &shown { (strip(picture, "held-out frames: true above, rebuilt from their tokens below")) }
        (left_out(shown.len(), strips.len(), layout::TOKENIZER_PICTURES))
    }))
}

fn health(metrics: &Metrics) -> Markup {
    let last = |name: &str| metrics.last(Kind::Validation, name);
    html! {
        @if let (Some(share), Some(perplexity)) = (last("codes_in_use"), last("perplexity")) {
            p {
                "On held-out frames " span.verdict { (percent(share)) } " of the codes are chosen at the end; effectively in use are "
                span.verdict { (short(perplexity)) } "."
            }
        }
    }
}
