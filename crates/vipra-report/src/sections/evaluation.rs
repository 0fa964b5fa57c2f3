//! How often the policy succeeds.

use std::path::Path;

use maud::{Markup, html};
use vipra_eval::{HOW_COUNTED, OUTCOMES, Section, Summary, Video, read_outcomes, summarize, videos};

use super::{MOST_PICTURES, left_out};
use crate::read::folders;
use crate::{Result, layout};

/// The evaluations of a run: its own, and others in folders within.
pub(super) fn read(run: &Path) -> Result<Vec<Section>> {
    let folder = run.join(layout::EVALUATION);
    let mut found = Vec::new();
    for folder in std::iter::once(folder.clone()).chain(folders(&folder)?) {
        let file = folder.join(OUTCOMES);
        if file.is_file() {
            let (header, outcomes) = read_outcomes(&file)?;
            let title = folder.strip_prefix(run).unwrap_or(&folder).display().to_string();
            found.push(Section { title, header, outcomes, videos: videos(&folder)? });
        }
    }
    Ok(found)
}

/// The one sentence that people look for.
pub(super) fn headline(evaluations: &[Section]) -> Markup {
    let own = evaluations.first().filter(|evaluation| !evaluation.outcomes.is_empty());
    let Some(own) = own else { return html! { "How often its policy succeeds has not been measured." } };
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

pub(super) fn body(run: &Path, evaluations: &[Section]) -> Result<Option<Markup>> {
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
            (section)
            (left_out(*count, *all, folder))
        }
    }))
}

/// As many successes and as many failures as a page can carry.
fn first_of_each(videos: &[Video]) -> Vec<Video> {
    let of = |is_success: bool| videos.iter().filter(move |video| video.is_success == is_success).take(MOST_PICTURES);
    of(true).chain(of(false)).cloned().collect()
}
