//! A run that is stopped and goes on ends at the same bits as one that was not; what is no number is skipped and counted.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is the message of a test")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, Linear, LinearConfig};
use burn::tensor::{Device, Distribution, Tensor};
use serde_json::{Value, json};
use vipra_train::checkpoint::{Checkpoints, read_state};
use vipra_train::{
    CheckpointConfig, Error, Interrupt, Losses, MatrixRule, OptimizerConfig, Outcome, Progress, Run, Scalars, Stage,
    StageError, Step, TrainConfig, run,
};

/// The framework's generator belongs to the process: tests that draw from it take turns.
static TURN: Mutex<()> = Mutex::new(());

#[derive(Module, Debug)]
struct Toy {
    /// Numbered, so that their matrices are changed by Muon and their biases by AdamW.
    layers: Vec<Linear>,
    dropout: Dropout,
    /// No loss reaches it.
    unused: Linear,
}

impl Toy {
    fn new(device: &Device) -> Self {
        Self {
            layers: vec![LinearConfig::new(3, 16).init(device), LinearConfig::new(16, 1).init(device)],
            dropout: DropoutConfig::new(0.3).init(),
            unused: LinearConfig::new(2, 2).init(device),
        }
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let [first, second] = &self.layers[..] else { panic!("two layers") };
        second.forward(self.dropout.forward(first.forward(x).tanh()))
    }
}

/// Learns the sum of three numbers, with noise on them.
struct SumStage {
    device: Device,
    batches: u64,
    broken_steps: Vec<u64>,
    fails_to_validate: bool,
    /// Factor on held-out numbers, for measuring the same model in another way.
    measure: f64,
    stop_after: Option<(u64, Interrupt)>,
    /// The step of each pass since something was learned.
    passes: Vec<u64>,
    /// Those passes, whenever something was.
    learned_from: Vec<Vec<u64>>,
}

impl Stage for SumStage {
    type Model = Toy;
    type Batch = Tensor<2>;

    fn next_batch(&mut self) -> Result<Tensor<2>, StageError> {
        self.batches += 1;
        let start = self.batches as f32;
        let rows: Vec<[f32; 3]> =
            (0..8).map(|row| [0.1, 0.2, 0.3].map(|by| ((start + row as f32) * by).sin())).collect();
        Ok(Tensor::<1>::from_data(rows.as_flattened(), &self.device).reshape([8, 3]))
    }

    fn loss(&mut self, model: &Toy, x: Tensor<2>, step: &mut Step) -> Result<Losses, StageError> {
        self.passes.push(step.number);
        let noise = Tensor::random([8, 3], Distribution::Normal(0.0, 0.1), &self.device);
        let wanted = x.clone().sum_dim(1);
        let error = (model.forward(x + noise) - wanted).square().mean();
        let total = if self.broken_steps.contains(&step.number) { error.clone() * f32::NAN } else { error.clone() };
        Ok(Losses { total, parts: vec![("squared", error)] })
    }

    fn after_step(&mut self, model: Toy, step: &mut Step) -> Result<Toy, StageError> {
        if let Some((_, interrupt)) = self.stop_after.as_ref().filter(|(at, _)| step.number + 1 == *at) {
            interrupt.raise();
        }
        self.learned_from.push(std::mem::take(&mut self.passes));
        Ok(model)
    }

    fn step_skipped(&mut self) {
        self.passes.clear();
    }

    fn validate(&mut self, model: &Toy) -> Result<Scalars, StageError> {
        if self.fails_to_validate {
            return Err("what is held out cannot be read".into());
        }
        let device = self.device.clone().without_autodiff();
        let x = Tensor::<2>::from_data([[0.48, 0.84, 1.0], [0.1, 0.2, 0.3]], &device);
        let error = (model.forward(x.clone()) - x.sum_dim(1)).abs().mean();
        Ok(vec![("error".to_owned(), self.measure * f64::from(error.into_scalar::<f32>()))])
    }

    fn state(&self) -> Value {
        json!(self.batches)
    }

    fn restore(&mut self, state: Value) -> Result<(), StageError> {
        self.batches = serde_json::from_value(state)?;
        Ok(())
    }
}

fn config() -> TrainConfig {
    TrainConfig {
        seed: 7,
        steps: 40,
        accumulation: 2,
        optimizer: OptimizerConfig {
            learning_rate: 1e-2,
            matrices: MatrixRule::Muon,
            clip_norm: 0.5,
            ..OptimizerConfig::default()
        },
        ema_decay: 0.9,
        log_every: 5,
        validate_every: 15,
        checkpoint: CheckpointConfig { every: 8, keep: 2, milestone_every: 16 },
        ..TrainConfig::default()
    }
}

