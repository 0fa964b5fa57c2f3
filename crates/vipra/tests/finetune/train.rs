//! From demonstrations to a policy: killed and gone on with, looked at, and compared with demonstrations.

use serde_json::Value;

use crate::program::{Place, checkpoint, contains, kill_after, runs, vipra};
use crate::{open_loop, place, scratch};

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
    contains(&whole, &["`action` is taken to be delta-end-effector, rotation none, no gripper (finetune.action)"]);
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
    let inside = place.data.join("curves.png");
    let inside = ["--episode", "3", "--out", inside.to_str().unwrap()];
    contains(&runs(&mut open_loop(&place, "elsewhere", &inside), 2), &["would lie inside the dataset"]);
    assert!(!place.data.join("curves.png").exists() && !place.data.join("curves.json").exists());
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
        &["pretrain.model.layers is 5 here but 2 in the pretrained model, whose value is used"],
    );
    let fields = "finetune.fields=\"[instruction],[vision],latent_state,action\"";
    runs(&mut finetune("flow", &["--set", fields, "--set", "finetune.train.steps=2"]), 0);
    let summary: Value = serde_json::from_slice(&std::fs::read(place.path("flow/summary.json")).unwrap()).unwrap();
    let new = summary["new_parameters"].as_array().unwrap();
    assert!(new.iter().all(|name| name.as_str().unwrap().starts_with("flow.")), "{new:?}");
    contains(&runs(&mut vipra(&["policy", "describe", &place.path("flow")]), 0), &["latent_actions", "latent_state"]);
    runs(&mut open_loop(&place, "flow", &["--episode", "3"]), 0);

    let decoder = "finetune.decoder=\"autoregressive\"";
    let binned = ["--set", decoder, "--set", "finetune.bins=6", "--set", "finetune.train.steps=2"];
    runs(&mut finetune("bins", &binned), 0);
    runs(&mut open_loop(&place, "bins", &["--episode", "3", "--crops", "3"]), 0);
    let told = runs(&mut open_loop(&place, "bins", &["--episode", "3", "--json"]), 0);
    let rows: Value = serde_json::from_str(&told).unwrap();
    // A constant dimension has one bin, so that it is always right.
    assert_eq!((rows[2]["dimension"].as_str(), rows[2]["error"].as_f64()), (Some("still"), Some(0.0)));
    // Drawn bins are others than the likeliest, and the same ones each time.
    let drawn = [&binned[..], &["--set", "finetune.sampling={temperature=1.0}"]].concat();
    runs(&mut finetune("bins", &drawn), 0);
    let draw = || runs(&mut open_loop(&place, "bins", &["--episode", "3", "--json"]), 0);
    let first = draw();
    assert_ne!(first, told);
    assert_eq!(first, draw());

    runs(&mut place.train(&["tokenizer", "train"], "other", &["--set", "tokenizer.train.seed=1"]), 0);
    contains(&runs(&mut finetune("run", &["--tokenizer", &place.path("other")]), 2), &["reads the tokens of"]);
}
