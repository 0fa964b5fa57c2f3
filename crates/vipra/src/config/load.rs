//! From presets, files and `--set` to a [`Config`].

use anyhow::{Context, Result};
use clap::Args;
use toml::{Table, Value};

use super::Config;
use super::faults::{self, Fault, Faults};
use super::read::{Merging, read_with_base};

/// How commands are told their configuration.
#[derive(Args, Clone, Debug, Default)]
pub struct ConfigArgs {
    /// A TOML file, or the name of a preset: tiny, small, vipra-7b, simpler, demo-quick. Without it, the defaults.
    #[arg(long, value_name = "FILE")]
    pub config: Option<String>,
    /// Sets one key, after the file: `--set data.clip.frames=16`. May be given several times.
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

/// Loads a configuration.
///
/// # Errors
/// [`Faults`] with everything that is wrong with it, or that the file cannot be read.
pub fn load(args: &ConfigArgs) -> Result<Config> {
    let (origin, mut table) = read_with_base(args.config.as_deref())?;
    let origin = if args.set.is_empty() || args.config.is_none() { origin } else { format!("{origin} with --set") };
    let fail = |list: Vec<Fault>| Faults { origin: origin.clone(), list };
    let mut list: Vec<Fault> = args.set.iter().filter_map(|assignment| set(&mut table, assignment).err()).collect();
    let value = serde_json::to_value(&table).context("the configuration cannot be checked")?;
    list.extend(faults::find(&value)?);
    // A section that is set in part is for the rest what this section is by default, not what its kind is elsewhere.
    let defaults = Table::try_from(Config::default()).context("the defaults have no form in TOML")?;
    let config = match Merging::of_config().merged(defaults, table).try_into::<Config>() {
        Ok(config) => config,
        Err(error) if list.is_empty() => {
            let reason = error.to_string();
            return Err(fail(vec![Fault { key: "(type)".into(), reason }]).into());
        }
        Err(_) => return Err(fail(list).into()),
    };
    let beyond_types: Vec<Fault> = config.faults();
    list.extend(
        beyond_types.into_iter().filter(|fault| list.iter().all(|known| known.key != fault.key)).collect::<Vec<_>>(),
    );
    if list.is_empty() { Ok(config) } else { Err(fail(list).into()) }
}

/// Sets `section.key=value`. The value is TOML; what is not, is text. A number steps into a list.
fn set(table: &mut Table, assignment: &str) -> Result<(), Fault> {
    let fault = |key: &str, reason: &str| Fault { key: key.to_owned(), reason: reason.to_owned() };
    let (key, value) =
        assignment.split_once('=').ok_or_else(|| fault(assignment, "--set needs KEY=VALUE, such as data.seed=1"))?;
    let key = key.trim();
    let steps: Vec<&str> = key.split('.').collect();
    let Some((last, sections)) = steps.split_last().filter(|_| steps.iter().all(|step| !step.is_empty())) else {
        return Err(fault(assignment, "--set needs KEY=VALUE, such as data.seed=1"));
    };
    let value = parse_value(value.trim());

    let mut root = Value::Table(std::mem::take(table));
    let outcome = sections
        .iter()
        .try_fold(&mut root, |node, step| enter(node, step))
        .ok_or_else(|| fault(key, "is inside of something that is not a section"))
        .and_then(|section| match section {
            Value::Table(section) => {
                section.insert((*last).to_owned(), value);
                Ok(())
            }
            _ => Err(fault(key, "is inside of something that is not a section")),
        });
    if let Value::Table(changed) = root {
        *table = changed;
    }
    outcome
}

fn enter<'a>(node: &'a mut Value, step: &str) -> Option<&'a mut Value> {
    match node {
        Value::Table(table) => Some(table.entry(step).or_insert_with(|| Value::Table(Table::new()))),
        Value::Array(list) => list.get_mut(step.parse::<usize>().ok()?),
        _ => None,
    }
}

