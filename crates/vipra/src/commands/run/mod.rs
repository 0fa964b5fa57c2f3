//! `vipra run`.

mod aside;
mod context;
mod failure;
mod memory;
mod monitor;
mod plan;
mod record;
mod results;
mod tables;
mod work;

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use vipra_data::writer::write_atomic;
use vipra_train::Interrupt;

use self::aside::set_aside;
use self::context::RunContext;
use self::failure::StageFailed;
use self::monitor::Monitor;
use self::plan::{Decision, Planned, plan};
use self::record::{RECORDS, Record, forget};
use self::results::{result, results};
use self::work::StageEnd;
use super::{Outcome, device};
use crate::cli::RunArgs;
use crate::config::{ConfigArgs, load, to_toml};
use crate::files::check_no_dataset;
use crate::log::{also_to, say};
use crate::output::print;
use crate::run_folder::lock;
use crate::stage::Stage;

/// The log of a run, in its folder.
const LOG: &str = "run.log";

pub fn run(args: &RunArgs) -> Result<Outcome> {
    let context = RunContext::load(args)?;
    let until = context.until;
    let again = args.from.map_or_else(BTreeSet::new, Stage::with_dependents);
    if let Some(from) = args.from.filter(|from| *from > until) {
        anyhow::bail!("--from {} lies behind --until {}", from.name(), until.name());
    }
    device(&context.device)?;
    // Those that are recorded are looked at when they are there.
    if until >= Stage::Finetune && !context.is_embedded() {
        context.check_demonstrations()?;
    }
    // What is there must not change between the plan and its work; a folder is made only for something that can begin.
    let held = (!args.dry_run && context.run.exists()).then(|| begin(&context)).transpose()?;
    let read = |stage| context.configuration(stage);
    // Before finetuning a run may do without demonstrations.
    let stages: Vec<Stage> = until.until().into_iter().filter(|stage| context.has_data(*stage)).collect();
    let planned = plan(&context.run, &stages, &again, &read, &|stage| context.is_there(stage))?;
    if args.dry_run {
        print(&tables::planned(&planned, &context))?;
        return Ok(Outcome::Done);
    }
    let _lock = held.map_or_else(|| begin(&context), Ok)?;
    keep_configuration(&context, &args.config)?;
    let command = failure::command(args, &context.run);
    // Before anything else: were the run interrupted now, these must not be taken for what is asked for.
    for stage in &again {
        forget(&context.run, *stage)?;
    }
    let monitor = Monitor::start(context.run.clone(), command.clone(), Interrupt::listen()?);
    // Whoever waits for the run must not take an interrupted one for a finished one.
    let Some(records) = execute(planned, &context, &monitor, &command)? else { return Ok(Outcome::CheckFailed) };
    tables::write_summary(&records, &context)?;
    say(&format!("{0}/{0} report: collecting what the stages left", places(records.len())));
    let report = report(&context)?;
    print(&tables::summary(&records, &context, &report))?;
    Ok(Outcome::Done)
}

/// The report comes behind the stages.
fn places(stages: usize) -> usize {
    stages + 1
}

/// Does what is planned. The records of all stages; None if the run was asked to stop. `command` is what goes on with it.
fn execute(
    planned: Vec<Planned>,
    context: &RunContext,
    monitor: &Monitor,
    command: &str,
) -> Result<Option<Vec<Record>>> {
    let places = places(planned.len());
    let mut records = Vec::new();
    for (at, planned) in planned.into_iter().enumerate() {
        let stage = planned.stage;
        let planned = planned.given(&results(&records));
        let failed = |error| anyhow::Error::new(StageFailed::new(stage, error, &context.run, command));
        match make(planned, &format!("{}/{places}", at + 1), context, monitor).map_err(failed)? {
            Some(record) => records.push(record),
            None => {
                say(&monitor.stopped(stage));
                return Ok(None);
            }
        }
    }
    Ok(Some(records))
}

/// Makes the folder, takes it for this process, and begins the log.
fn begin(context: &RunContext) -> Result<File> {
    let run = &context.run;
    check_no_dataset(run)?;
    let records = run.join(RECORDS);
    std::fs::create_dir_all(&records).with_context(|| format!("making {}", records.display()))?;
    let lock = lock(run)?;
    also_to(&run.join(LOG))?;
    Ok(lock)
}

/// Writes down what the run is told, in place of what it was told before.
fn keep_configuration(context: &RunContext, given: &str) -> Result<()> {
    let file = context.run.join("config.toml");
    anyhow::ensure!(
        !is_written_by_hand(&file, given)?,
        "the run would write over the configuration that it is given: move that elsewhere, or name another folder by --run: {}",
        file.display()
    );
    Ok(write_atomic(&file, to_toml(&context.config)?.as_bytes())?)
}

