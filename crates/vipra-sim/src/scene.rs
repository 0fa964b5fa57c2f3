//! What lies where, and what is to be done with it.

use rand::{Rng, RngExt};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::object::{Kind, Object};
use crate::scenes::Scenes;
use crate::split::Split;
use crate::task::{Side, Task, TaskKind};

/// Half of the part of the table that objects lie on, along x and y, in metres.
pub(crate) const HALF_TABLE: [f32; 2] = [0.15, 0.17];
/// Free space around the object to move, so that fingers fit in, in metres.
const FINGER_ROOM: f32 = 0.032;
/// Free space between other objects, in metres.
const ROOM: f32 = 0.012;
/// What a push keeps free before and behind the object, in metres from its centre.
const PUSH_LANE: [f32; 2] = [0.11, 0.15];
/// Largest turn of an object to either side, in radians: fingers can always close on a block without turning far.
const LARGEST_TURN: f32 = 0.35;
/// Fewest and most objects of a scene.
pub(crate) const MIN_OBJECTS: usize = 2;
pub(crate) const MAX_OBJECTS: usize = 5;
/// Scenes that are drawn until one fits on the table.
const ATTEMPTS: usize = 10_000;

/// An object and where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Placed {
    /// What it is.
    pub object: Object,
    /// Metres away from the camera, from the middle of the table.
    pub x: f32,
    /// Metres to the left, from the middle of the table.
    pub y: f32,
    /// Turn around the vertical, in radians.
    pub yaw: f32,
}

/// The beginning of an episode.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scene {
    /// Two to five objects, no two of the same colour and shape.
    pub objects: Vec<Placed>,
    /// What is to be done.
    pub task: Task,
    /// How it is said.
    pub instruction: String,
}

impl Scene {
    /// Draws one of the scenes.
    pub(crate) fn draw(scenes: &Scenes, rng: &mut ChaCha8Rng) -> Result<Self> {
        for _ in 0..ATTEMPTS {
            if let Some(scene) = Self::try_draw(scenes, rng) {
                return Ok(scene);
            }
        }
        Err(Error::Invalid(format!("no scene was found on the table that is one of: {scenes}")))
    }

    fn try_draw(scenes: &Scenes, rng: &mut ChaCha8Rng) -> Option<Self> {
        let (task, mut objects) = draw_task(scenes, rng)?;
        let wanted = rng.random_range(MIN_OBJECTS..=scenes.most_objects());
        while objects.len() < wanted {
            objects.push(scenes.draw_object(None, &objects, rng)?);
        }
        let mut placed = Vec::new();
        for object in &objects {
            placed.push(place(*object, &placed, &task, scenes.split, rng)?);
        }
        let instruction = task.instruction(&objects, rng);
        Some(Self { objects: placed, task, instruction })
    }

    /// The objects without their places.
    pub fn names(&self) -> Vec<Object> {
        self.objects.iter().map(|placed| placed.object).collect()
    }
}

/// A task and the objects that it speaks of, if the split takes them.
fn draw_task(scenes: &Scenes, rng: &mut ChaCha8Rng) -> Option<(Task, Vec<Object>)> {
    let kind = scenes.draw_task(rng);
    let pick = |kinds: &[Kind], rng: &mut ChaCha8Rng| kinds[rng.random_range(0..kinds.len())];
    let (task, kinds) = match kind {
        TaskKind::Put => (Task::Put { source: 0, target: 1 }, vec![Kind::Block, pick(&[Kind::Plate, Kind::Bowl], rng)]),
        TaskKind::Stack => (Task::Stack { source: 0, target: 1 }, vec![Kind::Block, Kind::Block]),
        TaskKind::Push => {
            let side = Side::ALL[rng.random_range(0..Side::ALL.len())];
            (Task::Push { source: 0, side }, vec![pick(&[Kind::Block, Kind::Block, Kind::Plate, Kind::Bowl], rng)])
        }
    };
    let mut objects = Vec::new();
    for kind in kinds {
        objects.push(scenes.draw_object(Some(kind), &objects, rng)?);
    }
    scenes.split.allows_task(&objects).then_some((task, objects))
}

/// A free place for an object; the first one that is placed is the one to move.
fn place(object: Object, others: &[Placed], task: &Task, split: Split, rng: &mut ChaCha8Rng) -> Option<Placed> {
    let radius = object.kind.radius();
    for _ in 0..30 {
        let [x, y] = HALF_TABLE.map(|half| (half - radius) * symmetric(rng));
        let yaw = LARGEST_TURN * symmetric(rng);
        let candidate = Placed { object, x, y, yaw };
        let is_source = others.is_empty();
        let starts_well = !is_source || (split.allows_start(x, y) && lane_is_on_table(&candidate, task));
        if starts_well && others.iter().enumerate().all(|(index, other)| are_apart(&candidate, other, index, task)) {
            return Some(candidate);
        }
    }
    None
}

fn lane_is_on_table(source: &Placed, task: &Task) -> bool {
    let Task::Push { side, .. } = task else { return true };
    let end = |sign: f32, length: f32| {
        let [dx, dy] = side.direction().map(|axis| axis * sign * length);
        (source.x + dx).abs() <= HALF_TABLE[0] && (source.y + dy).abs() <= HALF_TABLE[1]
    };
    end(1.0, 0.10) && end(-1.0, 0.05)
}

fn are_apart(new: &Placed, other: &Placed, other_index: usize, task: &Task) -> bool {
    let (dx, dy) = (new.x - other.x, new.y - other.y);
    let room = if other_index == task.source() { FINGER_ROOM } else { ROOM };
    let radii = new.object.kind.radius() + other.object.kind.radius();
    let is_in_lane = match task {
        Task::Push { side, .. } if other_index == task.source() => {
            let [ax, ay] = side.direction();
            let (along, across) = (dx * ax + dy * ay, (dx * ay - dy * ax).abs());
            let reach = new.object.kind.radius();
            along > -(PUSH_LANE[0] + reach) && along < PUSH_LANE[1] + reach && across < radii + ROOM
        }
        _ => false,
    };
    (dx * dx + dy * dy).sqrt() >= radii + room && !is_in_lane
}

/// A number from -1 to 1.
fn symmetric(rng: &mut impl Rng) -> f32 {
    rng.random_range(-1.0..=1.0)
}
