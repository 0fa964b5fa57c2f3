//! Whether a task is done, and how far it got.

use glam::{Vec2, Vec3, Vec3Swizzles};
use serde::{Deserialize, Serialize};

use crate::object::Kind;
use crate::physics::{Physics, Touch};
use crate::scene::Scene;
use crate::task::{Side, Task};

/// Something is on something if their middles are no farther apart than this beyond the lower one's half diagonal
/// (interfaces d.6), in metres.
const BESIDE: f32 = 0.003;
/// Largest gap between both along the vertical (interfaces d.6), in metres.
const ABOVE: f32 = 0.02;
/// What counts as moved (interfaces d.6), in metres.
const MOVED: f32 = 0.03;
/// Steps that make a grasp a firm one (interfaces d.6).
const FIRM: usize = 5;
/// Slower than this is at rest, in metres a second.
const AT_REST: f32 = 0.02;
/// How far a push has to go, in metres, and how far it may stray, as a share of that.
const PUSHED: f32 = 0.07;
const STRAY: f32 = 0.6;
/// Fingers that are closer together hold nothing, in metres.
const EMPTY: f32 = 0.012;

/// What is known of an episode so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The task is done now: the object lies where it should, at rest, and touches nothing but what it lies on and the robot.
    pub success_now: bool,
    /// It was at some step.
    pub success_ever: bool,
    /// The robot touched the object to move.
    pub touched: bool,
    /// It had it between its fingers.
    pub grasped: bool,
    /// It had it there for five steps in a row.
    pub grasped_firmly: bool,
    /// The object to move is 3 cm or more from where it was, and moved farther than any other.
    #[serde(rename = "moved_right")]
    pub moved_correct: bool,
    /// Another object was moved by 3 cm or more.
    pub moved_wrong: bool,
}

/// Watches an episode.
pub(crate) struct Judge {
    begin: Vec<Vec3>,
    grasped_steps: usize,
    verdict: Verdict,
}

impl Judge {
    pub(crate) fn new(scene: &Scene, physics: &Physics) -> Self {
        let begin = (0..scene.objects.len()).map(|object| physics.pose(object).translation).collect();
        Self { begin, grasped_steps: 0, verdict: Verdict::default() }
    }

    pub(crate) fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// Looks at the state after a step.
    pub(crate) fn look(&mut self, scene: &Scene, physics: &Physics) {
        let source = scene.task.source();
        let touch = physics.touch(source);
        let is_grasped = touch.is_grasped() && physics.gap() > EMPTY;
        self.grasped_steps = if is_grasped { self.grasped_steps + 1 } else { 0 };
        let moved = |object: usize| (physics.pose(object).translation - self.begin[object]).xy().length();
        let others = (0..scene.objects.len()).filter(|object| *object != source).map(moved).fold(0.0, f32::max);
        let verdict = &mut self.verdict;
        verdict.touched |= touch.robot();
        verdict.grasped |= is_grasped;
        verdict.grasped_firmly |= self.grasped_steps >= FIRM;
        verdict.moved_correct = moved(source) >= MOVED && moved(source) > others;
        verdict.moved_wrong |= others >= MOVED;
        verdict.success_now = match scene.task {
            Task::Put { source, target } | Task::Stack { source, target } => {
                is_on(scene, physics, &touch, source, target) && physics.speed(source) < AT_REST
            }
            Task::Push { source, side } => {
                is_pushed(physics, self.begin[source], source, side) && physics.speed(source) < AT_REST
            }
        };
        verdict.success_ever |= verdict.success_now;
    }
}

/// SIMPLER's rule (interfaces d.6), with both boxes as they stand at the beginning.
fn is_on(scene: &Scene, physics: &Physics, touch: &Touch, source: usize, target: usize) -> bool {
    let half = |object: usize| Vec3::from(scene.objects[object].object.kind.half_extents());
    let offset = physics.pose(source).translation - physics.pose(target).translation;
    let is_above = offset.z > 0.0 && offset.z - half(target).z - half(source).z <= ABOVE;
    let is_within = offset.xy().length() <= within(scene.objects[target].object.kind) + BESIDE;
    is_above && is_within && !touch.table && touch.objects == [target]
}

/// SIMPLER measures from the corner of the box, which round things do not have.
fn within(kind: Kind) -> f32 {
    let half = Vec3::from(kind.half_extents());
    match kind {
        Kind::Block => half.xy().length(),
        Kind::Plate | Kind::Bowl => half.x,
    }
}

fn is_pushed(physics: &Physics, begin: Vec3, source: usize, side: Side) -> bool {
    let direction = Vec2::from(side.direction());
    let way = (physics.pose(source).translation - begin).xy();
    let along = way.dot(direction);
    along >= PUSHED && way.perp_dot(direction).abs() <= along * STRAY
}