/// Whether a file is the configuration that a run is given, and not one that an earlier run left.
fn is_written_by_hand(file: &Path, given: &str) -> Result<bool> {
    let (Ok(given_file), Ok(kept)) = (Path::new(given).canonicalize(), file.canonicalize()) else { return Ok(false) };
    if given_file != kept {
        return Ok(false);
    }
    let text = std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    let without_comments = |text: &str| text.parse::<toml::Table>().ok();
    let config = load(&ConfigArgs { config: Some(given.to_owned()), set: Vec::new() })?;
    Ok(without_comments(&text) != without_comments(&to_toml(&config)?))
}

/// Collects what all stages left in one page. Cheap enough to be made at the end of every run, also of a part of the stages.
fn report(context: &RunContext) -> Result<PathBuf> {
    vipra_report::write(&context.run).with_context(|| {
        let run = context.run.display();
        format!("the stages are done, but the report failed: `vipra report {run}` makes it when the cause is gone")
    })
}

/// Makes a stage, or keeps it. Its record; None if it was asked to stop. `place` is the stage's among all, such as "3/9".
fn make(planned: Planned, place: &str, context: &RunContext, monitor: &Monitor) -> Result<Option<Record>> {
    let Planned { stage, before, now, decision, why } = planned;
    let place = format!("{place} {}", stage.name());
    let before = match (decision, before) {
        (Decision::Skip, Some(mut before)) => {
            if before.result.is_none() {
                // An earlier version left it unknown. What is made from it from now on has to know.
                before.result = result(stage, &context.folder(stage))?;
                if before.result.is_some() {
                    before.write(&context.run, stage)?;
                }
            }
            say(&format!("{place}: skipped, {why} ({})", before.key_figure));
            return Ok(Some(before));
        }
        (Decision::Resume, before) => before.filter(|_| has_something(&context.folder(stage))),
        _ => None,
    };
    say(&format!("{place}: {} ({why})", stage.purpose()));
    if decision == Decision::Run {
        tidy(stage, context)?;
    }
    monitor.begin(stage, now, before.as_ref())?;
    let end = work::run(stage, context, monitor).and_then(|end| match end {
        StageEnd::Done(figures) => Ok(Some((figures, result(stage, &context.folder(stage))?))),
        StageEnd::Interrupted => Ok(None),
    });
    let Ok(Some((figures, result))) = end else {
        // It goes on from here, and the time that it took so far counts.
        monitor.end(|_record| {})?;
        return end.map(|_interrupted| None);
    };
    let done = monitor.end(|record| {
        record.finish(figures.key, figures.all);
        record.result = result;
    })?;
    let record = done.context("the stage ended without having begun")?;
    say(&format!("    {}: {}", tables::cost(&record), record.key_figure));
    Ok(Some(record))
}

/// Moves away what lies where a stage is to be made from other things than before, and forgets it.
fn tidy(stage: Stage, context: &RunContext) -> Result<()> {
    // A keyed folder is made again only when that is asked for: then its record was forgotten before. Else the record stays
    // until the next one takes its place: without one, what the folder holds would be made again.
    if stage.is_keyed() && Record::read(&context.run, stage)?.is_some() {
        return Ok(());
    }
    let folder = context.folder(stage);
    if has_something(&folder) {
        let kept = set_aside(&context.run, stage, &folder)?;
        say(&format!("    what lay in {} is moved to {}", folder.display(), kept.display()));
    }
    forget(&context.run, stage)
}

fn has_something(folder: &Path) -> bool {
    folder.read_dir().is_ok_and(|mut entries| entries.next().is_some())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::cli::DeviceArgs;
    use crate::config::Config;

    #[test]
    fn caches_stay_until_another_record_takes_the_place_of_theirs() {
        let folder = tempfile::tempdir().unwrap();
        let device = DeviceArgs { device: "flex".to_owned() };
        let run = folder.path().to_path_buf();
        let context = RunContext { run, config: Config::default(), device, until: Stage::Evaluate };
        let is_known = |stage| Record::read(folder.path(), stage).unwrap().is_some();
        for stage in [Stage::Cache, Stage::Laq] {
            std::fs::create_dir(context.folder(stage)).unwrap();
            std::fs::write(context.folder(stage).join("hours"), "").unwrap();
            Record::begin(stage, json!({}), BTreeMap::new()).write(folder.path(), stage).unwrap();
            tidy(stage, &context).unwrap();
        }
        assert!(has_something(&context.folder(Stage::Cache)) && is_known(Stage::Cache));
        assert!(!has_something(&context.folder(Stage::Laq)) && !is_known(Stage::Laq));
        // Asked for again, it was forgotten before.
        forget(folder.path(), Stage::Cache).unwrap();
        tidy(Stage::Cache, &context).unwrap();
        assert!(!has_something(&context.folder(Stage::Cache)));
    }
}
