//! How often the policy succeeds.

use std::path::Path;

use maud::{Markup, html};
use serde_json::Value;
use vipra_eval::{HOW_COUNTED, OUTCOMES, Section, Summary, Video, read_outcomes, summarize, videos};

use super::{MAX_PICTURES, left_out};
use crate::read::{folders, json_optional};
use crate::{Result, layout};

/// The evaluations of a run: its own, and others in folders within.
pub(super) fn read(run: &Path) -> Result<Vec<Section>> {
    let folder = run.join(layout::EVALUATION);
    let mut found = Vec::new();
    for folder in std::iter::once(folder.clone()).chain(folders(&folder)?) {
        let file = folder.join(OUTCOMES);
        // One that was cut off at its beginning says nothing.
        if std::fs::metadata(&file).is_ok_and(|about| about.len() > 0) {
            let (header, outcomes) = read_outcomes(&file)?;
            let title = folder.strip_prefix(run).unwrap_or(&folder).display().to_string();
            found.push(Section { title, header, outcomes, videos: videos(&folder)? });
        }
    }
    Ok(found)
}

/// The evaluations of another policy than the run has now, by their titles: each says of what weights it is.
pub(super) fn outdated(run: &Path, evaluations: &[Section]) -> Result<Vec<String>> {
    if !run.join(layout::POLICY).exists() {
        return Ok(Vec::new());
    }
    let package = json_optional(&run.join(layout::PACKAGE))?;
    let weights = package.as_ref().and_then(|package| package["files"]["model.safetensors"].as_str());
    let is_of_another = |evaluation: &&Section| {
        let model = evaluation.header.get("model").and_then(Value::as_str);
        model.is_some_and(|model| !weights.is_some_and(|weights| weights.starts_with(model)))
    };
    Ok(evaluations.iter().filter(is_of_another).map(|evaluation| evaluation.title.clone()).collect())
}

/// The one sentence that people look for.
pub(super) fn headline(evaluations: &[Section], outdated: &[String]) -> Markup {
    let own = evaluations.iter().find(|evaluation| evaluation.title == layout::EVALUATION);
    let Some(own) = own.filter(|own| !own.outcomes.is_empty() && !outdated.contains(&own.title)) else {
        return html! { "How often its policy succeeds has not been measured." };
    };
    let summaries = summarize(&own.outcomes);
    // Of a split with several tasks, the summary of all of them comes last.
    let mut whole: Vec<&Summary> = Vec::new();
    for summary in &summaries {
        match whole.last_mut().filter(|known| known.split == summary.split) {
            Some(known) => *known = summary,
            None => whole.push(summary),
        }
    }
    html! {
        "The policy succeeds in "
        @for (at, summary) in whole.iter().enumerate() {
            @if at > 0 { "; in " }
            span.verdict { (summary.success_any) } " of " (summary.success_any.trials) " episodes"
            @if !summary.split.is_empty() { " (" (summary.split) ")" } @else if whole.len() > 1 { " (all)" }
            " at any step, and in " span.whole { (summary.success_last) } " at the last one"
        }
        "."
    }
}

pub(super) fn body(run: &Path, evaluations: &[Section], outdated: &[String]) -> Result<Option<Markup>> {
    if evaluations.is_empty() {
        return Ok(None);
    }
    let mut shown = Vec::new();
    for evaluation in evaluations {
        let all = videos(&run.join(&evaluation.title))?;
        let few = first_of_each(&all);
        let count = few.len();
        let section = Section {
            title: evaluation.title.clone(),
            header: evaluation.header.clone(),
            outcomes: evaluation.outcomes.clone(),
            videos: few,
        };
        shown.push((section.to_markup()?, count, all.len(), format!("{}/{}", section.title, vipra_eval::VIDEOS)));
    }
    Ok(Some(html! {
        p { (HOW_COUNTED) }
        @for (at, (section, count, all, folder)) in shown.iter().enumerate() {
            @if shown.len() > 1 { h3 { code { (evaluations[at].title) } } }
            @if outdated.contains(&evaluations[at].title) {
                p { strong { "These are episodes of another policy than the run has now, such as an earlier one." } }
            }
            (section)
            (left_out(*count, *all, folder))
        }
    }))
}

/// As many successes and as many failures as a page can carry.
fn first_of_each(videos: &[Video]) -> Vec<Video> {
    let of = |is_success: bool| videos.iter().filter(move |video| video.is_success == is_success).take(MAX_PICTURES);
    of(true).chain(of(false)).cloned().collect()
}
