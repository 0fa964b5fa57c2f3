use serde_json::json;
use vipra_data::stats::Collector;
use vipra_data::{Rows, Values};
use vipra_nn::weights::{Names, save};

use super::*;
use crate::fixtures::{frame_tokenizer, policy_model, specification, text_tokenizer};
use crate::model::ActionDecoder;

/// Statistics of features of two dimensions.
fn statistics(features: &[&str]) -> Stats {
    let mut rows = Rows { length: 2, ..Rows::default() };
    features.iter().for_each(|feature| rows.insert(feature, 2, Values::F32(vec![0.0, 1.0, 2.0, 3.0])).unwrap());
    let mut collector = Collector::default();
    collector.add_rows(&rows);
    collector.finish()
}

/// Writes a package with these statistics. Where it lies.
fn written(folder: &Path, statistics: &Stats) -> PathBuf {
    let (tokenizer, text) = (frame_tokenizer(), text_tokenizer());
    let frames = folder.join("frames.safetensors");
    TrainedTokenizer::write(&tokenizer.model, &tokenizer.description, &frames).unwrap();
    let tokenizer = TrainedTokenizer::open(&frames, &Device::flex()).unwrap();
    let specification = specification(ActionDecoder::FlowMatching, None, &tokenizer, &text);
    let mut weights = save(&policy_model(&specification), &Names::default()).unwrap();
    weights.metadata = specification.to_metadata(&text).unwrap();
    let path = folder.join("weights.safetensors");
    weights.write_safetensors(&path).unwrap();
    let parts = PackageParts {
        weights: &path,
        specification: &specification,
        frame_tokenizer: &frames,
        statistics,
        config: "",
        training: &json!({}),
    };
    let package = folder.join("package");
    Package::write(&parts, &package).unwrap();
    package
}

fn faults(package: &Path) -> Vec<String> {
    match Package::open(package) {
        Err(Error::Package { faults, .. }) => faults,
        other => panic!("{other:?}"),
    }
}

/// Changes `policy.json`.
fn edit(package: &Path, change: impl FnOnce(&mut Value)) {
    let path = package.join(POLICY_FILE);
    let mut manifest: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    change(&mut manifest);
    std::fs::write(path, manifest.to_string()).unwrap();
}

/// Has `policy.json` vouch for a file as it is.
fn vouch(package: &Path, name: &str) {
    let hash = hash_of(&package.join(name)).unwrap();
    edit(package, |manifest| manifest["files"][name] = hash.into());
}

#[test]
fn a_package_that_is_whole_opens() {
    let folder = tempfile::tempdir().unwrap();
    let package = written(folder.path(), &statistics(&["action"]));
    let open = Package::open(&package).unwrap();
    assert_eq!(open.specification.control.fingerprints["policy"], open.fingerprint);
    open.into_policy(&Device::flex()).unwrap();
}

#[test]
fn statistics_are_those_of_the_feature_and_not_of_any_as_wide() {
    let folder = tempfile::tempdir().unwrap();
    let package = written(folder.path(), &statistics(&["observation.state"]));
    assert_eq!(faults(&package), ["statistics.json has no statistics of 2 dimensions of the action (`action`)"]);
}

#[test]
fn another_frame_tokenizer_is_found_on_opening() {
    let folder = tempfile::tempdir().unwrap();
    let package = written(folder.path(), &statistics(&["action"]));
    let path = package.join(FRAME_TOKENIZER_FILE);
    let mut other = Weights::read_safetensors(&path).unwrap();
    other.insert("another", vec![1], vec![1.0]);
    other.write_safetensors(&path).unwrap();
    vouch(&package, FRAME_TOKENIZER_FILE);
    let [fault] = <[String; 1]>::try_from(faults(&package)).unwrap();
    assert!(fault.contains("the frame tokenizer is") && fault.contains("the policy was trained with"), "{fault}");
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let package = written(folder.path(), &statistics(&["observation.state"]));
    std::fs::remove_file(package.join(CONFIG_FILE)).unwrap();
    std::fs::write(package.join(TRAINING_FILE), "{").unwrap();
    edit(&package, |manifest| {
        manifest["format"] = 2.into();
        manifest["specification"]["control"]["horizon"] = 9.into();
        manifest["specification"]["control"]["crops"] = 0.into();
        manifest["specification"]["control"]["action"]["units"] = json!(["m"]);
    });
    let expected = [
        "its format is 2, known is 1",
        "config.toml is missing",
        "training.json is not the file that the package was written with",
        "training.json is not understood",
        "an action's units has 1 numbers for 2 names",
        "statistics.json has no statistics of 2 dimensions of the action",
        "crops: 0 is less than 1",
        "control.horizon: 9 in policy.json, 4 in model.safetensors",
    ];
    let found = faults(&package);
    for (fault, expected) in found.iter().zip(expected) {
        assert!(fault.contains(expected), "{expected}: {found:#?}");
    }
    assert_eq!(found.len(), expected.len(), "{found:#?}");
}