struct Attempt<'a> {
    folder: &'a Path,
    config: TrainConfig,
    /// 0: it is stopped before its first step, wherever that is.
    stop_after: Option<u64>,
    broken_steps: Vec<u64>,
    fails_to_validate: bool,
    measure: f64,
}

impl<'a> Attempt<'a> {
    fn new(folder: &'a Path) -> Self {
        let (config, broken_steps) = (config(), Vec::new());
        Self { folder, config, stop_after: None, broken_steps, fails_to_validate: false, measure: 1.0 }
    }

    fn run(self, events: &mut Vec<String>) -> vipra_train::Result<Outcome<Toy>> {
        self.run_stage(events).0
    }

    /// How it ends, and the stage as it is then.
    fn run_stage(self, events: &mut Vec<String>) -> (vipra_train::Result<Outcome<Toy>>, SumStage) {
        let device = Device::flex().autodiff();
        let interrupt = Interrupt::default();
        if self.stop_after == Some(0) {
            interrupt.raise();
        }
        let mut stage = SumStage {
            device: device.clone(),
            batches: 0,
            broken_steps: self.broken_steps,
            fails_to_validate: self.fails_to_validate,
            measure: self.measure,
            stop_after: self.stop_after.map(|step| (step, interrupt.clone())),
            passes: Vec::new(),
            learned_from: Vec::new(),
        };
        device.seed(self.config.seed);
        let run_of = Run {
            folder: self.folder,
            config: &self.config,
            configuration: json!({ "train": self.config }),
            metadata: BTreeMap::from([("kind".to_owned(), "toy".to_owned())]),
            interrupt: &interrupt,
            progress: &mut |event| match event {
                Progress::Resumed(step) => events.push(format!("resumed {step}")),
                Progress::Skipped(step) => events.push(format!("skipped {step}")),
                _ => {}
            },
        };
        let outcome = run(&mut stage, Toy::new(&device), run_of);
        (outcome, stage)
    }
}

fn checkpoint_files(folder: &Path) -> Vec<Vec<u8>> {
    let last = Checkpoints::of_run(folder, config().checkpoint).latest().unwrap().unwrap();
    ["model.safetensors", "ema.safetensors", "optimizer.safetensors", "state.json"]
        .map(|name| std::fs::read(last.join(name)).unwrap())
        .to_vec()
}

fn losses(folder: &Path) -> Vec<(u64, Value)> {
    let lines = std::fs::read_to_string(folder.join("metrics.jsonl")).unwrap();
    let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines
        .filter(|line| line["kind"] == "train")
        .map(|line| (line["step"].as_u64().unwrap(), line["loss"].clone()))
        .collect()
}

#[test]
fn a_resumed_run_equals_an_uninterrupted_one_bit_for_bit() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut events = Vec::new();
    let outcome = Attempt::new(whole.path()).run(&mut events).unwrap();
    let Outcome::Finished { validation, .. } = outcome else { panic!("{outcome:?}") };
    let untrained =
        TrainConfig { steps: 1, optimizer: OptimizerConfig { learning_rate: 0.0, ..config().optimizer }, ..config() };
    let folder = tempfile::tempdir().unwrap();
    let outcome = Attempt { config: untrained, ..Attempt::new(folder.path()) }.run(&mut events).unwrap();
    let Outcome::Finished { validation: before, .. } = outcome else { panic!("{outcome:?}") };
    assert!(validation[0].1 < before[0].1, "it learned: {before:?}, {validation:?}");
    assert!(events.is_empty());

    let stopped = Attempt { stop_after: Some(13), ..Attempt::new(parts.path()) }.run(&mut events).unwrap();
    assert!(matches!(stopped, Outcome::Interrupted { step: 13, .. }), "{stopped:?}");
    let stopped = Attempt { stop_after: Some(14), ..Attempt::new(parts.path()) }.run(&mut events).unwrap();
    assert!(matches!(stopped, Outcome::Interrupted { step: 14, .. }), "{stopped:?}");
    // A kill between two checkpoints: the newest one is gone, as if it had never been written.
    std::fs::remove_dir_all(Checkpoints::of_run(parts.path(), config().checkpoint).path(14)).unwrap();
    Attempt::new(parts.path()).run(&mut events).unwrap();
    assert_eq!(events, ["resumed 13", "resumed 13"]);
    assert!(checkpoint_files(whole.path()) == checkpoint_files(parts.path()), "the checkpoints differ");
    assert_eq!(losses(whole.path()), losses(parts.path()));

    // A finished run that is called again has nothing to do and says the same.
    let Outcome::Finished { validation: again, .. } = Attempt::new(whole.path()).run(&mut events).unwrap() else {
        panic!("not finished")
    };
    assert_eq!(again, validation);
}

