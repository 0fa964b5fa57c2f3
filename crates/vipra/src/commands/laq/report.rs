//! `vipra laq report`.

use std::path::Path;

use anyhow::{Context, Result};
use vipra_data::writer::write_atomic;
use vipra_laq::report::{Report, Study, StudyConfig};

use super::{Outcome, open_model};
use crate::cli::ReportArgs;
use crate::commands::datasets::{check_outside_data, measured_on};
use crate::files::create_parent;
use crate::output::{print, short, table};
use crate::progress::Progress;

pub fn run(args: &ReportArgs) -> Result<Outcome> {
    print(&write_report(args)?)?;
    Ok(Outcome::Done)
}

/// Measures, and writes the page, the numbers and the pictures. Returns the text to print.
pub fn write_report(args: &ReportArgs) -> Result<String> {
    let trained = open_model(&args.model)?;
    let config = measured_on(&args.model.model, &args.datasets)?;
    anyhow::ensure!(
        !config.data.validation.is_empty(),
        "nothing is held out: name a dataset of at least two episodes to measure on"
    );
    check_outside_data(&config.data, &args.out, "the page")?;
    create_parent(&args.out)?;
    let study = StudyConfig { action: args.action.clone(), examples: args.examples, ..StudyConfig::default() };
    let study = Study::open(&trained, &config.data, study)?;
    let measuring = Progress::new("measuring", "episodes");
    let report = study.run(&|done, all| measuring.set(done, all))?;
    drop(measuring);

    let numbers = args.out.with_extension("json");
    write_atomic(&args.out, report.to_html().as_bytes())?;
    write_atomic(&numbers, &serde_json::to_vec_pretty(&report)?)?;
    write_pictures(&report, &args.out)?;
    Ok(to_text(&report, &args.out, &numbers))
}

/// Writes each picture as a file, into a folder beside the page: NAME-pictures.
fn write_pictures(report: &Report, page: &Path) -> Result<()> {
    let name = page.file_stem().unwrap_or_default().to_string_lossy();
    let folder = page.with_file_name(format!("{name}-pictures"));
    std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    report
        .examples
        .iter()
        .try_for_each(|example| Ok(write_atomic(&folder.join(&example.file), example.picture.bytes())?))
}

fn to_text(report: &Report, page: &Path, numbers: &Path) -> String {
    let [low, high] = report.reconstruction.nearer_to_next_interval;
    let of_others = match report.number("l1_moving_ratio_of_other_codes") {
        number if number.is_finite() => short(number),
        _ => "one episode is held out: no others".to_owned(),
    };
    let rows = vec![
        vec!["error on moving pixels, over that of a copy".to_owned(), short(report.number("l1_moving_ratio"))],
        vec!["the same from the codes of other episodes".to_owned(), of_others],
        vec![
            "moving transitions rebuilt nearer to the next frame".to_owned(),
            format!("{} ({} to {})", short(report.number("nearer_to_next")), short(low), short(high)),
        ],
        vec![format!("perplexity of {} codes", report.codes.shares.len()), short(report.codes.perplexity)],
        vec!["perplexity at a position".to_owned(), short(report.number("position_perplexity"))],
        vec!["dead codes".to_owned(), report.codes.dead_codes.to_string()],
    ];
    let mut text = table(&["held out", ""], rows, 1);
    if let Some(probe) = &report.probe {
        let row = |result: &vipra_laq::report::ProbeResult| {
            std::iter::once(result.dimension.clone()).chain(result.cells()).collect()
        };
        text.push('\n');
        let header = ["R² of true actions", "codes", "shuffled codes", "frame difference"];
        text.push_str(&table(&header, probe.iter().map(row).collect(), 1));
    }
    text.push_str(&format!("\nwritten to {} and {}\n", page.display(), numbers.display()));
    text
}
