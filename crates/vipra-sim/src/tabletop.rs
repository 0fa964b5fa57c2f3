//! The simulator as a robot, or an evaluation, sees it.

use glam::{EulerRot, Quat, Vec2, Vec3, Vec3Swizzles};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rapier3d::math::Pose;
use serde::{Deserialize, Serialize};
use vipra_data::Frame;

use crate::embodiment::Embodiment;
use crate::error::{Error, Result};
use crate::physics::{Command, Physics};
use crate::render::{Renderer, Solid, object_solid};
use crate::scene::{HALF_TABLE, Scene};
use crate::scenes::Scenes;
use crate::task::TaskKind;
use crate::verdict::{Judge, Verdict};

/// Actions a second.
pub const CONTROL_RATE_HZ: u32 = 5;
/// Numbers of an action and of a state.
pub const DIMENSIONS: usize = 7;
/// What an action's numbers are: displacement of the tool along the table's axes, a rotation vector around the same axes
/// through the tool's own point, and the gripper, +1 open and -1 closed (interfaces d.3).
pub const ACTION_NAMES: [&str; DIMENSIONS] =
    ["dx_m", "dy_m", "dz_m", "rot_x_rad", "rot_y_rad", "rot_z_rad", "gripper_open"];
/// What a state's numbers are: the tool's position, its rotation Rz(yaw)·Ry(pitch)·Rx(roll), and how far it is open, 0 to 1.
pub const STATE_NAMES: [&str; DIMENSIONS] = ["x_m", "y_m", "z_m", "roll_rad", "pitch_rad", "yaw_rad", "gripper_open"];
/// Shortest side of a picture, in pixels.
pub const SMALLEST_PICTURE: usize = 8;
/// Longest side of a picture, in pixels.
pub const LARGEST_PICTURE: usize = 512;

/// Longest way of the tool in a step, in metres.
const LONGEST_STEP: f32 = 0.06;
/// Largest turn in a step, in radians.
const LARGEST_TURN: f32 = 0.6;
/// Where the tool can be, in metres; below, the table is in the way.
const REACH: [f32; 3] = [0.24, 0.26, 0.26];
/// Free space under the tips, in metres.
const ABOVE_TABLE: f32 = 0.004;
/// Around its own point, nothing of an open tool reaches further along its x and y, in metres.
const TOOL_REACH: [f32; 2] = [0.015, 0.05];
/// How much the tool's first place varies, in metres and radians.
const VARIED_HOME: [f32; 2] = [0.015, 0.08];

/// What to simulate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TabletopConfig {
    /// Who works.
    pub embodiment: Embodiment,
    /// Which scenes are drawn.
    pub scenes: Scenes,
    /// Height and width of pictures, in pixels.
    pub size: usize,
}

impl Default for TabletopConfig {
    fn default() -> Self {
        Self { embodiment: Embodiment::default(), scenes: Scenes::default(), size: 64 }
    }
}

/// A table with objects and a robot. An episode is a function of configuration, seed and actions.
pub struct Tabletop {
    config: TabletopConfig,
    renderer: Renderer,
    scene: Scene,
    physics: Physics,
    judge: Judge,
    /// Where the last action wanted the tool to be.
    target: Pose,
    steps: usize,
}

impl Tabletop {
    /// A table at the beginning of the episode `seed`.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a picture of no pixels or too many, or for tasks without their objects.
    pub fn new(config: TabletopConfig, seed: u64) -> Result<Self> {
        if !(SMALLEST_PICTURE..=LARGEST_PICTURE).contains(&config.size) {
            let (size, least) = (config.size, SMALLEST_PICTURE);
            let reason = format!("a picture of {size} pixels a side; {least} to {LARGEST_PICTURE} can be drawn");
            return Err(Error::Invalid(reason));
        }
        if let Some(reason) = config.scenes.fault() {
            return Err(Error::Invalid(reason));
        }
        let (scene, physics, target) = begin(&config, seed)?;
        let judge = Judge::new(&scene, &physics);
        let renderer = Renderer::new(config.size);
        Ok(Self { config, renderer, scene, physics, judge, target, steps: 0 })
    }

    /// Begins the episode `seed`.
    ///
    /// # Errors
    /// [`Error::Invalid`] if no scene fits on the table.
    pub fn reset(&mut self, seed: u64) -> Result<()> {
        (self.scene, self.physics, self.target) = begin(&self.config, seed)?;
        self.judge = Judge::new(&self.scene, &self.physics);
        self.steps = 0;
        Ok(())
    }

    /// What it was made with.
    pub fn config(&self) -> &TabletopConfig {
        &self.config
    }

    /// What lies where at the beginning, and the task.
    pub fn scene(&self) -> &Scene {
        &self.scene
    }

    /// What is to be done.
    pub fn instruction(&self) -> &str {
        &self.scene.instruction
    }

    /// What the camera and the robot's joints say.
    pub fn observe(&mut self) -> (Frame, [f32; DIMENSIONS]) {
        (self.picture(), self.state())
    }