/// Without a moving average nothing looks at the parameters before the first step.
#[test]
fn initial_parameters_do_not_depend_on_what_looks_at_them_first() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let weights_after = |every: u64, stops: &[Option<u64>]| {
        let folder = tempfile::tempdir().unwrap();
        let checkpoint = CheckpointConfig { every, ..config().checkpoint };
        for &stop_after in stops {
            let config = TrainConfig { steps: 6, ema_decay: 0.0, checkpoint: checkpoint.clone(), ..config() };
            Attempt { config, stop_after, ..Attempt::new(folder.path()) }.run(&mut Vec::new()).unwrap();
        }
        std::fs::read(Checkpoints::of_run(folder.path(), checkpoint).path(6).join("model.safetensors")).unwrap()
    };
    let whole = weights_after(6, &[None]);
    assert!(whole == weights_after(6, &[Some(0), None]), "stopped before the first step");
    assert!(whole == weights_after(2, &[None]), "other checkpoints");
}

/// A validation may take long and fail; what was learned before it is kept, and measured later.
#[test]
fn a_validation_that_fails_costs_no_step_and_is_caught_up_on() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().unwrap();
    let mut events = Vec::new();
    let attempt = || Attempt { config: TrainConfig { validate_every: 8, ..config() }, ..Attempt::new(folder.path()) };
    let failed = Attempt { fails_to_validate: true, ..attempt() }.run(&mut events);
    assert!(failed.unwrap_err().to_string().contains("held out cannot be read"));
    attempt().run(&mut events).unwrap();
    assert_eq!(events, ["resumed 8"]);
    let lines = std::fs::read_to_string(folder.path().join("metrics.jsonl")).unwrap();
    let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let validated = lines.filter(|line| line["kind"] == "validation").map(|line| line["step"].as_u64().unwrap());
    assert_eq!(validated.collect::<Vec<_>>(), [8, 16, 24, 32, 40]);
}

#[test]
fn a_finished_run_that_is_measured_in_another_way_writes_that_down_in_the_place_of_what_it_was() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().unwrap();
    let measured = |measure: f64| {
        let outcome = Attempt { measure, ..Attempt::new(folder.path()) }.run(&mut Vec::new()).unwrap();
        let Outcome::Finished { validation, .. } = outcome else { panic!("{outcome:?}") };
        (validation[0].1, std::fs::read_to_string(folder.path().join("metrics.jsonl")).unwrap())
    };
    let (error, lines) = measured(1.0);
    assert_eq!(measured(1.0), (error, lines.clone()), "nothing is written twice");
    let (doubled, rewritten) = measured(2.0);
    assert_eq!(doubled, 2.0 * error);
    let before: Vec<&str> = lines.lines().collect();
    let after: Vec<&str> = rewritten.lines().collect();
    let last = after.len() - 1;
    assert_eq!((after.len(), &after[..last]), (before.len(), &before[..last]));
    assert_eq!(serde_json::from_str::<Value>(after[last]).unwrap()["error"].as_f64(), Some(doubled));
}

#[test]
fn the_last_checkpoints_and_the_milestones_are_kept() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().unwrap();
    Attempt::new(folder.path()).run(&mut Vec::new()).unwrap();
    let checkpoints = Checkpoints::of_run(folder.path(), config().checkpoint);
    assert_eq!(checkpoints.steps().unwrap(), [16, 24, 32, 40]);
    assert_eq!(read_state(&checkpoints.path(24)).unwrap().step, 24);
}

#[test]
fn what_is_no_number_is_skipped_counted_and_fatal_past_a_limit() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().unwrap();
    let mut events = Vec::new();
    Attempt { broken_steps: vec![3, 9], ..Attempt::new(folder.path()) }.run(&mut events).unwrap();
    assert_eq!(events, ["skipped 3", "skipped 9"]);
    let checkpoints = Checkpoints::of_run(folder.path(), config().checkpoint);
    assert_eq!(read_state(&checkpoints.latest().unwrap().unwrap()).unwrap().skipped, 2);

    let folder = tempfile::tempdir().unwrap();
    let strict = TrainConfig { skip_limit: 1, ..config() };
    let attempt = Attempt { broken_steps: vec![3, 9], config: strict, ..Attempt::new(folder.path()) };
    let error = attempt.run(&mut events).unwrap_err();
    assert!(matches!(error, Error::NotFinite { count: 2, limit: 1, step: 9 }), "{error}");
    // What was learned until then is kept.
    assert_eq!(Checkpoints::of_run(folder.path(), config().checkpoint).steps().unwrap(), [8]);
}

