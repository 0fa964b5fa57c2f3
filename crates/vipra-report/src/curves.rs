//! Which numbers of a training are drawn together, and what they mean.

use maud::{Markup, html};
use vipra_page::{Chart, Role, Series};

use crate::metrics::{Kind, Metrics};

/// A chart by the names of its numbers.
pub(crate) struct Panel {
    title: &'static str,
    /// Label of the vertical axis, with its unit.
    y_label: &'static str,
    lines: &'static [Line],
}

/// A curve of a chart.
struct Line {
    kind: Kind,
    name: &'static str,
    label: &'static str,
    role: Role,
}

/// Of what is learned from.
const fn train(name: &'static str) -> Line {
    Line { kind: Kind::Train, name, label: "training", role: Role::First }
}

/// Of what is learned from, where that has tokens that end a frame or a transition: they are soon known for certain.
const fn with_ends(name: &'static str) -> Line {
    Line { label: "training (ends counted)", ..train(name) }
}

/// The same, measured as what is held out is.
const fn learned(name: &'static str) -> Line {
    Line { kind: Kind::Validation, ..train(name) }
}

/// Of what is held out.
const fn held_out(name: &'static str) -> Line {
    Line { kind: Kind::Validation, name, label: "held out", role: Role::Second }
}

/// What has to be beaten on what is held out.
const fn baseline(name: &'static str, label: &'static str) -> Line {
    Line { kind: Kind::Validation, name, label, role: Role::Baseline }
}

pub(crate) const TOKENIZER: &[Panel] = &[
    Panel { title: "Loss", y_label: "all terms", lines: &[train("loss")] },
    Panel { title: "Error of a pixel", y_label: "mean absolute, of 1", lines: &[train("l1"), held_out("l1")] },
    Panel {
        title: "Signal over noise of rebuilt frames",
        y_label: "decibels",
        lines: &[held_out("psnr"), baseline("psnr_mean_picture", "the mean picture instead")],
    },
    Panel {
        title: "The same of the rarest colours",
        y_label: "decibels; small objects have them",
        lines: &[held_out("psnr_rare_colors")],
    },
];

pub(crate) const TOKENIZER_CODEBOOK: &[Panel] = &[
    Panel {
        title: "Codes effectively in use",
        y_label: "perplexity",
        lines: &[train("perplexity"), held_out("perplexity")],
    },
    Panel {
        title: "Codes that were chosen at all",
        y_label: "share of all",
        lines: &[train("codes_in_use"), held_out("codes_in_use")],
    },
];

pub(crate) const LAQ: &[Panel] = &[
    Panel { title: "Loss", y_label: "all terms", lines: &[train("loss")] },
    Panel {
        title: "Error of a pixel of the next frame",
        y_label: "mean absolute, of 1",
        lines: &[train("l1"), held_out("l1"), baseline("l1_copy", "current frame repeated")],
    },
    Panel {
        title: "Error on moving pixels",
        y_label: "1: current frame repeated",
        lines: &[
            held_out("l1_moving_ratio"),
            baseline("l1_moving_ratio_of_other_codes", "from other clips' codes"),
            Line { label: "before the codebook", role: Role::First, ..held_out("l1_moving_ratio_unquantized") },
        ],
    },
    Panel {
        title: "Moving transitions rebuilt nearer to the next frame",
        y_label: "share",
        lines: &[held_out("nearer_to_next")],
    },
];

pub(crate) const LAQ_CODEBOOK: &[Panel] = &[
    Panel {
        title: "Codes effectively in use",
        y_label: "perplexity",
        lines: &[train("perplexity"), held_out("perplexity")],
    },
    Panel {
        title: "Codes in use at one position",
        y_label: "perplexity, mean of positions",
        lines: &[train("position_perplexity"), held_out("position_perplexity")],
    },
    Panel { title: "Codes never chosen", y_label: "codes", lines: &[train("dead_codes"), held_out("dead_codes")] },
];

