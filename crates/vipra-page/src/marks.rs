//! Small marks within text and tables.

use maud::{Markup, html};

use crate::number::percent;

/// A share as a dot on its interval, from 0 to 1.
pub fn interval(share: f64, [low, high]: [f64; 2]) -> Markup {
    let text = format!("{} [{}, {}]", percent(share), percent(low), percent(high));
    html! {
        svg.interval viewBox="-2 0 104 10" preserveAspectRatio="none" role="img" aria-label=(text) {
            line.rule x1="0" x2="100" y1="5" y2="5" {}
            line.range x1=(low * 100.0) x2=(high * 100.0) y1="5" y2="5" stroke-width="3" {}
            circle cx=(share * 100.0) cy="5" r="2.5" {}
        }
    }
}

/// Shares as bars beside each other, the highest as high as there is room.
pub fn bars(shares: &[f64]) -> Markup {
    let highest = shares.iter().fold(1e-9_f64, |highest, share| highest.max(*share));
    html! {
        div.bars {
            @for (at, share) in shares.iter().enumerate() {
                div title=(format!("code {at}: {}", percent(*share))) style=(format!("height:{:.1}%", share / highest * 100.0)) {}
            }
        }
    }
}
