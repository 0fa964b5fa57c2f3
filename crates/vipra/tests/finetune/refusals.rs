//! What goes wrong: configurations, demonstrations, packages.

use serde_json::Value;

use crate::program::{contains, runs, vipra};
use crate::{configuration, made_data, place, scratch};

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
    fails(&["--set", "finetune.execution={first={actions=5}}"], &["cannot execute 5 actions: a chunk has 4"]);
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
            "policy.json says something else of the policy than model.safetensors: control.action.normalizer.scale: ",
            "control.horizon: 9 in policy.json, 4 in model.safetensors",
            "frames.length: 0 in policy.json",
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
        &["statistics.json has no statistics of 3 dimensions of the action (`action`)"],
    );
    std::fs::remove_file(format!("{package}/policy.json")).unwrap();
    contains(&runs(&mut describe(), 2), &["policy.json cannot be read"]);
}