fn parse_value(text: &str) -> Value {
    let parsed = format!("value = {text}").parse::<Table>().ok().and_then(|mut table| table.remove("value"));
    match parsed {
        // No key is a time, and a range such as 10:20 looks like one.
        None | Some(Value::Datetime(_)) => Value::String(text.to_owned()),
        Some(value) => value,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::read::PRESETS;
    use super::*;

    fn load_text(text: &str, set: &[&str]) -> Result<Config> {
        let file = tempfile::NamedTempFile::new()?;
        std::fs::write(&file, text)?;
        let set = set.iter().map(|&set| set.to_owned()).collect();
        load(&ConfigArgs { config: Some(file.path().display().to_string()), set })
    }

    fn faults_of(text: &str, set: &[&str]) -> Vec<(String, String)> {
        let error = load_text(text, set).unwrap_err();
        let faults = error.downcast::<Faults>().unwrap();
        faults.list.into_iter().map(|fault| (fault.key, fault.reason)).collect()
    }

    #[test]
    fn every_preset_is_valid() {
        for (preset, _) in PRESETS {
            load(&ConfigArgs { config: Some(preset.to_owned()), set: vec![] }).unwrap();
        }
    }

    #[test]
    fn the_largest_preset_has_the_released_model() {
        let preset = load(&ConfigArgs { config: Some("vipra-7b".into()), set: vec![] }).unwrap();
        assert_eq!(preset.laq.model, vipra_laq::LaqConfig::release());
    }

    #[test]
    fn all_faults_come_at_once_with_path_and_nearest_name() {
        let text = "[data]\nsed = 1\n[data.clip]\nframse = 8\ninterval_secs = \"x\"\n[data.image]\nfit = \"strech\"\n\
                    [[data.sources]]\nweigth = 2.0\n[model]\n";
        let faults = faults_of(text, &["data.image.width=0"]);
        let find = |key: &str| &faults.iter().find(|(found, _)| found == key).expect(key).1;
        assert!(find("data.sed").contains("did you mean `seed`"), "{faults:?}");
        assert!(find("data.clip.framse").contains("did you mean `frames`"), "{faults:?}");
        assert_eq!(find("data.clip.interval_secs"), "\"x\" should be a number");
        assert!(find("data.image.fit").contains("did you mean `stretch`"), "{faults:?}");
        assert_eq!(find("data.image.width"), "0 is less than 1");
        assert!(find("data.sources.0.weigth").contains("did you mean `weight`"), "{faults:?}");
        assert_eq!(find("data.sources.0"), "needs \"path\"");
        assert!(find("model").contains("valid are data"), "{faults:?}");
        assert_eq!(faults.len(), 8, "{faults:#?}");
    }

    #[test]
    fn a_file_changes_its_base_by_the_key() {
        let config = load_text("base = \"tiny\"\n[laq.train]\nsteps = 777\n", &["laq.train.batch_size=1"]).unwrap();
        let tiny = load(&ConfigArgs { config: Some("tiny".into()), set: vec![] }).unwrap();
        let mut wanted = tiny;
        (wanted.laq.train.steps, wanted.laq.train.batch_size) = (777, 1);
        assert_eq!(config, wanted);
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("below.toml"), "base = \"tiny\"\n[laq.train]\nsteps = 888\nbatch_size = 1\n").unwrap();
        std::fs::write(at("above.toml"), "base = \"below.toml\"\n[laq.train]\nsteps = 777\n").unwrap();
        let above = ConfigArgs { config: Some(at("above.toml").display().to_string()), set: vec![] };
        assert_eq!(load(&above).unwrap(), config);
        std::fs::write(at("below.toml"), "base = \"above.toml\"\n").unwrap();
        assert!(load(&above).unwrap_err().to_string().contains("build on one another"));
        assert_eq!(faults_of("base = 1", &[]).len(), 1);
    }

    #[test]
    fn a_name_that_is_no_preset_is_answered_with_the_nearest() {
        let named = ConfigArgs { config: Some("simpelr".to_owned()), set: vec![] };
        let refused = load(&named).unwrap_err().to_string();
        assert!(refused.contains("`simpelr`") && refused.ends_with("; did you mean `simpler`?"), "{refused}");
        // Of a base it is a fault of the file that names it, and as such found by a check.
        let faults = faults_of("base = \"simpelr\"", &[]);
        assert!(faults[0].0 == "base" && faults[0].1.contains("did you mean `simpler`"), "{faults:?}");
        let nothing_near = faults_of("base = \"runs/mine.toml\"", &[]);
        assert!(nothing_near[0].1.ends_with("(tiny, small, vipra-7b, simpler, demo-quick)"), "{nothing_near:?}");
    }

    #[test]
    fn ranges_are_no_times() {
        let text = "[[data.sources]]\npath = \"one\"\n";
        for range in ["0:50", "10:20"] {
            let config = load_text(text, &[&format!("data.sources.0.split={range}")]).unwrap();
            assert_eq!(config.data.sources[0].split.as_deref(), Some(range));
        }
    }

    #[test]
    fn a_section_that_is_set_in_part_keeps_its_other_defaults() {
        let mut wanted = Config::default();
        wanted.pretrain.train.steps = 10;
        wanted.finetune.augmentation.crop_area = 0.7;
        let set = ["pretrain.train.steps=10", "finetune.augmentation.crop_area=0.7"];
        assert_eq!(load_text("", &set).unwrap(), wanted);
        // One of several kinds takes nothing over from another one.
        let ensemble = "finetune.execution={ensemble={decay=0.1}}";
        assert!(load_text("base = \"simpler\"", &[ensemble]).is_ok());
        assert!(load_text("base = \"simpler\"\n[finetune.execution.ensemble]\ndecay = 0.1\n", &[]).is_ok());
    }

    #[test]
    fn a_file_does_without_keys_of_its_base() {
        let simpler = load_text("base = \"simpler\"\n", &[]).unwrap();
        assert!(simpler.finetune.action.gripper.is_some());
        let config = load_text("base = \"simpler\"\nunset = [\"finetune.action.gripper\"]\n", &[]).unwrap();
        assert_eq!(config.finetune.action.gripper, None);
        assert_eq!(config.finetune.action.kind, simpler.finetune.action.kind);
        // Whichever of the files below it has them.
        let folder = tempfile::tempdir().unwrap();
        let robot = folder.path().join("robot.toml");
        for own in ["", "[finetune.action]\nfeature = \"wishes\"\n", "[finetune.action.gripper]\nopen = 2.0\n"] {
            std::fs::write(&robot, format!("base = \"simpler\"\n{own}")).unwrap();
            let text = format!("base = {robot:?}\nunset = [\"finetune.action.gripper\"]\n");
            assert_eq!(load_text(&text, &[]).unwrap().finetune.action.gripper, None, "{own}");
        }
        for (text, reason) in [
            ("base = \"simpler\"\nunset = [\"finetune.action.griper\"]\n", "not set by the base"),
            ("base = \"simpler\"\nunset = \"finetune\"\n", "list of keys"),
            ("unset = [\"finetune.action.gripper\"]\n", "with a `base`"),
        ] {
            let faults = faults_of(text, &[]);
            assert!(faults.len() == 1 && faults[0].0 == "unset" && faults[0].1.contains(reason), "{faults:?}");
        }
    }

    #[test]
    fn faults_within_optional_sections_are_named() {
        let keys = |set: &[&str]| faults_of("base = \"simpler\"", set);
        let faults = keys(&["finetune.action.gripper.opn=1.0"]);
        assert!(
            faults[0].0 == "finetune.action.gripper.opn" && faults[0].1.contains("did you mean `open`"),
            "{faults:?}"
        );
        let faults = keys(&["finetune.action.gripper.open=x"]);
        assert_eq!(faults, [("finetune.action.gripper.open".to_owned(), "\"x\" should be a number".to_owned())]);
        let faults = keys(&["finetune.execution={first={action=4}}"]);
        assert!(faults.iter().any(|(key, _)| key == "finetune.execution.first.action"), "{faults:?}");
        let faults = keys(&["finetune.execution=99"]);
        let reason = "99 should be a table, such as {first = {actions = …}} or {ensemble = {decay = …}}";
        assert_eq!(faults, [("finetune.execution".to_owned(), reason.to_owned())]);
        let faults = keys(&["finetune.fields=[instruction],[vision],[propio],action"]);
        assert!(faults[0].0 == "finetune.fields" && faults[0].1.contains("did you mean `proprio`"), "{faults:?}");
    }

    #[test]
    fn what_a_run_cannot_do_is_a_fault() {
        let text = "[run.videos]\npaths = [\"a\"]\n[run.videos.record.\"a b\"]\nsize = 65\nembodiment = \"hnad\"\n\
                    [run.demonstrations.record.one]\nembodiment = \"hand\"\n[run.evaluation]\nsplits = [\"sen\"]\n\
                    [run.estimate.seconds]\nlq = 1.0\n";
        let fixed = text.replace("hnad", "hand");
        let keys = |text: &str| faults_of(text, &[]).into_iter().map(|(key, _)| key).collect::<Vec<_>>();
        assert_eq!(keys(text), ["run.videos.record.a b.embodiment"]);
        assert_eq!(
            keys(&fixed),
            [
                "run.videos.paths",
                "run.videos.record.a b",
                "run.videos.record.a b.size",
                "run.demonstrations.record.one.embodiment",
                "run.evaluation.splits",
                "run.estimate.seconds.lq",
            ]
        );
    }

    #[test]
    fn contradictions_are_faults_too() {
        let faults = faults_of("", &["data.clip.frames=2", "data.clip.min_real_frames=3", "data.loader.workers=99"]);
        let keys: Vec<&str> = faults.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys, ["data.clip.min_real_frames", "data.loader.open_decoders"]);
    }

    #[test]
    fn set_makes_sections_and_steps_into_lists() {
        let text = "[[data.sources]]\npath = \"a\"\n";
        let config = load_text(text, &["data.sources.0.weight=2.5", "data.clip.frames=4", "data.sources.0.path=b c"]);
        let config = config.unwrap();
        assert_eq!(config.data.sources[0].weight, 2.5);
        assert_eq!(config.data.sources[0].path, Path::new("b c"));
        assert_eq!(config.data.clip.frames, 4);
        for wrong in ["data.seed", "=1", "data..seed=1", "data.sources.7.weight=1", "data.sources.path.x=1"] {
            assert_eq!(faults_of(text, &[wrong]).len(), 1, "{wrong}");
        }
    }

    #[test]
    fn broken_toml_names_the_line() {
        let faults = faults_of("[data\nseed = 1", &[]);
        assert!(faults[0].1.contains("line 1"), "{faults:?}");
    }

    #[test]
    fn what_is_shown_loads_to_the_same_configuration() {
        let text = "[data]\nseed = 3\n[[data.sources]]\npath = \"a \\\"b\\\"\"\nweight = 0.5\nsplit = \"train\"\n\
                    [data.normalization.features]\naction = \"quantile\"\n\
                    [data.normalization.identity_dimensions]\n\"action.x\" = [\"gripper\"]\n";
        let config = load_text(text, &[]).unwrap();
        let shown = super::super::to_toml(&config).unwrap();
        assert_eq!(load_text(&shown, &[]).unwrap(), config, "{shown}");
        assert!(shown.contains("# Frames of a clip, T (ViPRA's code: 8)."), "{shown}");
        let (_, source) = shown.split_once("[[data.sources]]").unwrap();
        let source = source.split("\n[").next().unwrap();
        assert!(source.contains("# fps = …  (not set)"), "keys without a value are named too: {source}");
    }
}
