//! An evaluation as one HTML page that needs nothing beside it.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::Value;

use crate::outcome::{Header, Outcome};
use crate::statistics::Rate;
use crate::summary::{Summary, summarize};
use crate::videos::Video;
use crate::{Error, Result};

const STYLE: &str = "
:root { color-scheme: light dark; --line: #8884; --bar: #3b82c4; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 64rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; margin-top: 2rem; border-bottom: 1px solid var(--line); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; } td, th { padding: .2rem .8rem .2rem 0; text-align: right; white-space: nowrap; }
td:first-child, th:first-child { text-align: left; }
.all td { font-weight: 600; }
code { overflow-wrap: anywhere; }
svg { width: 8rem; height: .8rem; vertical-align: middle; }
.videos { display: grid; grid-template-columns: repeat(auto-fill, minmax(9rem, 1fr)); gap: 1rem; }
figure { margin: 0; } figcaption { font-size: .85rem; opacity: .8; }
img { width: 100%; height: auto; image-rendering: pixelated; }
";

/// One file of outcomes, and the videos beside it.
pub struct Section {
    /// What it is called.
    pub title: String,
    /// What was tried in what.
    pub header: Header,
    /// What became of it.
    pub outcomes: Vec<Outcome>,
    /// The first successes and failures.
    pub videos: Vec<Video>,
}

/// The page of one or more evaluations.
///
/// # Errors
/// [`Error::Io`] if a video cannot be read.
pub fn page(sections: &[Section]) -> Result<String> {
    let sections = sections.iter().map(section).collect::<Result<Vec<_>>>()?;
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Evaluation" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { "Evaluation" }
                p {
                    "Success at the last step of each episode, which runs on after a success, and at any step. Brackets are 95 % "
                    "intervals after Wilson. Chunks of episodes that run at the same time are inferred together, and waited for "
                    "together."
                }
                @for section in &sections { (section) }
            }
        }
    };
    Ok(page.into_string())
}

fn section(section: &Section) -> Result<Markup> {
    let summaries = summarize(&section.outcomes);
    let shown = section.videos.iter().map(|video| figure(video, &section.outcomes)).collect::<Result<Vec<_>>>()?;
    Ok(html! {
        h2 { (section.title) }
        div.scroll { table {
            @for (name, value) in &section.header { tr { td { (name) } td { code { (shown_value(value)) } } } }
        } }
        h3 { "Success" }
        div.scroll { table {
            tr {
                th { "episodes" } th { "n" } th { "last step" } th {} th { "any step" } th { "grasped" } th { "touched" }
                th { "moved another" } th { "steps" } th { "chunk, p50" } th { "p95" } th { "actions/s" }
            }
            @for summary in &summaries { (row(summary)) }
        } }
        @for (title, is_success) in [("First successes", true), ("First failures", false)] {
            @if section.videos.iter().any(|video| video.is_success == is_success) {
                h3 { (title) }
                div.videos {
                    @for (video, figure) in section.videos.iter().zip(&shown) {
                        @if video.is_success == is_success { (figure) }
                    }
                }
            }
        }
    })
}

fn row(summary: &Summary) -> Markup {
    let name = match (summary.split.as_str(), summary.task.as_str()) {
        ("", "") => "all".to_owned(),
        ("", task) => task.to_owned(),
        (split, "") => split.to_owned(),
        (split, task) => format!("{split}, {task}"),
    };
    let known = |rate: Option<Rate>| rate.map_or_else(|| "–".to_owned(), |rate| rate.to_string());
    let latency = |at: usize| summary.latency_ms.map_or_else(|| "–".to_owned(), |ms| format!("{:.0} ms", ms[at]));
    html! {
        tr.all[summary.task.is_empty()] {
            td { (name) } td { (summary.success_last.trials) } td { (summary.success_last) } td { (interval(summary.success_last)) }
            td { (summary.success_any) } td { (summary.grasped) } td { (known(summary.touched)) } td { (known(summary.moved_wrong)) }
            td { (summary.steps) } td { (latency(0)) } td { (latency(1)) } td { (format!("{:.1}", summary.control_rate_hz)) }
        }
    }
}

/// A rate as a dot on its interval.
fn interval(rate: Rate) -> Markup {
    let [low, high] = rate.interval().map(|share| share * 100.0);
    let text = format!("{rate}");
    html! {
        svg viewBox="-2 0 104 10" preserveAspectRatio="none" role="img" aria-label=(text) {
            line x1="0" x2="100" y1="5" y2="5" stroke="currentColor" stroke-opacity=".2" {}
            line x1=(low) x2=(high) y1="5" y2="5" stroke="var(--bar)" stroke-width="3" {}
            circle cx=(rate.share() * 100.0) cy="5" r="2.5" fill="currentColor" {}
        }
    }
}

fn figure(video: &Video, outcomes: &[Outcome]) -> Result<Markup> {
    let bytes = std::fs::read(&video.path).map_err(Error::io(&video.path))?;
    let name = video.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let outcome = outcomes.iter().find(|outcome| crate::videos::name(outcome) == name);
    let caption = outcome.map_or(name.clone(), |outcome| {
        let lost = if !outcome.success_last && outcome.success_any { ", done and lost again" } else { "" };
        format!("{}: {} (seed {}, episode {}){lost}", outcome.split, outcome.instruction, outcome.seed, outcome.episode)
    });
    let source = format!("data:image/gif;base64,{}", BASE64_STANDARD.encode(bytes));
    Ok(html! { figure { img alt=(caption) src=(source); figcaption { (caption) } } })
}

fn shown_value(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(map) => {
            map.iter().map(|(name, value)| format!("{name}: {}", shown_value(value))).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}