#[test]
fn a_skipped_step_leaves_nothing_to_the_next() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().unwrap();
    let attempt = Attempt { broken_steps: vec![3, 4, 9], ..Attempt::new(folder.path()) };
    let (outcome, stage) = attempt.run_stage(&mut Vec::new());
    outcome.unwrap();
    let others = (0..40_u64).filter(|step| ![3, 4, 9].contains(step));
    assert_eq!(stage.learned_from, others.map(|step| vec![step; config().accumulation]).collect::<Vec<_>>());
}

#[test]
fn a_run_that_is_stopped_before_its_first_step_leaves_its_checkpoint_as_it_is() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().unwrap();
    Attempt { stop_after: Some(9), ..Attempt::new(folder.path()) }.run(&mut Vec::new()).unwrap();
    let path = Checkpoints::of_run(folder.path(), config().checkpoint).path(9);
    // What is written anew holds nothing else.
    std::fs::write(path.join("mark"), b"").unwrap();
    let outcome = Attempt { stop_after: Some(0), ..Attempt::new(folder.path()) }.run(&mut Vec::new()).unwrap();
    let Outcome::Interrupted { step: 9, checkpoint } = outcome else { panic!("{outcome:?}") };
    assert_eq!(checkpoint, path);
    assert!(path.join("mark").exists(), "it was written again");

    // A run that has none yet writes one all the same.
    let folder = tempfile::tempdir().unwrap();
    let outcome = Attempt { stop_after: Some(0), ..Attempt::new(folder.path()) }.run(&mut Vec::new()).unwrap();
    let Outcome::Interrupted { step: 0, checkpoint } = outcome else { panic!("{outcome:?}") };
    assert_eq!(read_state(&checkpoint).unwrap().step, 0);
}

#[test]
fn what_a_killed_process_has_left_of_a_checkpoint_is_removed() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().unwrap();
    let left = folder.path().join("checkpoints/.step-00000004.partial");
    let leave = || {
        std::fs::create_dir_all(&left).unwrap();
        std::fs::write(left.join("model.safetensors"), b"a part").unwrap();
    };
    leave();
    Attempt { stop_after: Some(9), ..Attempt::new(folder.path()) }.run(&mut Vec::new()).unwrap();
    assert!(!left.exists(), "when a run begins");
    leave();
    Attempt::new(folder.path()).run(&mut Vec::new()).unwrap();
    assert!(!left.exists(), "when it goes on");
}

#[test]
fn a_checkpoint_of_another_configuration_says_what_differs() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().unwrap();
    Attempt { stop_after: Some(9), ..Attempt::new(folder.path()) }.run(&mut Vec::new()).unwrap();
    let other = TrainConfig { accumulation: 1, ..config() };
    let error = Attempt { config: other, ..Attempt::new(folder.path()) }.run(&mut Vec::new()).unwrap_err();
    let message = error.to_string();
    assert!(message.contains("train.accumulation: 2 before, 1 now"), "{message}");
}

#[test]
fn a_checkpoint_of_another_version_is_compared_by_the_keys_that_both_know_and_all_inputs() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().unwrap();
    let begin = || Attempt { stop_after: Some(9), ..Attempt::new(folder.path()) }.run(&mut Vec::new());
    begin().unwrap();
    let last = Checkpoints::of_run(folder.path(), config().checkpoint).latest().unwrap().unwrap();
    let file = last.join("state.json");
    let whole: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let stored = |edit: &dyn Fn(&mut Value)| {
        let mut state = whole.clone();
        edit(&mut state["configuration"]);
        std::fs::write(&file, state.to_string()).unwrap();
    };
    let other_inputs = |configuration: &mut Value| configuration["inputs"] = json!({ "datasets": "others" });
    stored(&other_inputs);
    assert!(begin().unwrap_err().to_string().contains("inputs"));
    let other_keys = |configuration: &mut Value| {
        let train = configuration["train"].as_object_mut().unwrap();
        assert!(train.remove("accumulation").is_some());
        train.insert("gone".to_owned(), json!(1));
    };
    stored(&other_keys);
    Attempt::new(folder.path()).run(&mut Vec::new()).unwrap();
}

#[test]
fn a_checkpoint_that_cannot_be_written_leaves_the_others() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().unwrap();
    Attempt { stop_after: Some(8), ..Attempt::new(folder.path()) }.run(&mut Vec::new()).unwrap();
    let before = checkpoint_files(folder.path());
    // A file stands where the next checkpoint would be put together.
    std::fs::write(folder.path().join("checkpoints/.step-00000016.partial"), b"in the way").unwrap();
    let error = Attempt::new(folder.path()).run(&mut Vec::new()).unwrap_err();
    assert!(matches!(error, Error::CheckpointWrite { step: 16, .. }), "{error}");
    assert!(checkpoint_files(folder.path()) == before);
}
