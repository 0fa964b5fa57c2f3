//! A run folder with something of every stage, made up: what the report does with it is looked at, not what it says.

#![allow(dead_code, reason = "each test crate that includes this file uses a part of it")]

use std::path::Path;

use image::codecs::gif::GifEncoder;
use image::{Delay, Frame, Rgb, RgbImage, Rgba, RgbaImage};
use serde_json::{Value, json};

/// Of stages, and of the policy's weights.
const FINGERPRINT: &str = "0123456789abcdef";
/// Episodes that are evaluated.
pub(crate) const EPISODES: usize = 40;
/// How many of them succeed at some step.
pub(crate) const SUCCESSES: usize = 27;

pub(crate) fn make(run: &Path) {
    stages(run);
    write(
        run,
        "config.toml",
        "[run]\nseed = 0\n\n[laq.train]\nsteps = 4000\n# a long line so that it has to scroll within its box, and not push the page out of its window at any width\n",
    );
    for name in ["videos", "demonstrations"] {
        let features = if name == "videos" { json!({}) } else { json!({ "action": {} }) };
        let info =
            json!({ "total_episodes": 600, "total_frames": 48000, "fps": 10, "total_tasks": 14, "features": features });
        write(run, &format!("data/{name}/meta/info.json"), &info.to_string());
        picture(run, &format!("data/{name}.png"), 8 * 68, 200);
    }
    tokenizer(run);
    latent_actions(run);
    pretraining(run);
    policy(run);
    evaluation(run);
}

pub(crate) fn write(run: &Path, name: &str, text: &str) {
    let file = run.join(name);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, text).unwrap();
}

fn stages(run: &Path) {
    let stages = [
        ("videos", json!({})),
        ("demonstrations", json!({})),
        ("tokenizer", json!({ "videos": FINGERPRINT })),
        ("laq", json!({ "videos": FINGERPRINT })),
        ("cache", json!({ "tokenizer": FINGERPRINT, "laq": FINGERPRINT })),
        ("pretrain", json!({ "cache": FINGERPRINT })),
        ("finetune", json!({ "demonstrations": FINGERPRINT, "pretrain": FINGERPRINT })),
        ("evaluate", json!({ "finetune": FINGERPRINT })),
    ];
    for (at, (name, inputs)) in stages.iter().enumerate() {
        let record = json!({
            "stage": name, "state": if at < 7 { "done" } else { "begun" }, "fingerprint": FINGERPRINT,
            "inputs": inputs, "configuration": {}, "folder": name, "version": "0.1.0",
            "began_at": "2026-01-02T03:04:05Z", "written_at": "2026-01-02T03:14:05Z", "seconds": 40.0 * at as f64,
            "peak_memory_mib": 900.0, "key_figure": "perplexity 5.2 of 8 codes", "figures": { "episodes": 40, "frames": 4321, "video_secs": 864.2, "fps": [5.0], "tasks": 4, "datasets": ["/far/away/widow"] },
        });
        write(run, &format!("stages/{name}.json"), &record.to_string());
    }
}

fn tokenizer(run: &Path) {
    training(
        run,
        "tokenizer",
        &["loss", "l1", "perplexity", "codes_in_use"],
        &["l1", "psnr", "psnr_mean_picture", "perplexity", "codes_in_use"],
    );
    picture(run, "tokenizer/pictures/strip-000.png", 8 * 68, 170);
}

fn latent_actions(run: &Path) {
    let held_out =
        ["l1", "l1_copy", "l1_moving_ratio", "l1_moving_ratio_of_other_codes", "nearer_to_next", "perplexity"];
    training(run, "laq", &["loss", "l1", "flow", "perplexity", "code_share/0"], &held_out);
    let position = json!({ "shares": [0.5, 0.3, 0.1, 0.1, 0.0, 0.0, 0.0, 0.0], "entropy_bits": 1.7, "dead_codes": 4 });
    let example = |kind: &str, file: &str| json!({ "kind": kind, "caption": "episode 7, put the red block on the plate", "file": file });
    let report = json!({
        "model": "0123456789abcdef", "parameters": 1_000_000, "interval_secs": 0.2, "episodes": 30,
        "reconstruction": {
            "numbers": { "l1_moving_ratio": 0.43, "l1_moving_ratio_of_other_codes": 1.02, "nearer_to_next": 0.93 },
            "nearer_to_next_interval": [0.9, 0.95],
        },
        "codes": { "shares": position["shares"], "perplexity": 3.2, "dead_codes": 4, "positions": vec![position.clone(); 16] },
        "probe": [{ "dimension": "dx", "codes": 0.7, "shuffled_codes": -0.01, "frame_difference": null }],
        "pictures": [
            example("reconstruction", "reconstruction-000.png"),
            example("swap", "swap-000.png"),
            example("swap-animation", "swap-000.gif"),
        ],
    });
    write(run, "laq/report/report.json", &report.to_string());
    picture(run, "laq/report/report-pictures/reconstruction-000.png", 8 * 68, 170);
    picture(run, "laq/report/report-pictures/swap-000.png", 8 * 68, 170);
    animation(&run.join("laq/report/report-pictures/swap-000.gif"), 256, 128);
}

