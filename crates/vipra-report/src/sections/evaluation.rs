//! How often the policy succeeds.

use std::path::Path;

use maud::{Markup, html};
use serde_json::{Map, Value};
use vipra_eval::{HOW_COUNTED, OUTCOMES, Outcome, Rate, Section, Summary, Video, read_outcomes, summarize, videos};

use super::{MAX_PICTURES, left_out};
use crate::read::{folders, json_optional};
use crate::record::Records;
use crate::{Result, layout};

/// The stage that counts.
pub(super) const EVALUATE: &str = "evaluate";

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
pub(super) fn of_other_policies(run: &Path, evaluations: &[Section]) -> Result<Vec<String>> {
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

/// How often the run's own policy succeeds, in the episodes that the run asks for.
pub(super) struct Counted {
    splits: Vec<Successes>,
    /// All episodes that have run, also those that are not asked for any more.
    all: usize,
}

/// Of a split, or of all of them, which has no name.
struct Successes {
    split: String,
    any: Rate,
    last: Rate,
}

impl Counted {
    /// From the record of a finished stage, which says what it has counted; else from all episodes that have run.
    pub(super) fn find(evaluations: &[Section], of_others: &[String], records: &Records) -> Option<Self> {
        let own = evaluations.iter().find(|evaluation| is_own(evaluation))?;
        if own.outcomes.is_empty() || of_others.contains(&own.title) {
            return None;
        }
        let recorded = records.iter().find(|(name, record)| name == EVALUATE && record.is_done());
        let recorded = recorded.and_then(|(_, record)| of_figures(&record.figures));
        let splits = recorded.unwrap_or_else(|| of_outcomes(&own.outcomes));
        Some(Self { splits, all: own.outcomes.len() })
    }

    /// Episodes that are counted, of all splits together.
    fn trials(&self) -> usize {
        let of_splits = self.splits.iter().filter(|of| !of.split.is_empty() || self.splits.len() == 1);
        of_splits.map(|of| of.any.trials).sum()
    }
}

/// What the figures of the stage say; None of those that say nothing of splits.
fn of_figures(figures: &Map<String, Value>) -> Option<Vec<Successes>> {
    let rate = |of: &Value, name: &str| {
        let count = |key: &str| of[name][key].as_u64().and_then(|count| usize::try_from(count).ok());
        Some(Rate { successes: count("successes")?, trials: count("trials")? })
    };
    let of_split = |(split, of): (&String, &Value)| {
        Some(Successes { split: split.clone(), any: rate(of, "success_any")?, last: rate(of, "success_last")? })
    };
    let mut splits = figures.get("splits")?.as_object()?.iter().map(of_split).collect::<Option<Vec<_>>>()?;
    if splits.len() > 1 {
        let sum = |rate: fn(&Successes) -> Rate| {
            splits.iter().map(rate).fold(Rate::default(), |all, of| Rate {
                successes: all.successes + of.successes,
                trials: all.trials + of.trials,
            })
        };
        let all = Successes { split: String::new(), any: sum(|of| of.any), last: sum(|of| of.last) };
        splits.push(all);
    }
    Some(splits).filter(|splits| !splits.is_empty())
}

fn of_outcomes(outcomes: &[Outcome]) -> Vec<Successes> {
    let mut splits: Vec<Successes> = Vec::new();
    for Summary { split, success_any: any, success_last: last, .. } in summarize(outcomes) {
        // Of a split with several tasks, the summary of all of them comes last.
        if splits.last().is_some_and(|known| known.split == split) {
            splits.pop();
        }
        splits.push(Successes { split, any, last });
    }
    splits
}

/// The one sentence that people look for.
pub(super) fn headline(counted: Option<&Counted>) -> Markup {
    let Some(Counted { splits, .. }) = counted else {
        return html! { "How often its policy succeeds has not been measured." };
    };
    html! {
        "The policy succeeds in "
        @for (at, of) in splits.iter().enumerate() {
            @if at > 0 { "; in " }
            span.verdict { (of.any) } " of " (of.any.trials) " episodes"
            @if !of.split.is_empty() { " (" (of.split) ")" } @else if splits.len() > 1 { " (all)" }
            " at any step, and in " span.whole { (of.last) } " at the last one"
        }
        "."
    }
}

pub(super) fn body(
    run: &Path,
    evaluations: &[Section],
    of_others: &[String],
    counted: Option<&Counted>,
) -> Result<Option<Markup>> {
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
            @if let Some(counted) = counted.filter(|of| is_own(&evaluations[at]) && of.trials() != of.all) {
                p {
                    "The run asks for " (counted.trials()) " of these " (counted.all) " episodes: those are what is counted at "
                    "the top."
                }
            }
            @if of_others.contains(&evaluations[at].title) {
                p { strong { "These are episodes of another policy than the run has now, such as an earlier one." } }
            }
            (section)
            (left_out(*count, *all, folder))
        }
    }))
}

/// Whether it is that of the run, and not one that somebody put beside it.
fn is_own(evaluation: &Section) -> bool {
    evaluation.title == layout::EVALUATION
}

/// As many successes and as many failures as a page can carry.
fn first_of_each(videos: &[Video]) -> Vec<Video> {
    let of = |is_success: bool| videos.iter().filter(move |video| video.is_success == is_success).take(MAX_PICTURES);
    of(true).chain(of(false)).cloned().collect()
}
