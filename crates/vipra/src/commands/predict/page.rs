//! Imagined moments as one HTML page that needs nothing beside it.

use std::path::Path;

use maud::html;

use super::Shown;

pub fn render(model: &Path, shown: &[Shown]) -> String {
    let body = html! {
        p {
            "Model " code { (model.display().to_string()) } ". From two frames and the instruction it imagines the frame "
            "some steps ahead, and the latent actions in between; those are rolled out by the latent action "
            "model's decoder. In the animations the true clip is on the left."
        }
        @for one in shown {
            figure {
                (one.strip.to_strip(&one.caption))
                @if let Some(animation) = &one.animation {
                    (animation.to_image(&format!("{}, moving", one.caption)))
                }
                figcaption { (one.caption) (numbers(one)) }
            }
        }
    };
    vipra_page::page("Imagined futures", &body)
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