fn pretraining(run: &Path) {
    let held_out = [
        "latent_state_loss",
        "latent_state_frequent_loss",
        "latent_state_accuracy",
        "latent_state_copy_accuracy",
        "latent_action_loss",
    ];
    training(run, "pretrain", &["loss", "latent_state", "latent_action", "learning_rate"], &held_out);
    let moment = json!({
        "caption": "episode 12, frame 30: push the blue block to the left of the green bowl", "strip": "a.png",
        "animation": "a.gif", "tokens_right": 0.61, "tokens_right_of_current": 0.55, "codes_right": 0.4,
    });
    write(run, "pretrain/pictures/predictions.json", &json!({ "moments": vec![moment; 9] }).to_string());
    picture(run, "pretrain/pictures/a.png", 15 * 68, 250);
    animation(&run.join("pretrain/pictures/a.gif"), 256, 128);
}

fn policy(run: &Path) {
    training(run, "policy", &["loss", "flow"], &["learned_first_actions_error", "first_actions_error", "chunk_error"]);
    let curve = |phase: f64| (0..80).map(|at| (f64::from(at) * 0.1 + phase).sin() * 0.02).collect::<Vec<_>>();
    let dimensions = ["dx", "dy", "dz", "gripper_open"].map(|name| {
        json!({ "dimension": name, "error": 0.004, "spread": 0.014, "truth": curve(0.0), "predicted": curve(0.3) })
    });
    let open_loop = json!({ "episode": "3", "instruction": "stack the cubes", "fps": 10.0, "dimensions": dimensions });
    write(run, "policy/open-loop/3.json", &open_loop.to_string());
    let package = json!({ "files": { "model.safetensors": format!("{FINGERPRINT}fedc") } });
    write(run, "policy/package/policy.json", &package.to_string());
}

fn evaluation(run: &Path) {
    let mut lines = vec![json!({ "environment": "tabletop", "policy": "flow", "model": FINGERPRINT }).to_string()];
    for episode in 0..EPISODES {
        let is_success = episode < SUCCESSES;
        let task = ["pick", "push"][episode % 2];
        lines.push(
            json!({
                "task": task, "split": "seen", "seed": 0, "episode": episode, "instruction": "put the red block on the plate",
                "success_last": is_success, "success_any": is_success, "grasped": true, "touched": true, "moved_right": true,
                "moved_wrong": false, "steps": 80, "secs": 4.0, "latencies": [50.0, 60.0],
            })
            .to_string(),
        );
        let end = if is_success { "success" } else { "failure" };
        if episode % 3 == 0 {
            animation(&run.join(format!("evaluation/videos/seen.{end}.{task}.0.{episode}.gif")), 64, 64);
        }
    }
    write(run, "evaluation/outcomes.jsonl", &(lines.join("\n") + "\n"));
}

/// Metrics of a training whose numbers fall as losses do.
fn training(run: &Path, folder: &str, train: &[&str], held_out: &[&str]) {
    let mut lines = String::new();
    let line = |step: u32, kind: &str, names: &[&str]| {
        let mut line = json!({ "step": step, "kind": kind });
        for (at, name) in names.iter().enumerate() {
            line[*name] = json!(5.0 * (-f64::from(step) / 300.0).exp() + 0.1 * (at + 1) as f64);
        }
        line.to_string() + "\n"
    };
    for step in (20..=1200).step_by(20) {
        lines += &line(step, "train", train);
        if step % 200 == 0 {
            lines += &line(step, "validation", held_out);
        }
    }
    write(run, &format!("{folder}/metrics.jsonl"), &lines);
}

fn picture(run: &Path, name: &str, width: u32, height: u32) {
    let file = run.join(name);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    RgbImage::from_fn(width, height, |x, y| Rgb([(x / 3) as u8, (y * 2) as u8, 90])).save(file).unwrap();
}

fn animation(file: &Path, width: u32, height: u32) {
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    let mut encoder = GifEncoder::new(std::fs::File::create(file).unwrap());
    let frame = |at: u8| RgbaImage::from_pixel(width, height, Rgba([at * 60, 80, 120, 255]));
    let frames = (0..4).map(|at| Frame::from_parts(frame(at), 0, 0, Delay::from_numer_denom_ms(200, 1)));
    encoder.encode_frames(frames).unwrap();
}

pub(crate) fn read(file: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
}
