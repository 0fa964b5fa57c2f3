//! Finetuning as a person does it: a policy from scratch and from a pretrained model, killed and gone on with, looked at and
//! compared with demonstrations; and what goes wrong.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the message")]

#[path = "../../vipra-laq/tests/made_data/mod.rs"]
mod made_data;
mod program;

use std::path::Path;

use burn::tensor::Device;
use program::{LATENT_ACTIONS, Place, TOKENIZER, TRANSFORMER, checkpoint, contains, kill_after, runs, vipra};
use serde_json::Value;
use vipra_control::{Observation, Policy};
use vipra_data::Frame;
use vipra_policy::policy::Package;

const OWN: &str = r#"
[laq.train]
steps = 2
batch_size = 2
[tokenizer]
validation_frames = 8
[tokenizer.train]
steps = 10
batch_size = 4
[pretrain]
horizon = 3
validation_samples = 6
[pretrain.train]
steps = 2
batch_size = 2
[finetune]
horizon = 4
measured_actions = 2
validation_samples = 8
execution = { first = { actions = 2 } }
augmentations = 2
[finetune.action]
kind = "delta-end-effector"
units = ["px", "px", "1"]
[finetune.train]
steps = 24
batch_size = 3
accumulation = 1
log_every = 4
validate_every = 12
[finetune.train.optimizer]
learning_rate = 2e-3
[finetune.train.checkpoint]
every = 8
"#;

fn configuration() -> String {
    [LATENT_ACTIONS, TOKENIZER, TRANSFORMER, OWN].concat()
}

/// A place with a tokenizer that has hardly learned anything.
fn place() -> Place {
    let place = Place::new(&configuration());
    runs(&mut place.train(&["tokenizer", "train"], "tokenizer", &[]), 0);
    place
}

fn scratch(place: &Place, run: &str, more: &[&str]) -> std::process::Command {
    let mut command = place.train(&["finetune"], run, &["--from", "scratch"]);
    command.args(["--tokenizer", &place.path("tokenizer")]).args(more);
    command
}

fn open_loop(place: &Place, package: &str, more: &[&str]) -> std::process::Command {
    let mut command = vipra(&["policy", "open-loop", &place.path(package), "--data", place.data()]);
    command.args(more);
    command
}

/// Files of tokens of augmented frames, and when they were written.
fn kept_views(place: &Place) -> Vec<(std::path::PathBuf, std::time::SystemTime)> {
    let folders = std::fs::read_dir(place.path("cache")).unwrap().map(|entry| entry.unwrap().path());
    let folders: Vec<_> = folders.filter(|path| path.to_string_lossy().contains("views-")).collect();
    assert_eq!(folders.len(), 1);
    let files = std::fs::read_dir(&folders[0]).unwrap().map(|entry| entry.unwrap());
    let tokens = files.filter(|file| file.path().extension().is_some_and(|extension| extension == "bin"));
    let mut tokens: Vec<_> = tokens.map(|file| (file.path(), file.metadata().unwrap().modified().unwrap())).collect();
    tokens.sort();
    assert!(!tokens.is_empty());
    tokens
}

