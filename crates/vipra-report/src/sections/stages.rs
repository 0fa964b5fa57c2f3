//! What each stage took, and what it was made of.

use maud::{Markup, html};
use vipra_page::table;

use super::absent;
use crate::StageRecord;
use crate::record::{Outdated, Records};

/// A line a stage: time, memory, key figure.
pub(super) fn overview(records: &Records, outdated: &Outdated) -> Markup {
    if records.is_empty() {
        return absent("There are no records of stages, and so no times", "vipra run");
    }
    let mut rows: Vec<Vec<Markup>> =
        records.iter().map(|(name, record)| row(name, record, outdated.note(name))).collect();
    let total: f64 = records.iter().filter_map(|(_, record)| record.seconds).sum();
    let highest = records.iter().filter_map(|(_, record)| record.peak_memory_mib).reduce(f64::max);
    rows.push(vec![html! { strong { "all" } }, html! { (duration(Some(total))) }, html! { (memory(highest)) }]);
    html! {
        (table(&["stage", "time", "memory"], &rows))
        p.quiet { "Time is that of all calls of a stage; memory is the most that the process held during it." }
    }
}

/// Fingerprints, versions and dates.
pub(super) fn provenance(records: &Records) -> Option<Markup> {
    let cell = |text: Option<&String>| html! { (text.map_or("–", String::as_str)) };
    let rows = records.iter().map(|(name, record)| {
        let inputs = record.inputs.iter().map(|(name, fingerprint)| format!("{name} {fingerprint}"));
        vec![
            html! { (name) },
            html! { code { (record.fingerprint) } },
            html! { code { (inputs.collect::<Vec<_>>().join(", ")) } },
            cell(record.version.as_ref()),
            cell(record.written_at.as_ref()),
        ]
    });
    let rows: Vec<Vec<Markup>> = rows.collect();
    (!rows.is_empty()).then(|| {
        html! {
            p {
                "A stage is done again if its fingerprint changes: that of the configuration which it reads, of its inputs, "
                "and of the kind of data."
            }
            div.facts { (table(&["stage", "fingerprint", "inputs", "version", "done"], &rows)) }
        }
    })
}

/// What came of a stage stands below its name: on a phone a column of text has no room beside the numbers.
fn row(name: &str, record: &StageRecord, outdated: Option<String>) -> Vec<Markup> {
    let figure = if record.is_done() { &record.key_figure } else { "interrupted" };
    vec![
        html! {
            (name)
            @if !figure.is_empty() { div.text.quiet { (figure) } }
            @if let Some(outdated) = outdated { div.text { strong { (outdated) } } }
        },
        html! { (duration(record.seconds)) },
        html! { (memory(record.peak_memory_mib)) },
    ]
}

fn duration(secs: Option<f64>) -> String {
    match secs {
        None => "–".to_owned(),
        Some(secs) if secs < 60.0 => format!("{secs:.1} s"),
        Some(secs) if secs < 3600.0 => format!("{:.1} min", secs / 60.0),
        Some(secs) => format!("{:.2} h", secs / 3600.0),
    }
}

fn memory(mib: Option<f64>) -> String {
    match mib {
        None => "–".to_owned(),
        Some(mib) if mib < 1024.0 => format!("{mib:.0} MiB"),
        Some(mib) => format!("{:.1} GiB", mib / 1024.0),
    }
}
