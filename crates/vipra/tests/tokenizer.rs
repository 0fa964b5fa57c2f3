//! Frame tokens as a person makes them: train, kill, go on, encode, reconstruct, import; and what goes wrong.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the message")]

#[path = "../../vipra-laq/tests/made_data/mod.rs"]
mod made_data;

mod program;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use burn::tensor::Device;
use program::{Place, TOKENIZER, checkpoint, contains, kill_after, runs, vipra};
use serde_json::Value;
use vipra_tokenizer::{TokenCache, TrainedTokenizer};

const OWN: &str = r#"
[tokenizer]
validation_frames = 8
resampling = "bilinear-antialias"
[tokenizer.codebook]
first_step = 18
replace_every = 5
[tokenizer.train]
steps = 40
batch_size = 4
log_every = 5
validate_every = 20
[tokenizer.train.optimizer]
learning_rate = 2e-3
[tokenizer.train.checkpoint]
every = 8
"#;

fn configuration() -> String {
    [TOKENIZER, OWN].concat()
}

fn train(place: &Place, run: &str, more: &[&str]) -> Command {
    place.train(&["tokenizer", "train"], run, more)
}

fn encode(place: &Place, model: &str, out: &str, more: &[&str]) -> Command {
    let (model, out) = (place.path(model), place.path(out));
    let mut command = vipra(&["tokenizer", "encode", place.data(), "--model", &model, "--out", &out]);
    command.args(more);
    command
}

#[test]
fn train_kill_resume_encode_reconstruct() {
    let place = Place::new(&configuration());
    let whole = runs(&mut train(&place, "whole", &[]), 0);
    contains(&whole, &["psnr", "codes_in_use", "perplexity", "parameters, weights in"]);

    // A killed run ends at the same bits as one that was left alone; it is killed before its codes begin.
    kill_after(train(&place, "killed", &[]), &place.path("killed"), 16);
    runs(&mut train(&place, "killed", &[]), 0);
    let never = runs(&mut train(&place, "never", &["--set", "tokenizer.train.steps=10"]), 2);
    contains(&never, &["tokenizer.codebook.first_step", "18 comes after the last of 10 steps"]);
    let lost = runs(&mut train(&place, "lost", &["--set", "tokenizer.weights=\"elsewhere.safetensors\""]), 2);
    contains(&lost, &["tokenizer.codebook.first_step", "would be thrown away"]);
    let odd = ["--set", "tokenizer.loss.locality_weight=1.0", "--set", "tokenizer.train.batch_size=3"];
    contains(
        &runs(&mut train(&place, "odd", &odd), 2),
        &["tokenizer.train.batch_size", "3 is not an even number from 4 on"],
    );
    let pairs = ["--set", "tokenizer.loss.locality_weight=1.0", "--set", "tokenizer.train.steps=20"];
    let counted = ["--set", "tokenizer.loss.squared_weight=20.0", "--set", "tokenizer.loss.rarity=0.5"];
    let pairs = [&pairs[..], &counted].concat();
    runs(&mut train(&place, "pairs", &pairs), 0);
    contains(
        &std::fs::read_to_string(place.path("pairs/metrics.jsonl")).unwrap(),
        &["\"locality\"", "\"squared\"", "\"l1_by_rarity\""],
    );
    let rare = runs(&mut train(&place, "rare", &["--set", "tokenizer.loss.rarity=1.5"]), 2);
    contains(&rare, &["tokenizer.loss.rarity", "1.5 is more than 1"]);
    let last = |run: &str| checkpoint(&place.path(run), 40);
    assert!(last("whole") == last("killed"), "the resumed run ends elsewhere");
    let metrics = std::fs::read_to_string(place.path("whole/metrics.jsonl")).unwrap();
    contains(
        &metrics,
        &["\"commitment\"", "\"perceptual\"", "\"replaced_codes\"", "\"psnr_mean_picture\"", "\"psnr_rare_colors\""],
    );
    let differs = runs(&mut train(&place, "whole", &["--set", "tokenizer.train.steps=41"]), 2);
    contains(&differs, &["another configuration", "tokenizer.train.steps: 40 before, 41 now"]);

    contains(&runs(&mut encode(&place, "whole", "tokens", &[]), 0), &["73 frames encoded"]);
    contains(&runs(&mut encode(&place, "whole", "tokens", &[]), 0), &["nothing was missing"]);
    let cache = TokenCache::open(Path::new(&place.path("tokens"))).unwrap();
    assert_eq!((cache.info().frames(), cache.info().tokens_per_frame, cache.info().codes), (73, 64, 24));
    // Going on after an interruption gives the same file.
    let (finished, partial) = (place.path("tokens/tokens.bin"), place.path("tokens/tokens.partial"));
    let bytes = std::fs::read(&finished).unwrap();
    std::fs::write(&partial, &bytes[..32 + 2 * 64 * 20 + 7]).unwrap();
    std::fs::remove_file(&finished).unwrap();
    contains(&runs(&mut encode(&place, "whole", "tokens", &[]), 0), &["53 frames encoded"]);
    assert!(std::fs::read(&finished).unwrap() == bytes, "the resumed cache has other tokens");
    let trained = TrainedTokenizer::open(Path::new(&place.path("whole")), &Device::flex()).unwrap();
    assert_eq!(trained.fingerprint, cache.info().tokenizer);

    let out = place.path("pictures");
    let model = place.path("whole");
    let arguments = ["tokenizer", "reconstruct", "--model", &model, "--out", &out, "--strips", "2", "--json"];
    let told: Value = serde_json::from_slice(&vipra(&arguments).output().unwrap().stdout).unwrap();
    assert_eq!(told["held_out"]["frames"].as_f64(), Some(16.0));
    assert!(told["held_out"]["psnr"].as_f64().unwrap() > 0.0);
    assert_eq!(told["pictures"].as_array().unwrap().len(), 2);
    assert!(std::fs::read(format!("{out}/strip-001.png")).unwrap().starts_with(b"\x89PNG"));
    contains(&runs(&mut vipra(&arguments[..arguments.len() - 1]), 0), &["codes effectively in use", "2 pictures"]);
    let inside = place.data.join("pictures");
    let inside = ["tokenizer", "reconstruct", "--model", &model, "--out", inside.to_str().unwrap()];
    contains(&runs(&mut vipra(&inside), 2), &["the folder of pictures would lie inside the dataset"]);
    assert!(!place.data.join("pictures").exists());

    wrong_caches(&place);
}

