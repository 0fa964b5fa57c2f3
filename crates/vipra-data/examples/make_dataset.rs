//! Makes a small dataset with nothing to download: a gripper fetches a coloured block on a table.
//!
//! Usage: `make_dataset OUT [EPISODES]`. Writes LeRobot v3.0, 128×128 pixels at 10 frames a second, 7-dimensional
//! displacements of the gripper as actions; the same for every run.

use std::path::Path;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use vipra_data::writer::{DatasetWriter, WriterOptions};
use vipra_data::{DType, Feature, Features, Frame, Result, Rows, Values};

const SIDE: usize = 128;
const CAMERA: &str = "observation.images.table";
const BLOCKS: [(&str, [u8; 3]); 3] = [("red", [200, 60, 50]), ("green", [70, 150, 80]), ("blue", [60, 90, 190])];
const DIMENSIONS: [&str; 7] = ["dx", "dy", "dz", "roll", "pitch", "yaw", "gripper_open"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let out = arguments.next().ok_or("usage: make_dataset OUT [EPISODES]")?;
    let episodes: usize = arguments.next().map_or(Ok(12), |count| count.parse())?;

    let features = Features::from([
        (CAMERA.to_owned(), Feature::camera(DType::Video, SIDE, SIDE)),
        ("observation.state".to_owned(), Feature::numeric(DType::Float32, &["x", "y", "gripper_open"])),
        ("action".to_owned(), Feature::numeric(DType::Float32, &DIMENSIONS)),
    ]);
    let mut options = WriterOptions::new(10, features);
    options.robot_type = Some("drawn-gripper".into());
    let mut writer = DatasetWriter::create(Path::new(&out), options)?;
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    for _ in 0..episodes {
        record(&mut writer, &mut rng)?;
    }
    let training = episodes * 5 / 6;
    writer.finish(&[("train".into(), 0..training), ("val".into(), training..episodes)])?;
    println!("{episodes} episodes written to {out}");
    Ok(())
}

/// Positions are fractions of the picture.
struct Scene {
    gripper: [f32; 2],
    closed: bool,
    block: [f32; 2],
    color: [u8; 3],
}

fn record(writer: &mut DatasetWriter, rng: &mut ChaCha8Rng) -> Result<()> {
    let mut place = || [rng.random_range(0.15..0.85_f32), rng.random_range(0.3..0.85_f32)];
    let (block, goal) = (place(), place());
    let (name, color) = BLOCKS[rng.random_range(0..BLOCKS.len())];
    let mut scene = Scene { gripper: [0.5, 0.15], closed: false, block, color };
    let mut recording = writer.begin_episode(&format!("move the {name} block"))?;
    let (mut states, mut actions) = (Vec::new(), Vec::new());
    for _ in 0..60 {
        let target = if scene.closed { goal } else { scene.block };
        let [dx, dy] = [0, 1].map(|axis| (target[axis] - scene.gripper[axis]).clamp(-0.04, 0.04));
        recording.push(CAMERA, &draw(&scene))?;
        states.extend([scene.gripper[0], scene.gripper[1], f32::from(u8::from(!scene.closed))]);
        let near = dx.abs().max(dy.abs()) < 0.005;
        let done = near && scene.closed;
        scene.closed |= near;
        actions.extend([dx, dy, 0.0, 0.0, 0.0, 0.0, if scene.closed { -1.0 } else { 1.0 }]);
        scene.gripper = [scene.gripper[0] + dx, scene.gripper[1] + dy];
        if scene.closed {
            scene.block = scene.gripper;
        }
        if done {
            break;
        }
    }
    let mut rows = Rows { length: states.len() / 3, ..Rows::default() };
    rows.insert("observation.state", 3, Values::F32(states))?;
    rows.insert("action", 7, Values::F32(actions))?;
    recording.finish(&rows)
}

fn draw(scene: &Scene) -> Frame {
    let mut frame = Frame::new(SIDE, SIDE);
    for y in 0..SIDE {
        for x in 0..SIDE {
            let grain = ((x * 7 + y * 3) % 11) as u8;
            frame.set_pixel(x, y, [150 + grain, 115 + grain, 85 + grain]);
        }
    }
    fill(&mut frame, scene.block, [0.05, 0.05], [0.0, 0.0], scene.color);
    let spread = if scene.closed { 0.06 } else { 0.09 };
    for side in [-1.0, 1.0] {
        fill(&mut frame, scene.gripper, [0.015, 0.06], [side * spread, -0.02], [40, 40, 45]);
    }
    fill(&mut frame, scene.gripper, [spread + 0.015, 0.02], [0.0, -0.09], [55, 55, 60]);
    frame
}

/// A rectangle with `half` its width and height around `center` + `offset`.
fn fill(frame: &mut Frame, center: [f32; 2], half: [f32; 2], offset: [f32; 2], color: [u8; 3]) {
    let edge = |axis: usize, sign: f32| {
        ((center[axis] + offset[axis] + sign * half[axis]) * SIDE as f32).clamp(0.0, SIDE as f32) as usize
    };
    for y in edge(1, -1.0)..edge(1, 1.0) {
        for x in edge(0, -1.0)..edge(0, 1.0) {
            frame.set_pixel(x, y, color);
        }
    }
}
