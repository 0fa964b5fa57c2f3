//! What a run is told, stage by stage: which part of the configuration each reads, and on what data.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use vipra_data::SourceConfig;
use vipra_data::source::{Source, fingerprint};
use vipra_data::writer::write_atomic;
use vipra_policy::finetune::check_demonstrations;
use vipra_sim::Scenes;

use super::record::{FINGERPRINT_LENGTH, RECORDS};
use super::work::{CURVES, OPEN_LOOP};
use crate::cli::{DeviceArgs, RunArgs, ScenesArgs};
use crate::config::{Config, ConfigArgs, Faults, RunData, disagreements, hash_files, load, strip_unread, to_toml};
use crate::files::check_outside;
use crate::progress::Progress;
use crate::stage::Stage;

/// What a run is told.
pub struct RunContext {
    /// The run folder.
    pub run: PathBuf,
    /// The whole configuration.
    pub config: Config,
    /// Where tensors live.
    pub device: DeviceArgs,
    /// The last stage.
    pub until: Stage,
}

impl RunContext {
    /// Reads the configuration of a run.
    ///
    /// # Errors
    /// Everything that is wrong with it, or that it names no data.
    pub fn load(args: &RunArgs) -> Result<Self> {
        let mut config = load(&ConfigArgs { config: Some(args.config.clone()), set: args.set.clone() })?;
        anyhow::ensure!(
            config.data.sources.is_empty() && config.data.validation.is_empty(),
            "`data.sources` and `data.validation` are for the commands of single stages: name the data of a run by --data, \
             or in `run.videos.paths` and `run.demonstrations.paths`"
        );
        let until = args.until.unwrap_or(Stage::Evaluate);
        let list = disagreements(&config, until);
        anyhow::ensure!(list.is_empty(), Faults { origin: format!("the stages of {}", args.config), list });
        let run = args.run.clone().unwrap_or_else(|| default_folder(&args.config));
        anyhow::ensure!(
            !run.is_file(),
            "a run needs a folder, and this is a file: name another by --run: {}",
            run.display()
        );
        // A resolved configuration means the same from everywhere.
        config.make_files_absolute()?;
        let kinds = [(Stage::Videos, &mut config.run.videos), (Stage::Demonstrations, &mut config.run.demonstrations)];
        for (source, data) in kinds {
            if let Some(path) = &args.data {
                data.paths = vec![path.clone()];
                data.record.clear();
            }
            data.paths.iter_mut().try_for_each(|path| std::path::absolute(&*path).map(|absolute| *path = absolute))?;
            let is_needed = source == Stage::Videos || until >= Stage::Finetune;
            let what = source.name();
            anyhow::ensure!(
                !is_needed || !data.paths.is_empty() || !data.record.is_empty(),
                "no {what}: name a dataset by --data or in `run.{what}.paths`, or have some recorded (`run.{what}.record`)"
            );
        }
        let named = config.run.videos.paths.iter().chain(&config.run.demonstrations.paths);
        check_outside(named.map(PathBuf::as_path), &run, "the run folder")?;
        Ok(Self { run, config, device: args.device.clone(), until })
    }

    /// What a stage learns from, as the configuration says it.
    pub fn data(&self, stage: Stage) -> &RunData {
        match stage.source() {
            Stage::Demonstrations => &self.config.run.demonstrations,
            _ => &self.config.run.videos,
        }
    }

    /// Whether there is data for a stage to learn from.
    pub fn has_data(&self, stage: Stage) -> bool {
        !self.datasets(stage).is_empty()
    }

    /// Where the datasets lie that a stage learns from: those that are named, or those that the run records.
    pub fn datasets(&self, stage: Stage) -> Vec<PathBuf> {
        let data = self.data(stage);
        let recorded = self.folder(stage.source());
        match data.paths.is_empty() {
            true => data.record.keys().map(|name| recorded.join(name)).collect(),
            false => data.paths.clone(),
        }
    }

