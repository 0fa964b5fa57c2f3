//! The program as a person calls it, in a folder of its own with made data.

#![allow(dead_code, reason = "each test crate that includes this file uses a part of it")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::made_data::wandering_squares;

/// Longest time that anything here is waited for.
const PATIENCE: Duration = Duration::from_secs(120);

/// Clips and a latent action model with which nothing is learned, and everything is run.
pub(crate) const LATENT_ACTIONS: &str = r#"
[data.clip]
frames = 4
[data.image]
width = 16
height = 16
[laq]
validation_clips = 4
[laq.model]
frame_size = [16, 16]
patch = 4
dim = 16
spatial_encoder = { depth = 1, heads = 2, registers = 1, position_grid = 4 }
encoder_depth = 1
decoder_depth = 1
heads = 2
head_dim = 8
code_length = 4
[laq.loss.perceptual]
widths = [4, 4, 4, 4, 4]
steps = 3
"#;

/// A frame tokenizer of that kind.
pub(crate) const TOKENIZER: &str = r#"
[tokenizer.model]
frame_size = [16, 16]
width = 8
multipliers = [1, 2]
blocks = 1
groups = 4
latent_dim = 8
codes = 24
code_dim = 4
[tokenizer.loss.perceptual]
widths = [4, 4, 4, 4, 4]
steps = 3
"#;

/// A transformer of that kind.
pub(crate) const TRANSFORMER: &str = r#"
[pretrain.model]
dim = 16
layers = 2
heads = 2
feed_forward = 24
"#;

/// A folder with a dataset of four episodes and a configuration.
pub(crate) struct Place {
    folder: tempfile::TempDir,
    pub(crate) data: PathBuf,
    pub(crate) config: PathBuf,
}

impl Place {
    pub(crate) fn new(config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = wandering_squares(folder.path(), &[20, 12, 25, 16]);
        let file = folder.path().join("config.toml");
        std::fs::write(&file, config).unwrap();
        Self { folder, data, config: file }
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    pub(crate) fn data(&self) -> &str {
        self.data.to_str().unwrap()
    }

    /// A command that trains on the data, such as `laq train`, into a run folder.
    pub(crate) fn train(&self, command: &[&str], run: &str, more: &[&str]) -> Command {
        let mut program = vipra(command);
        program.arg(self.data()).arg("--config").arg(&self.config).arg("--run").arg(self.path(run)).args(more);
        program
    }
}

/// Lets the timestamps of a dataset's rows run away from its rate, by less than a millisecond in twenty frames.
pub(crate) fn make_drift(dataset: &Path) {
    let path = dataset.join("meta/info.json");
    let mut info: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    info["fps"] = (info["fps"].as_f64().unwrap() * 1.0002).into();
    std::fs::write(&path, info.to_string()).unwrap();
}

pub(crate) fn vipra(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vipra"));
    command.args(arguments).env_remove("VIPRA_LOG");
    command
}

pub(crate) fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Everything that a command says, which must end with this exit code.
pub(crate) fn runs(command: &mut Command, expected_code: i32) -> String {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(expected_code), "{}", text(&output));
    text(&output)
}

pub(crate) fn contains(text: &str, parts: &[&str]) {
    parts.iter().for_each(|part| assert!(text.contains(part), "no {part:?} in:\n{text}"));
}

/// What a checkpoint must have equal bit for bit.
pub(crate) fn checkpoint(run: &str, step: u64) -> Vec<Vec<u8>> {
    let folder = Path::new(run).join(format!("checkpoints/step-{step:08}"));
    ["model.safetensors", "optimizer.safetensors"].map(|name| std::fs::read(folder.join(name)).unwrap()).to_vec()
}

/// Starts a command and kills it as soon as the run has written the checkpoint of a step.
pub(crate) fn kill_after(mut command: Command, run: &str, step: u64) {
    let before = checkpoints(run);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_for(&mut child, &|| has_other_checkpoint(run, step, &before));
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().code(), None, "it ended before it could be killed");
}

/// Starts a command and presses Ctrl-C as soon as the run has written the checkpoint of a step.
pub(crate) fn interrupt_after(command: Command, run: &str, step: u64) -> Output {
    let before = checkpoints(run);
    interrupt_when(command, &|| has_other_checkpoint(run, step, &before))
}

/// Starts a command and presses Ctrl-C as soon as something is so.
pub(crate) fn interrupt_when(mut command: Command, is_so: &dyn Fn() -> bool) -> Output {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for(&mut child, is_so);
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    child.wait_with_output().unwrap()
}

/// Steps of the checkpoints of a run.
fn checkpoints(run: &str) -> Vec<u64> {
    let Ok(entries) = std::fs::read_dir(Path::new(run).join("checkpoints")) else { return Vec::new() };
    let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter_map(|name| name.strip_prefix("step-").and_then(|number| number.parse().ok())).collect()
}

/// Whether the run has the checkpoint of a step, or of one after it, for older ones are removed; those of `before` do not count.
fn has_other_checkpoint(run: &str, step: u64, before: &[u64]) -> bool {
    checkpoints(run).iter().any(|found| *found >= step && !before.contains(found))
}

fn wait_for(child: &mut Child, is_so: &dyn Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(child.try_wait().unwrap().is_none(), "the command ended before it could be stopped");
        assert!(began.elapsed() < PATIENCE, "waited too long");
        std::thread::sleep(Duration::from_millis(2));
    }
}
