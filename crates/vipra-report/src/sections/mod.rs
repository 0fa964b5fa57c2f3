//! The parts of the page, a file each.

mod configuration;
mod data;
mod evaluation;
mod latent_actions;
mod policy;
mod pretraining;
mod stages;
mod tokenizer;

use std::path::Path;

use maud::{Markup, html};
use serde_json::Value;
use vipra_page::{Picture, short};

use crate::curves::{Panel, charts};
use crate::metrics::Metrics;
use crate::record::{Outdated, Records, records};
use crate::{Error, Result, layout};

/// Pictures of a kind that are shown; a page of them all would be too large to send.
const MAX_PICTURES: usize = 6;

/// A part of the page.
struct Section {
    /// Its name in links.
    id: &'static str,
    title: &'static str,
    /// None if nothing of it is there.
    body: Option<Markup>,
    /// What makes it.
    made_by: &'static str,
    /// That it was made from something else than the run has now.
    outdated: Option<String>,
}

/// The page of a run.
pub(crate) fn page(run: &Path) -> Result<String> {
    let records = records(run)?;
    let is_run = [layout::CONFIG, layout::TOKENIZER, layout::LAQ, layout::PRETRAIN, layout::POLICY];
    // The folder of one training has a configuration as well.
    let is_training = run.join("checkpoints").is_dir();
    if records.is_empty() && (is_training || !is_run.iter().any(|name| run.join(name).exists())) {
        return Err(Error::NoRun { path: run.to_path_buf() });
    }
    let outdated = Outdated::of(&records);
    let (headline, success) = success(run, &records, &outdated)?;
    let sections = [
        success,
        Section::new("data", "Data", data::body(run, &records)?, "vipra sim record, vipra data clips --contact-sheet"),
        Section::new("tokenizer", "Frame tokenizer", tokenizer::body(run)?, "vipra tokenizer train")
            .of("tokenizer", &outdated),
        Section::new("latent-actions", "Latent actions", latent_actions::body(run)?, "vipra laq train")
            .of("laq", &outdated),
        Section::new("pretraining", "Pretraining", pretraining::body(run)?, "vipra pretrain").of("pretrain", &outdated),
        Section::new("policy", "Policy", policy::body(run)?, "vipra finetune").of("finetune", &outdated),
        Section::new("provenance", "Where it comes from", stages::provenance(&records), "vipra run"),
        Section::new("configuration", "Configuration", configuration::body(run)?, "vipra run"),
    ];
    let note = configuration::note(run)?;
    let body = html! {
        @if let Some(note) = note { p { strong { (note) } } }
        p { (headline) }
        (stages::overview(&records, &outdated))
        nav { @for section in &sections { a href=(format!("#{}", section.id)) { (section.title) } } }
        @for section in &sections { (section.to_markup()) }
    };
    Ok(vipra_page::page(&format!("Run {}", name(run)), &body))
}

/// How often the policy succeeds: in a sentence, and in a part of the page.
fn success(run: &Path, records: &Records, outdated: &Outdated) -> Result<(Markup, Section)> {
    let evaluations = evaluation::read(run)?;
    let of_others = evaluation::of_other_policies(run, &evaluations)?;
    // Episodes that somebody ran by hand have no record.
    let outdated = outdated.note(evaluation::EVALUATE).or_else(|| outdated.note("finetune"));
    let counted = match &outdated {
        Some(_) => None,
        None => evaluation::Counted::find(&evaluations, &of_others, records),
    };
    let body = evaluation::body(run, &evaluations, &of_others, counted.as_ref())?;
    let section = Section { outdated, ..Section::new("success", "Success", body, "vipra eval") };
    Ok((evaluation::headline(counted.as_ref()), section))
}

impl Section {
    fn new(id: &'static str, title: &'static str, body: Option<Markup>, made_by: &'static str) -> Self {
        Self { id, title, body, made_by, outdated: None }
    }

    /// The same, of a stage that may be outdated.
    fn of(self, stage: &str, outdated: &Outdated) -> Self {
        Self { outdated: outdated.note(stage), ..self }
    }

    fn to_markup(&self) -> Markup {
        html! {
            section {
                h2 id=(self.id) { (self.title) }
                @match &self.body {
                    Some(body) => {
                        @if let Some(outdated) = &self.outdated { p { strong { "This was " (outdated) "." } } }
                        (body)
                    }
                    None => (absent("Nothing of this lies in the run folder", self.made_by)),
                }
            }
        }
    }
}

/// That something is not there, and what would make it.
fn absent(what: &str, made_by: &str) -> Markup {
    html! { p.absent { (what) ": " code { (made_by) } " has not been run yet, or not to its end." } }
}

/// The folder's own name, also of `.`.
fn name(folder: &Path) -> String {
    let whole = std::path::absolute(folder).unwrap_or_else(|_| folder.to_path_buf());
    let whole = whole.canonicalize().unwrap_or(whole);
    whole.file_name().map_or_else(|| whole.display().to_string(), |name| name.to_string_lossy().into_owned())
}

/// The curves of a training, or that there are none.
fn training(metrics: Option<&Metrics>, panels: &[Panel], made_by: &str) -> Markup {
    match metrics {
        Some(metrics) => html! {
            p.quiet { "The last numbers are of step " (short(metrics.steps())) "; each curve's last number stands in its legend." }
            (charts(metrics, panels))
        },
        None => absent("There are no numbers of the training", made_by),
    }
}

/// A strip of frames above its caption.
fn strip(picture: &Picture, caption: &str) -> Markup {
    html! { figure { (picture.to_strip(caption)) figcaption { (caption) } } }
}

/// "6 of 12 are shown; all lie in FOLDER."
fn left_out(shown: usize, all: usize, folder: &str) -> Markup {
    html! { @if shown < all { p.quiet { (shown) " of " (all) " are shown; all lie in " code { (folder) } "." } } }
}

/// A number of a JSON object as text; a dash where it has none.
fn number(value: &Value) -> String {
    short(value.as_f64().unwrap_or(f64::NAN))
}
