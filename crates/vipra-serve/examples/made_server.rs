//! A server with a made policy, to try clients with.
//!
//! Usage: `cargo run -p vipra-serve --example made_server -- [--port N] [--states N] [--seen]`. It speaks of a WidowX: seven numbers, chunks
//! of 14, frames 2.8 s apart. It says to stay where it is with the gripper open; with `--seen`, an action is instead the first levels of
//! both frames, the length of the instruction, the number of states, the height and the width of the frame, and the gripper open.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use vipra_control::{
    ActionChunk, ActionKind, ActionSpace, Gripper, Observation, Policy, PolicyDescription, ProprioSpace, Result,
    RotationForm,
};
use vipra_data::Frame;
use vipra_data::normalize::Normalizer;
use vipra_serve::{DEFAULT_PORT, ServeOptions, serve};

const ACTIONS: [&str; 7] = ["dx_m", "dy_m", "dz_m", "rot_x_rad", "rot_y_rad", "rot_z_rad", "gripper_open"];
const UNITS: [&str; 7] = ["m", "m", "m", "rad", "rad", "rad", "1"];
const STATES: [&str; 7] = ["x_m", "y_m", "z_m", "roll_rad", "pitch_rad", "yaw_rad", "gripper_open"];
const HORIZON: usize = 14;

struct Made {
    description: PolicyDescription,
    seen: bool,
}

impl Made {
    fn new(states: usize, seen: bool) -> Self {
        let plain = || Normalizer { offset: vec![0.0; 7], scale: vec![1.0; 7] };
        let names = |names: [&str; 7]| names.map(str::to_owned).to_vec();
        let proprio = (states > 0).then(|| ProprioSpace { names: names(STATES), states, normalizer: plain() });
        let description = PolicyDescription {
            policy: "made".to_owned(),
            action: ActionSpace {
                kind: ActionKind::DeltaEndEffector,
                rotation: RotationForm::RotationVector,
                gripper: Some(Gripper { dimension: "gripper_open".to_owned(), open: 1.0, closed: -1.0 }),
                names: names(ACTIONS),
                units: names(UNITS),
                // A scale of two tells normalised units from the robot's.
                normalizer: Normalizer { offset: vec![0.0; 7], scale: vec![2.0; 7] },
            },
            proprio,
            horizon: HORIZON,
            control_rate_hz: 5.0,
            frame_interval_secs: 2.8,
            image_size: [64, 64],
            crops: 1,
            fingerprints: BTreeMap::new(),
        };
        Self { description, seen }
    }

    fn action(&self, observation: &Observation) -> Vec<f32> {
        if !self.seen {
            return vec![0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0];
        }
        let level = |frame: &Frame| f32::from(frame.pixels()[0]);
        let [past, now] = &observation.frames;
        let (length, states) = (observation.instruction.len(), observation.proprio.len());
        let (height, width) = (now.height(), now.width());
        let [length, states, height, width] = [length, states, height, width].map(|number| number as f32);
        vec![level(past), level(now), length, states, height, width, 1.0]
    }
}

impl Policy for Made {
    fn describe(&self) -> &PolicyDescription {
        &self.description
    }

    fn infer_batch(&mut self, observations: &[Observation]) -> Vec<Result<ActionChunk>> {
        let chunk = |observation| ActionChunk { actions: vec![self.action(observation); HORIZON] };
        observations.iter().map(|observation| Ok(chunk(observation))).collect()
    }

    fn reset(&mut self) {}
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let value = |flag: &str| {
        let at = arguments.iter().position(|argument| argument == flag)?;
        arguments.get(at + 1)
    };
    let port = value("--port").map_or(Ok(DEFAULT_PORT), |port| port.parse())?;
    let states = value("--states").map_or(Ok(0), |states| states.parse())?;
    let seen = arguments.iter().any(|argument| argument == "--seen");
    let options = ServeOptions { address: SocketAddr::from(([127, 0, 0, 1], port)), ..ServeOptions::default() };
    serve(Box::new(Made::new(states, seen)), options)?;
    Ok(())
}