    /// Opens one of a stage's datasets.
    ///
    /// # Errors
    /// What is wrong with it, with the stage's name.
    pub fn open(&self, stage: Stage, dataset: &Path) -> Result<Box<dyn Source>> {
        let opening = Progress::new("opening", "videos");
        let show = |done, all| opening.set(done, all);
        let source = SourceConfig { fps: self.data(stage).fps, ..SourceConfig::new(dataset) };
        self.config.data.open(&source, &show).with_context(|| format!("reading the {} of the run", stage.name()))
    }

    /// Refuses demonstrations that no policy can be finetuned on: in hours it would be too late.
    ///
    /// # Errors
    /// What is wrong with them, or with what the configuration says of them.
    pub fn check_demonstrations(&self) -> Result<()> {
        let data = self.data(Stage::Demonstrations);
        let source = |path| SourceConfig { fps: data.fps, camera: data.camera.clone(), ..SourceConfig::new(path) };
        let sources: Vec<SourceConfig> = self.datasets(Stage::Demonstrations).into_iter().map(source).collect();
        let reading = Progress::new("reading demonstrations", "episodes");
        let show = |done, all| reading.set(done, all);
        check_demonstrations(&sources, &self.config.data, &self.config.finetune, &show)
            .context("reading the demonstrations of the run, which nothing up to `--until pretrain` needs")
    }

    /// Where the results of a stage lie.
    pub fn folder(&self, stage: Stage) -> PathBuf {
        self.run.join(stage.folder())
    }

    /// What there is at the embedded tabletop.
    ///
    /// # Errors
    /// Names of objects that there are not.
    pub fn scenes(&self) -> Result<ScenesArgs> {
        let Scenes { tasks, objects, .. } = self.config.run.tabletop.scenes().map_err(anyhow::Error::msg)?;
        Ok(ScenesArgs { tasks, objects })
    }

    /// Whether the policy can act where its demonstrations came from.
    pub fn is_embedded(&self) -> bool {
        self.config.run.demonstrations.paths.is_empty()
    }

    /// What of the configuration, and of the world outside, a stage reads. Data and weights that are named stand there by what
    /// they hold.
    ///
    /// # Errors
    /// If named data cannot be opened.
    pub fn configuration(&self, stage: Stage) -> Result<Value> {
        let Config { data, laq, tokenizer, pretrain, finetune, run } = &self.config;
        let mut read = match stage {
            Stage::Videos | Stage::Demonstrations => self.kind_of_data(stage)?,
            Stage::Tokenizer => json!({ "data": data, "tokenizer": tokenizer }),
            Stage::Laq => json!({ "data": data, "laq": laq }),
            Stage::Cache => json!({ "pretrain": { "horizon": pretrain.horizon, "fields": pretrain.fields } }),
            Stage::Pretrain => json!({ "data": data, "tokenizer": { "text": tokenizer.text }, "pretrain": pretrain }),
            // Demonstrations that are recorded are others at another tabletop.
            Stage::Finetune if self.is_embedded() => json!({ "data": data, "finetune": finetune }),
            Stage::Finetune => json!({ "data": data, "finetune": finetune, "run": { "tabletop": run.tabletop } }),
            Stage::Evaluate => json!({
                "run": { "evaluation": run.evaluation, "tabletop": run.tabletop },
                "embedded": self.is_embedded(),
            }),
        };
        strip_unread(stage, &mut read);
        hash_files(&mut read);
        Ok(read)
    }

    fn kind_of_data(&self, stage: Stage) -> Result<Value> {
        let data = self.data(stage);
        let contents = data.paths.iter().map(|path| {
            let source = self.open(stage, path)?;
            Ok(fingerprint(source.as_ref())?.chars().take(FINGERPRINT_LENGTH).collect::<String>())
        });
        let named = contents.collect::<Result<Vec<String>>>()?;
        Ok(match named.is_empty() {
            true => json!({ "recorded": data.record, "tabletop": self.config.run.tabletop }),
            // In their order, which is part of the order of clips.
            false => json!({ "named": named, "fps": data.fps, "camera": data.camera }),
        })
    }

