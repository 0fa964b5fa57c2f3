//! The report as one HTML page that needs nothing beside it.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::Report;
use super::examples::{Example, ExampleKind};

const STYLE: &str = "
:root { color-scheme: light dark; --line: #8884; --bar: #3b82c4; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; margin-top: 2rem; border-bottom: 1px solid var(--line); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; } td, th { padding: .2rem .8rem .2rem 0; text-align: right; }
td:first-child, th:first-child { text-align: left; }
.bars { display: flex; gap: 2px; align-items: flex-end; height: 5rem; }
.bars div { background: var(--bar); flex: 1; min-height: 1px; }
.positions { display: grid; grid-template-columns: repeat(auto-fill, minmax(9rem, 1fr)); gap: 1rem; }
figure { margin: 0 0 1.5rem; } figcaption { font-size: .9rem; opacity: .8; }
img { max-width: 100%; height: auto; image-rendering: pixelated; }
.wide { width: 100%; }
.verdict { font-weight: 600; }
";

pub(super) fn render(report: &Report) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Latent actions: quality report" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { "Latent actions: quality report" }
                p {
                    "Model " code { (report.model) } ", " (report.parameters) " parameters, transitions of "
                    (report.interval_secs) " s, measured on " (report.episodes) " held-out episodes."
                }
                (reconstruction(report))
                (codes(report))
                (probe(report))
                (pictures(report, ExampleKind::Reconstruction, "Frames rebuilt"))
                (pictures(report, ExampleKind::Swap, "Codes of one clip on the first frame of another"))
                (pictures(report, ExampleKind::SwapAnimation, "The same, moving"))
            }
        }
    };
    page.into_string()
}

fn reconstruction(report: &Report) -> Markup {
    let number = |name: &str| format!("{:.4}", report.number(name));
    let [low, high] = report.reconstruction.nearer_to_next_interval;
    let rows = [("all pixels", "l1", "l1_copy"), ("pixels that move", "l1_moving", "l1_moving_copy")];
    html! {
        h2 { "Are frames rebuilt?" }
        p {
            "Each next frame is rebuilt from the true past and the codes of its transition. A pixel moves if one of its "
            "colours changes by more than " (report.reconstruction.motion_threshold) " of 1; a transition moves if "
            (percent(report.reconstruction.moving_share)) " of its pixels do. From the codes of other clips the error on moving "
            "pixels is " (format!("{:.2}", report.number("l1_moving_ratio_of_other_codes")))
            " of repeating the current frame: if that is no more than from their own, the codes say nothing."
        }
        div.scroll { table {
            tr { th { "mean absolute error" } th { "rebuilt" } th { "current frame repeated" } th { "ratio" } }
            @for (name, rebuilt, copied) in rows {
                tr {
                    td { (name) } td { (number(rebuilt)) } td { (number(copied)) }
                    td { (format!("{:.2}", report.number(rebuilt) / report.number(copied))) }
                }
            }
        } }
        p {
            span.verdict { (percent(report.number("nearer_to_next"))) }
            " of the " (report.number("moving_transitions")) " moving transitions are rebuilt nearer to the next frame than "
            "to the current one (95 % interval " (percent(low)) " to " (percent(high)) "). A model whose codes say nothing "
            "repeats the current frame."
        }
    }
}

fn codes(report: &Report) -> Markup {
    let codes = &report.codes;
    html! {
        h2 { "Are the codes in use?" }
        p {
            span.verdict { "Perplexity " (format!("{:.2}", codes.perplexity)) " of " (codes.shares.len()) }
            " over all positions, " span.verdict { (format!("{:.2}", report.number("position_perplexity"))) }
            " at a position on average, " (codes.dead_codes) " dead codes. Shares: "
            (codes.shares.iter().map(|share| percent(*share)).collect::<Vec<_>>().join(", ")) "."
        }
        div.positions {
            @for (at, position) in codes.positions.iter().enumerate() {
                div {
                    div.bars {
                        @let highest = position.shares.iter().fold(1e-9_f64, |highest, share| highest.max(*share));
                        @for (code, share) in position.shares.iter().enumerate() {
                            div title=(format!("code {code}: {}", percent(*share)))
                                style=(format!("height:{:.1}%", share / highest * 100.0)) {}
                        }
                    }
                    "position " (at) ": " (format!("{:.2}", position.entropy_bits)) " bits, " (position.dead_codes) " dead"
                }
            }
        }
    }
}

fn probe(report: &Report) -> Markup {
    html! {
        h2 { "Do the codes mean motion?" }
        @match &report.probe {
            None => p { "These data have no true actions to compare with." },
            Some(results) => {
                p {
                    "R² of a ridge regression on the true actions, on held-out episodes (1 is perfect, 0 is the mean), from "
                    (report.probe_rows[0]) " transitions, tested on " (report.probe_rows[1]) "."
                }
                div.scroll { table {
                    tr { th { "dimension" } th { "codes" } th { "shuffled codes" } th { "frame difference" } }
                    @for result in results {
                        tr {
                            td { (result.dimension) } td { (r2(result.codes)) } td { (r2(result.shuffled_codes)) }
                            td { (r2(result.frame_difference)) }
                        }
                    }
                } }
            }
        }
    }
}

fn pictures(report: &Report, kind: ExampleKind, title: &str) -> Markup {
    let of_kind: Vec<&Example> = report.examples.iter().filter(|example| example.kind == kind).collect();
    html! {
        @if !of_kind.is_empty() {
            h2 { (title) }
            @for example in of_kind {
                figure {
                    img.wide[kind != ExampleKind::SwapAnimation] alt=(example.caption) src=(format!(
                        "data:{};base64,{}",
                        example.picture.media_type,
                        BASE64_STANDARD.encode(&example.picture.bytes)
                    ));
                    figcaption { (example.caption) }
                }
            }
        }
    }
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

fn r2(value: f64) -> String {
    if value.is_finite() { format!("{value:.2}") } else { "does not vary".to_owned() }
}