#[test]
fn finetune_kill_resume_describe_compare() {
    let place = place();
    let whole = runs(&mut scratch(&place, "whole", &["-v"]), 0);
    contains(&whole, &["first_actions_error", "chunk_error", "samples an epoch", "whole/package"]);
    kill_after(scratch(&place, "killed", &[]), &place.path("killed"), 8);
    runs(&mut scratch(&place, "killed", &[]), 0);
    let last = |run: &str| checkpoint(&place.path(run), 24);
    assert!(last("whole") == last("killed"), "the resumed run ends elsewhere");

    // Tokens of augmented frames were made once; a damaged file is not learned from.
    let kept = kept_views(&place);
    runs(&mut scratch(&place, "other seed", &["--set", "finetune.train.seed=1"]), 0);
    assert_eq!(kept, kept_views(&place));
    std::fs::write(&kept[0].0, [0; 3]).unwrap();
    contains(&runs(&mut scratch(&place, "damaged", &[]), 2), &["damaged", "delete the file", "-000.bin"]);

    // The package stands alone: it is found nowhere near its run any more.
    let moved = place.path("elsewhere");
    std::fs::rename(place.path("whole/package"), &moved).unwrap();
    let told = runs(&mut vipra(&["policy", "describe", &moved]), 0);
    contains(&told, &["flow-matching", "two of 16×16, 0.4 s apart", "4 actions at 5 Hz", "px", "still"]);
    contains(&told, &["first, 2 actions of a chunk", "delta-end-effector", "rotation none"]);
    contains(&told, &["observation/image", "observation/previous_image", "the image 0.4 s before", "prompt"]);
    let described: Value =
        serde_json::from_str(&runs(&mut vipra(&["policy", "describe", &moved, "--json"]), 0)).unwrap();
    let mean = described["statistics"]["action"]["mean"][2].as_f64().unwrap();
    assert!((mean - 1.0).abs() < 1e-6, "the mean of a constant dimension is {mean}");
    assert!(described["request"]["observation/image"].is_string(), "{described}");
    // What hardly varies is not blown up.
    assert_eq!(described["specification"]["control"]["action"]["normalizer"]["scale"][2], 1e-4);

    let picture = place.path("curves.png");
    let told = runs(&mut open_loop(&place, "elsewhere", &["--episode", "3", "--out", &picture]), 0);
    contains(&told, &["dx", "dy", "still", "spread"]);
    assert!(std::fs::read(&picture).unwrap().starts_with(b"\x89PNG"));
    let drawn: Value = serde_json::from_slice(&std::fs::read(place.path("curves.json")).unwrap()).unwrap();
    assert_eq!(drawn["dimensions"][2]["dimension"], "still");
    assert_eq!(drawn["dimensions"][2]["truth"].as_array().unwrap().len(), 16, "a number for each frame of the episode");
    // The same noise each time.
    assert_eq!(told, runs(&mut open_loop(&place, "elsewhere", &["--episode", "3"]), 0));
    let with_crops = |crops: &str| runs(&mut open_loop(&place, "elsewhere", &["--episode", "3", "--crops", crops]), 0);
    assert_eq!(told, with_crops("1"));
    assert_ne!(told, with_crops("3"));
    // Demonstrations of another robot.
    let tabletop = place.path("tabletop");
    runs(&mut vipra(&["sim", "record", &tabletop, "--embodiment", "gripper", "--episodes", "1"]), 0);
    let mut others = vipra(&["policy", "open-loop", &moved, "--data", &tabletop, "--episode", "0"]);
    contains(&runs(&mut others, 2), &["the dimensions of `action` are", "another robot's?", "tabletop"]);
    let mut both = scratch(&place, "both", &[]);
    contains(&runs(both.arg(&tabletop), 2), &["those of the first dataset", "still", "tabletop"]);
    contains(
        &runs(&mut open_loop(&place, "elsewhere", &["--episode", "nine"]), 2),
        &["no episode `nine`", "0, 1, 2, …"],
    );
}

#[test]
fn a_pretrained_model_becomes_a_policy_with_its_own_tokenizers() {
    let place = place();
    runs(&mut place.train(&["laq", "train"], "laq", &[]), 0);
    let mut pretrain = place.train(&["pretrain"], "pretrained", &["--tokenizer", &place.path("tokenizer")]);
    pretrain.args(["--laq", &place.path("laq"), "--set", "pretrain.model.frame_positions=true"]);
    runs(pretrain.args(["--set", "pretrain.model.merged_side=2"]), 0);
    let finetune = |run: &str, more: &[&str]| {
        let mut command = place.train(&["finetune"], run, &["--from", &place.path("pretrained")]);
        command.args(more);
        command
    };
    let deeper = ["--set", "finetune.train.steps=1", "--set", "pretrain.model.layers=5"];
    contains(
        &runs(&mut finetune("deeper", &deeper), 0),
        &["pretrain.model.layers is 5 here, but 2 in the pretrained model"],
    );
    let fields = "finetune.fields=\"[instruction],[vision],latent_state,action\"";
    runs(&mut finetune("flow", &["--set", fields, "--set", "finetune.train.steps=2"]), 0);
    let summary: Value = serde_json::from_slice(&std::fs::read(place.path("flow/summary.json")).unwrap()).unwrap();
    let new = summary["new_parameters"].as_array().unwrap();
    assert!(new.iter().all(|name| name.as_str().unwrap().starts_with("flow.")), "{new:?}");
    contains(&runs(&mut vipra(&["policy", "describe", &place.path("flow")]), 0), &["latent_actions", "latent_state"]);
    runs(&mut open_loop(&place, "flow", &["--episode", "3"]), 0);

    let binned = ["--set", "finetune.decoder=\"autoregressive\"", "--set", "finetune.bins=6"];
    runs(&mut finetune("bins", &[&binned[..], &["--set", "finetune.train.steps=2"]].concat()), 0);
    contains(&runs(&mut open_loop(&place, "bins", &["--episode", "3", "--crops", "3"]), 2), &["cannot be averaged"]);
    let told = runs(&mut open_loop(&place, "bins", &["--episode", "3", "--json"]), 0);
    let rows: Value = serde_json::from_str(&told).unwrap();
    // A constant dimension has one bin, so that it is always right.
    assert_eq!((rows[2]["dimension"].as_str(), rows[2]["error"].as_f64()), (Some("still"), Some(0.0)));

    runs(&mut place.train(&["tokenizer", "train"], "other", &["--set", "tokenizer.train.seed=1"]), 0);
    contains(&runs(&mut finetune("run", &["--tokenizer", &place.path("other")]), 2), &["reads the tokens of"]);
}