pub(crate) const PRETRAIN: &[Panel] = &[
    Panel { title: "Loss", y_label: "all terms", lines: &[train("loss")] },
    Panel {
        title: "Tokens of the frame ahead: loss",
        y_label: "nats a token",
        lines: &[
            with_ends("latent_state"),
            held_out("latent_state_loss"),
            baseline("latent_state_frequent_loss", "frequencies of each place"),
        ],
    },
    Panel {
        title: "Tokens of the frame ahead: right ones",
        y_label: "share",
        lines: &[held_out("latent_state_accuracy"), baseline("latent_state_copy_accuracy", "current frame repeated")],
    },
    Panel {
        title: "The same where the frame changes",
        y_label: "share",
        lines: &[
            held_out("latent_state_changed_accuracy"),
            baseline("latent_state_changed_frequent_accuracy", "most frequent of each place"),
        ],
    },
    Panel {
        title: "Latent actions: loss",
        y_label: "nats a code",
        lines: &[
            with_ends("latent_action"),
            held_out("latent_action_loss"),
            baseline("latent_action_position_loss", "frequencies of each position"),
        ],
    },
    Panel {
        title: "Latent actions: right ones",
        y_label: "share",
        lines: &[
            held_out("latent_action_accuracy"),
            baseline("latent_action_frequent_accuracy", "most frequent of each position"),
        ],
    },
];

pub(crate) const POLICY: &[Panel] = &[
    Panel { title: "Loss", y_label: "all terms", lines: &[train("loss")] },
    Panel {
        title: "Error of the first actions of a chunk",
        y_label: "squared; 1: mean action",
        lines: &[learned("learned_first_actions_error"), held_out("first_actions_error")],
    },
    Panel {
        title: "Error of all actions of a chunk",
        y_label: "squared; 1: mean action",
        lines: &[held_out("chunk_error")],
    },
];

/// The charts of which there are numbers.
pub(crate) fn charts(metrics: &Metrics, panels: &[Panel]) -> Markup {
    html! { div.charts { @for panel in panels { (panel.chart(metrics).to_markup()) } } }
}

/// Everything else that was written down, folded up. Names with a `/` are parts of a number that has its own curve.
pub(crate) fn remaining(metrics: &Metrics, shown: &[&[Panel]]) -> Markup {
    let is_shown = |kind: Kind, name: &str| {
        shown.iter().copied().flatten().flat_map(|panel| panel.lines).any(|line| line.kind == kind && line.name == name)
    };
    let of = |name: &str| {
        let both = [(Kind::Train, "training", Role::First), (Kind::Validation, "held out", Role::Second)];
        let both = both.into_iter().filter(|(kind, _, _)| !is_shown(*kind, name));
        let series: Vec<Series> =
            both.filter_map(|(kind, label, role)| series(metrics, kind, name, label, role)).collect();
        (!series.is_empty()).then(|| chart(&name.replace('_', " "), "", series))
    };
    let rest: Vec<Chart> = metrics.names().into_iter().filter(|name| !name.contains('/')).filter_map(of).collect();
    html! {
        @if !rest.is_empty() {
            details {
                summary { "All other numbers of this training (" (rest.len()) ")" }
                div.charts { @for chart in &rest { (chart.to_markup()) } }
            }
        }
    }
}

impl Panel {
    fn chart(&self, metrics: &Metrics) -> Chart {
        let lines = self.lines.iter();
        let lines = lines.filter_map(|line| series(metrics, line.kind, line.name, line.label, line.role));
        chart(self.title, self.y_label, lines.collect())
    }
}

fn chart(title: &str, y_label: &str, series: Vec<Series>) -> Chart {
    let [title, x_label, y_label] = [title, "step", y_label].map(str::to_owned);
    Chart { title, x_label, y_label, series, has_result: true }
}

/// A curve; None of a number that was not written down.
fn series(metrics: &Metrics, kind: Kind, name: &str, label: &str, role: Role) -> Option<Series> {
    let points = metrics.of(kind, name).filter(|points| points.iter().any(|point| point[1].is_finite()))?;
    Some(Series { name: label.to_owned(), role, points: points.clone() })
}