    /// Writes the configuration that a stage's own command is given: what the stage and those before it read. Of later stages
    /// nothing, so that a change of theirs does not keep this one from going on.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write_config(&self, stage: Stage) -> Result<ConfigArgs> {
        let own = self.config.clone().restricted_to(stage);
        let path = self.run.join(RECORDS).join(format!("{}.toml", stage.name()));
        crate::files::create_parent(&path)?;
        write_atomic(&path, to_toml(&own)?.as_bytes())?;
        Ok(ConfigArgs { config: Some(path.display().to_string()), set: Vec::new() })
    }

    /// Whether the results of a stage lie where they should.
    pub fn is_there(&self, stage: Stage) -> bool {
        let folder = self.folder(stage);
        match stage {
            Stage::Videos | Stage::Demonstrations => self.datasets(stage).iter().all(|dataset| dataset.exists()),
            Stage::Tokenizer | Stage::Laq | Stage::Pretrain => {
                folder.join("summary.json").is_file() && folder.join("checkpoints").is_dir()
            }
            Stage::Cache => folder.is_dir(),
            Stage::Finetune => folder.join("package").is_dir(),
            Stage::Evaluate => {
                let has_acted = !self.is_embedded() || folder.join(vipra_eval::OUTCOMES).is_file();
                has_acted && folder.join(OPEN_LOOP).is_file() && self.folder(Stage::Finetune).join(CURVES).is_dir()
            }
        }
    }
}

/// `runs/NAME`, by the name of a preset or file.
fn default_folder(config: &str) -> PathBuf {
    Path::new("runs").join(Path::new(config).file_stem().unwrap_or(config.as_ref()))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    /// A run of the preset `tiny` in a folder that is not there, with `--set`.
    fn context(set: &[&str]) -> RunContext {
        let set = set.iter().flat_map(|set| ["--set", *set]);
        let given = ["vipra", "run", "tiny", "--run", "nowhere"].into_iter().chain(set);
        let Command::Run(args) = Cli::parse_from(given).command else { panic!("another command") };
        RunContext::load(&args).unwrap()
    }

    /// The stages that read something else than without `--set`, of those that read no named data.
    fn changed(set: &[&str]) -> Vec<Stage> {
        let (before, now) = (context(&[]), context(set));
        let is_changed = |stage: &Stage| before.configuration(*stage).unwrap() != now.configuration(*stage).unwrap();
        Stage::ALL.into_iter().filter(is_changed).collect()
    }

    #[test]
    fn a_key_changes_the_stages_that_read_it() {
        assert_eq!(changed(&["tokenizer.text.vocab_size=300"]), [Stage::Pretrain]);
        assert_eq!(changed(&["data.clip.interval_secs=0.3"]), [Stage::Laq, Stage::Pretrain, Stage::Finetune]);
        assert_eq!(changed(&["data.skip_limit=5", "laq.train.skip_limit=7", "laq.validation_clips=3"]), []);
        assert_eq!(changed(&["data.normalization.scale_floor=0.5"]), [Stage::Finetune]);
        assert_eq!(changed(&["run.evaluation.videos=0"]), [Stage::Evaluate]);
    }

    #[test]
    fn weights_may_be_moved_but_not_changed() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            context(&[&format!("laq.spatial_encoder_weights={path:?}")])
        };
        let read = |context: &RunContext| context.configuration(Stage::Laq).unwrap();
        let before = write("here.pth", "weights");
        let stored = read(&before);
        assert_eq!(read(&write("there.pth", "weights")), stored);
        write("here.pth", "others");
        assert_ne!(read(&before), stored);
    }

    #[test]
    fn a_file_is_no_run_folder() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let run = file.path().to_str().unwrap();
        let Command::Run(args) = Cli::parse_from(["vipra", "run", "tiny", "--run", run]).command else {
            panic!("another command")
        };
        let refused = RunContext::load(&args).err().unwrap().to_string();
        assert!(refused.contains("needs a folder") && refused.ends_with(run), "{refused}");
    }

    #[test]
    fn weights_are_named_from_everywhere() {
        let relative = context(&["laq.spatial_encoder_weights=\"Cargo.toml\""]);
        let path = relative.config.laq.spatial_encoder_weights.unwrap();
        assert!(path.is_absolute() && path.is_file(), "{}", path.display());
    }
}