#[test]
fn bad_input_is_said_plainly() {
    let place = place();
    let fails = |more: &[&str], parts: &[&str]| contains(&runs(&mut scratch(&place, "run", more), 2), parts);
    fails(&["--set", "finetune.fields=\"[instruction],action,[vision]\""], &["must come last"]);
    fails(&["--set", "finetune.fields=\"[instruction],[vision],latent_action,action\""], &["is for pretraining"]);
    fails(&["--set", "finetune.measured_actions=5"], &["5 are more than the 4 of a chunk"]);
    fails(&["--set", "finetune.crops=0"], &["finetune.crops"]);
    let whole = ["--set", "finetune.crops=2", "--set", "finetune.augmentation.crop_area=1.0"];
    fails(&whole, &["are all the same"]);
    fails(&["--set", "finetune.crops=2", "--set", "finetune.decoder=\"autoregressive\""], &["cannot be averaged"]);
    fails(&["--set", "finetune.execution={first={actions=5}}"], &["5 actions of a chunk of 4"]);
    fails(&["--set", "finetune.action.feature=\"torque\""], &["no feature `torque`", "squares"]);
    fails(
        &["--set", "finetune.fields=\"[instruction],[vision],[proprio],action\""],
        &["no feature `observation.state`"],
    );
    fails(&["--set", "finetune.action.units=[\"px\"]"], &["are 1, but an action has 3"]);
    let gripper = "finetune.action.gripper={dimension=\"claw\",open=1.0,closed=0.0}";
    fails(&["--set", gripper], &["no dimension", "claw"]);
    let mut without = place.train(&["finetune"], "run", &["--from", "scratch"]);
    contains(&runs(&mut without, 2), &["name one by --tokenizer"]);

    let unsaid = configuration().replace("kind = \"delta-end-effector\"\n", "");
    let file = place.path("unsaid.toml");
    std::fs::write(&file, unsaid).unwrap();
    let mut command = vipra(&["finetune", place.data(), "--config", &file, "--from", "scratch"]);
    command.args(["--tokenizer", &place.path("tokenizer"), "--run", &place.path("unsaid")]);
    contains(&runs(&mut command, 2), &["say what an action does", "finetune.action.kind"]);
}

#[test]
fn broken_demonstrations_are_left_out_and_listed() {
    let place = place();
    let folder = tempfile::tempdir().unwrap();
    let broken = made_data::wandering_squares(folder.path(), &[8, 8]);
    let video = made_data::videos_of(&broken).pop().unwrap();
    std::fs::write(&video, "no video").unwrap();
    let learn = |run: &str, settings: &[&str]| {
        let settings = settings.iter().flat_map(|setting| ["--set", setting]);
        let mut command = scratch(&place, run, &["--set", "finetune.train.steps=1"]);
        command.args(settings).arg(&broken);
        command
    };
    contains(&runs(&mut learn("run", &[]), 2), &["file-000.mp4"]);
    contains(&runs(&mut learn("fine", &["data.on_error=\"skip\""]), 0), &["left out episode"]);
    let summary: Value = serde_json::from_slice(&std::fs::read(place.path("fine/summary.json")).unwrap()).unwrap();
    assert_eq!(summary["skipped"].as_array().unwrap().len(), 2, "{summary}");
    let few = &mut learn("few", &["data.on_error=\"skip\"", "data.skip_limit=0"]);
    contains(&runs(few, 2), &["more than 0 episodes were skipped"]);
}

