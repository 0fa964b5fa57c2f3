//! The report as a self-contained HTML page.

use maud::{Markup, html};
use vipra_page::{bars, percent};

use super::Report;
use super::examples::{Example, ExampleKind};

pub(super) fn render(report: &Report) -> String {
    let body = html! {
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
    };
    vipra_page::page("Latent actions: quality report", &body)
}

fn reconstruction(report: &Report) -> Markup {
    let number = |name: &str| format!("{:.4}", report.number(name));
    let [low, high] = report.reconstruction.nearer_to_next_interval;
    let of_others = report.number("l1_moving_ratio_of_other_codes");
    let rows = [("all pixels", "l1", "l1_copy"), ("pixels that move", "l1_moving", "l1_moving_copy")];
    html! {
        h2 { "Are frames rebuilt?" }
        p {
            "Each next frame is rebuilt from the true past and the codes of its transition. A pixel moves if one of its "
            "colours changes by more than " (report.reconstruction.motion_threshold) " of 1; a transition moves if "
            (percent(report.reconstruction.moving_share)) " of its pixels do."
            @if of_others.is_finite() {
                " From the codes of other episodes' clips the error on moving pixels is " (format!("{of_others:.2}"))
                " of repeating the current frame: if that is no more than from their own, the codes say nothing."
            }
        }
        div.scroll tabindex="0" { table {
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
                    (bars(&position.shares))
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
            None => p { "Not measured: these data have no true actions, or some that cannot be read." },
            Some(results) => {
                p {
                    "R² of a ridge regression on the true actions, on held-out episodes (1 is perfect, 0 is the mean), from "
                    (report.probe_rows[0]) " transitions, tested on " (report.probe_rows[1]) "."
                }
                div.scroll tabindex="0" { table {
                    tr { th { "dimension" } th { "codes" } th { "shuffled codes" } th { "frame difference" } }
                    @for result in results {
                        tr {
                            td { (result.dimension) }
                            @for cell in result.cells() { td { (cell) } }
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
                    @match kind {
                        ExampleKind::SwapAnimation => (example.picture.to_image(&example.caption)),
                        _ => (example.picture.to_strip(&example.caption)),
                    }
                    figcaption { (example.caption) }
                }
            }
        }
    }
}
