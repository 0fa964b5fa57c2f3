//! An evaluation as one HTML page that needs nothing beside it.

use maud::{Markup, html};
use serde_json::Value;
use vipra_page::{Picture, interval};

use crate::Result;
use crate::outcome::{Header, Outcome};
use crate::statistics::Rate;
use crate::summary::{Summary, summarize};
use crate::videos::Video;

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
/// [`Error::Picture`](crate::Error::Picture) if a video cannot be read.
pub fn page(sections: &[Section]) -> Result<String> {
    let sections =
        sections.iter().map(|section| Ok((&section.title, section.to_markup()?))).collect::<Result<Vec<_>>>()?;
    let body = html! {
        p { (HOW_COUNTED) }
        @for (title, section) in &sections { h2 { (title) } (section) }
    };
    Ok(vipra_page::page("Evaluation", &body))
}

/// What the numbers of an evaluation mean.
pub const HOW_COUNTED: &str = "Success at the last step of each episode, which runs on after a success, and at any step. Brackets are \
95 % intervals after Wilson. Chunks of episodes that run at the same time are inferred together, and waited for together.";

impl Section {
    /// What was tried, a table of rates with their intervals, and the videos.
    ///
    /// # Errors
    /// [`Error::Picture`](crate::Error::Picture) if a video cannot be read.
    pub fn to_markup(&self) -> Result<Markup> {
        let summaries = summarize(&self.outcomes);
        let shown = self.videos.iter().map(|video| figure(video, &self.outcomes)).collect::<Result<Vec<_>>>()?;
        Ok(html! {
            div.scroll.facts tabindex="0" { table {
                @for (name, value) in &self.header { tr { td { (name) } td { code { (shown_value(value)) } } } }
            } }
            h3 { "Rates" }
            div.scroll tabindex="0" { table {
                tr {
                    th { "episodes" } th { "n" } th { "last step" } th {} th { "any step" } th { "grasped" } th { "touched" }
                    th { "moved another" } th { "steps" } th { "chunk, p50" } th { "p95" } th { "actions/s" }
                }
                @for summary in &summaries { (row(summary)) }
            } }
            @for (title, is_success) in [("First successes", true), ("First failures", false)] {
                @if self.videos.iter().any(|video| video.is_success == is_success) {
                    h3 { (title) }
                    div.videos {
                        @for (video, figure) in self.videos.iter().zip(&shown) {
                            @if video.is_success == is_success { (figure) }
                        }
                    }
                }
            }
        })
    }
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
            td { (name) } td { (summary.success_last.trials) } td { (summary.success_last) } td { (interval(summary.success_last.share(), summary.success_last.interval())) }
            td { (summary.success_any) } td { (summary.grasped) } td { (known(summary.touched)) } td { (known(summary.moved_wrong)) }
            td { (summary.steps) } td { (latency(0)) } td { (latency(1)) } td { (format!("{:.1}", summary.control_rate_hz)) }
        }
    }
}

fn figure(video: &Video, outcomes: &[Outcome]) -> Result<Markup> {
    let picture = Picture::read(&video.path)?;
    let name = video.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let outcome = outcomes.iter().find(|outcome| crate::videos::name(outcome) == name);
    let caption = outcome.map_or(name.clone(), |outcome| {
        let lost = if !outcome.success_last && outcome.success_any { ", done and lost again" } else { "" };
        format!("{}: {} (seed {}, episode {}){lost}", outcome.split, outcome.instruction, outcome.seed, outcome.episode)
    });
    Ok(html! { figure { (picture.to_image(&caption)) figcaption { (caption) } } })
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