/// The golden weights of the published model and the manifest's words on it, where they are there.
fn published() -> Option<(PathBuf, Value)> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let from_environment = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let shared = from_environment("VIPRA_SHARED").unwrap_or_else(|| "../shared".into());
    let folder = workspace.join(from_environment("VIPRA_GOLDENS").unwrap_or_else(|| shared.join("goldens")));
    let Ok(manifest) = std::fs::read(folder.join("manifest.json")) else {
        // Straight to standard error: the test runner swallows what passing tests print.
        let line = format!("SKIPPED: no golden tensors in {} (set VIPRA_SHARED): import\n", folder.display());
        std::io::stderr().write_all(line.as_bytes()).unwrap();
        return None;
    };
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    Some((folder.join("vqgan_weights.safetensors"), manifest["files"]["vqgan.safetensors"]["config"].clone()))
}

#[test]
fn published_weights_become_a_tokenizer() {
    let Some((weights, size)) = published() else { return };
    let model = [
        ("frame_size", format!("[{0}, {0}]", size["resolution"])),
        ("width", size["hidden_channels"].to_string()),
        ("multipliers", size["channel_mult"].to_string()),
        ("blocks", size["num_res_blocks"].to_string()),
        ("groups", "32".to_owned()),
        ("latent_dim", size["z_channels"].to_string()),
        ("codes", size["num_embeddings"].to_string()),
        ("code_dim", size["quantized_embed_dim"].to_string()),
    ];
    let model: String = model.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
    let place = Place::new(&format!("[tokenizer.model]\n{model}"));
    let (config, out) = (place.config.display().to_string(), place.path("a/imported.safetensors"));
    let import = ["tokenizer", "import", weights.to_str().unwrap(), "--config", &config, "--out", &out];
    contains(&runs(&mut vipra(&import), 0), &["weights in", "imported.safetensors"]);
    contains(&runs(&mut encode(&place, "a/imported.safetensors", "tokens", &[]), 0), &["73 frames encoded"]);
    let cache = TokenCache::open(Path::new(&place.path("tokens"))).unwrap();
    assert_eq!(Some(cache.info().codes as u64), size["num_embeddings"].as_u64());
}

fn wrong_caches(place: &Place) {
    runs(
        &mut train(place, "other", &["--set", "tokenizer.train.steps=1", "--set", "tokenizer.codebook.first_step=0"]),
        0,
    );
    contains(&runs(&mut encode(place, "other", "tokens", &[]), 2), &["another tokenizer"]);
    contains(&runs(&mut encode(place, "whole", "tokens", &["--split", "train"]), 2), &["another choice of episodes"]);
    let file = place.path("tokens/tokens.bin");
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    contains(&runs(&mut encode(place, "whole", "tokens", &[]), 2), &["it was cut off or damaged", "tokens.bin"]);
}

#[test]
fn bad_input_is_said_plainly() {
    let place = Place::new(&configuration());
    let fails = |more: &[&str], parts: &[&str]| contains(&runs(&mut train(&place, "run", more), 2), parts);
    fails(&["--set", "tokenizer.model.frame_size=[17, 16]"], &["`frame_size` 17×16 is not divisible by 2"]);
    fails(&["--set", "tokenizer.model.groups=3"], &["`groups` 3 does not divide the 8 channels"]);
    fails(&["--set", "tokenizer.text.vocab_size=100"], &["tokenizer.text.vocab_size"]);
    let foreign = place.path("foreign.safetensors");
    std::fs::write(&foreign, b"not weights").unwrap();
    let weights = format!("tokenizer.weights=\"{foreign}\"");
    fails(&["--set", &weights, "--set", "tokenizer.codebook.first_step=0"], &["foreign.safetensors"]);
    contains(&runs(&mut encode(&place, "none", "tokens", &[]), 2), &["there is no such file or folder"]);
    contains(&runs(&mut encode(&place, "foreign.safetensors", "tokens", &[]), 2), &["foreign.safetensors"]);
    let (small, out) = (place.config.display().to_string(), place.path("imported.safetensors"));
    let import = ["tokenizer", "import", &place.path("whole.safetensors"), "--config", &small, "--out", &out];
    contains(&runs(&mut vipra(&import), 2), &["whole.safetensors"]);
    assert!(!PathBuf::from(place.path("run/checkpoints")).exists() && !PathBuf::from(out).exists());
}