    /// What the camera sees, `[size, size, 3]`.
    pub fn picture(&mut self) -> Frame {
        let placed = self.scene.objects.iter().enumerate();
        let mut solids: Vec<Solid> =
            placed.map(|(index, placed)| object_solid(placed.object, self.physics.pose(index))).collect();
        let tool = self.physics.tool();
        solids.extend(self.config.embodiment.body().look(self.physics.gap()).into_iter().map(|solid| solid.at(tool)));
        self.renderer.draw(&solids)
    }

    /// Where the tool is and how far it is open: [`STATE_NAMES`].
    pub fn state(&self) -> [f32; DIMENSIONS] {
        let tool = self.physics.tool();
        let (yaw, pitch, roll) = tool.rotation.to_euler(EulerRot::ZYX);
        let [x, y, z] = tool.translation.to_array();
        [x, y, z, roll, pitch, yaw, self.physics.gap() / self.config.embodiment.body().widest()]
    }

    /// Does one action, [`ACTION_NAMES`], in a fifth of a second. It moves the pose that the last action wanted, whether that
    /// was reached or not; steps longer than 6 cm or 0.6 rad are shortened, and the tool stays over the table.
    ///
    /// # Errors
    /// [`Error::Action`] for what is no number.
    pub fn step(&mut self, action: &[f32; DIMENSIONS]) -> Result<()> {
        if let Some(at) = action.iter().position(|value| !value.is_finite()) {
            return Err(Error::Action { at, value: action[at] });
        }
        let body = self.config.embodiment.body();
        let way = Vec3::new(action[0], action[1], action[2]).clamp_length_max(LONGEST_STEP);
        let turn = Vec3::new(action[3], action[4], action[5]).clamp_length_max(LARGEST_TURN);
        let lowest = body.tip_depth() + ABOVE_TABLE;
        let [x, y, z] = REACH;
        let place = self.target.translation + way;
        self.target.translation = place.clamp(Vec3::new(-x, -y, lowest), Vec3::new(x, y, z));
        self.target.rotation = (Quat::from_scaled_axis(turn) * self.target.rotation).normalize();
        let gap = body.widest() * (action[6].clamp(-1.0, 1.0) + 1.0) / 2.0;
        self.physics.advance(&Command { tool: self.target, gap });
        self.judge.look(&self.scene, &self.physics);
        self.steps += 1;
        Ok(())
    }

    /// Moves the task's object along the table, unless something is where it would lie.
    pub(crate) fn nudge(&mut self, way: Vec2) -> bool {
        let source = self.scene.task.source();
        let place = self.physics.pose(source).translation + way.extend(0.0);
        let is_free = self.is_free(source, place);
        if is_free {
            self.physics.shift(source, way.extend(0.0));
        }
        is_free
    }

    /// Whether an object would touch neither the tool nor another object, nor lie beside the table.
    fn is_free(&self, object: usize, place: Vec3) -> bool {
        let radius = |index: usize| self.scene.objects[index].object.kind.radius();
        let [x, y] = HALF_TABLE.map(|half| half - radius(object));
        let mut others = (0..self.scene.objects.len()).filter(|other| *other != object);
        let is_apart = others.all(|other| {
            let between = self.physics.pose(other).translation - place;
            between.xy().length() > radius(object) + radius(other)
        });
        let from_tool = self.physics.tool().inverse() * place;
        let clear = from_tool.z < -2.0 * radius(object)
            || from_tool.x.abs() > TOOL_REACH[0] + radius(object)
            || from_tool.y.abs() > TOOL_REACH[1] + radius(object);
        place.x.abs() <= x && place.y.abs() <= y && is_apart && clear
    }

    /// How it stands.
    pub fn verdict(&self) -> Verdict {
        self.judge.verdict()
    }

    /// Actions since the beginning.
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// Actions after which an episode ends.
    pub fn most_steps(&self) -> usize {
        match self.scene.task.kind() {
            TaskKind::Put | TaskKind::Stack => 60,
            TaskKind::Push => 45,
        }
    }

    pub(crate) fn physics(&self) -> &Physics {
        &self.physics
    }

    pub(crate) fn target(&self) -> Pose {
        self.target
    }
}

/// Everything random at the beginning of an episode comes from its seed.
fn begin(config: &TabletopConfig, seed: u64) -> Result<(Scene, Physics, Pose)> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let scene = Scene::draw(&config.scenes, &mut rng)?;
    let mut symmetric = || rng.random_range(-1.0..=1.0_f32);
    let home = config.embodiment.body().home();
    let [place, turn] = VARIED_HOME;
    let offset = Vec3::new(symmetric(), symmetric(), symmetric()) * place;
    let rotation = Quat::from_rotation_z(symmetric() * turn) * home.rotation;
    let tool = Pose::from_parts(home.translation + offset, rotation);
    let physics = Physics::new(&scene, config.embodiment, tool, 1.0 / CONTROL_RATE_HZ as f32);
    Ok((scene, physics, tool))
}