/// What one client asks for must not fail what others ask for at the same time.
#[test]
fn what_a_policy_cannot_read_is_refused_alone() {
    let place = place();
    let tabletop = place.path("tabletop");
    runs(&mut vipra(&["sim", "record", &tabletop, "--embodiment", "gripper", "--episodes", "2"]), 0);
    let mut finetune = vipra(&["finetune", &tabletop, "--from", "scratch", "--config"]);
    finetune.arg(&place.config);
    finetune.args(["--tokenizer", &place.path("tokenizer"), "--run", &place.path("run")]);
    let settings = [
        "finetune.action.units=[]",
        "finetune.fields=\"[instruction],[vision],[proprio],action\"",
        "finetune.proprio.states=1",
        "finetune.train.steps=1",
    ];
    finetune.args(settings.iter().flat_map(|setting| ["--set", *setting]));
    runs(&mut finetune, 0);
    let package = Package::open(Path::new(&place.path("run"))).unwrap();
    let mut policy = package.policy(&Device::flex()).unwrap();
    let width = policy.describe().proprio.as_ref().unwrap().names.len();
    let asked = |instruction: &str, state: f32| Observation {
        instruction: instruction.to_owned(),
        frames: [Frame::new(64, 64), Frame::new(64, 64)],
        proprio: vec![vec![state; width]],
    };
    let observations = [asked("put it down", 0.0), asked("put it down", 3e38), asked(&"put ".repeat(2000), 0.0)];
    let [fine, far, long] = policy.infer_batch(&observations).try_into().unwrap();
    assert_eq!(fine.unwrap().actions.len(), policy.describe().horizon);
    contains(&far.unwrap_err().to_string(), &["of state 0 is", "scales away from what was learned from"]);
    contains(&long.unwrap_err().to_string(), &["8000 bytes, at most 4096 are read"]);
}

/// Everything that is wrong with a package is said at once.
#[test]
fn a_broken_package_is_refused_with_a_list() {
    let place = place();
    runs(&mut scratch(&place, "run", &["--set", "finetune.train.steps=1"]), 0);
    let package = place.path("run/package");
    let describe = || vipra(&["policy", "describe", &package]);
    runs(&mut describe(), 0);
    let blind = place.path("blind");
    std::fs::create_dir(&blind).unwrap();
    for entry in std::fs::read_dir(&package).unwrap().map(|entry| entry.unwrap()) {
        std::fs::copy(entry.path(), std::path::Path::new(&blind).join(entry.file_name())).unwrap();
    }
    std::fs::remove_file(format!("{package}/statistics.json")).unwrap();
    std::fs::write(format!("{package}/config.toml"), "changed = true\n").unwrap();
    let told = runs(&mut describe(), 2);
    contains(&told, &["statistics.json is missing", "config.toml is not the file that the package was written with"]);
    let manifest = std::fs::read_to_string(format!("{package}/policy.json")).unwrap();
    assert!(manifest.contains("\"crops\": 1"), "{manifest}");
    std::fs::write(format!("{blind}/policy.json"), manifest.replace("\"crops\": 1", "\"crops\": 0")).unwrap();
    contains(&runs(&mut vipra(&["policy", "describe", &blind]), 2), &["crops: 0 is less than 1"]);
    let mut other: Value = serde_json::from_str(&manifest).unwrap();
    other["specification"]["frames"]["length"] = 0.into();
    other["specification"]["control"]["horizon"] = 9.into();
    other["specification"]["control"]["action"]["normalizer"]["scale"].as_array_mut().unwrap().pop();
    std::fs::write(format!("{blind}/policy.json"), other.to_string()).unwrap();
    contains(
        &runs(&mut vipra(&["policy", "describe", &blind]), 2),
        &[
            "policy.json says something else of the policy than model.safetensors: control.action.normalizer.scale, \
             control.horizon, frames.length",
            "an action's normalisation has 2 numbers for 3 names",
        ],
    );
    // Statistics of one dimension less, vouched for.
    let mut statistics: Value =
        serde_json::from_slice(&std::fs::read(format!("{blind}/statistics.json")).unwrap()).unwrap();
    for numbers in statistics["action"].as_object_mut().unwrap().values_mut().filter_map(Value::as_array_mut) {
        numbers.pop();
    }
    let statistics = statistics.to_string();
    let mut vouching: Value = serde_json::from_str(&manifest).unwrap();
    vouching["files"]["statistics.json"] = blake3::hash(statistics.as_bytes()).to_hex().to_string().into();
    std::fs::write(format!("{blind}/statistics.json"), statistics).unwrap();
    std::fs::write(format!("{blind}/policy.json"), vouching.to_string()).unwrap();
    contains(
        &runs(&mut vipra(&["policy", "describe", &blind]), 2),
        &["statistics.json has no statistics of 3 dimensions"],
    );
    std::fs::remove_file(format!("{package}/policy.json")).unwrap();
    contains(&runs(&mut describe(), 2), &["policy.json cannot be read"]);
}
