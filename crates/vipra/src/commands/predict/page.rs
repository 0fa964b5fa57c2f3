//! Imagined moments as one HTML page that needs nothing beside it.

use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use maud::{DOCTYPE, PreEscaped, html};

use super::Shown;

const STYLE: &str = "
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 64rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.5rem; } figure { margin: 0 0 2rem; } figcaption { font-size: .9rem; opacity: .8; }
.scroll { overflow-x: auto; } .scroll img { max-width: none; } img { max-width: 100%; height: auto; image-rendering: pixelated; }
";

pub fn render(model: &Path, shown: &[Shown]) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Imagined futures" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { "Imagined futures" }
                p {
                    "Model " code { (model.display().to_string()) } ". From two frames and the instruction it imagines the frame "
                    "some steps ahead, and the latent actions in between; those are rolled out by the latent action "
                    "model's decoder. In the animations the true clip is on the left."
                }
                @for one in shown {
                    figure {
                        div.scroll { img alt=(one.caption) src=(data_url("image/png", &one.strip)); }
                        @if let Some(animation) = &one.animation {
                            img alt=(format!("{}, moving", one.caption)) src=(data_url("image/gif", animation));
                        }
                        figcaption { (one.caption) (numbers(one)) }
                    }
                }
            }
        }
    };
    page.into_string()
}

fn numbers(one: &Shown) -> String {
    let mut text = String::new();
    let percent = |share: f64| format!("{:.0} %", share * 100.0);
    if let Some([imagined, copied]) = one.accuracy {
        text += &format!("; tokens right {}, of the current frame {}", percent(imagined), percent(copied));
    }
    if let Some(share) = one.code_accuracy {
        text += &format!("; latent actions of the true clip {}", percent(share));
    }
    text
}

fn data_url(media_type: &str, bytes: &[u8]) -> String {
    format!("data:{media_type};base64,{}", BASE64_STANDARD.encode(bytes))
}
