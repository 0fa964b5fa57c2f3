//! How somebody moves, drawn for each episode.

use glam::Vec3;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::embodiment::Embodiment;

#[derive(Debug, Clone)]
pub(super) struct Style {
    /// Fastest, in metres a step.
    pub(super) speed: f32,
    /// How much faster from one step to the next, in metres a step.
    pub(super) acceleration: f32,
    /// Share of the way that is left that is done in a step: below 1 it slows down before it arrives.
    pub(super) eagerness: f32,
    /// Largest turn, in radians a step.
    pub(super) turn: f32,
    /// Trembling, in metres.
    pub(super) tremor: f32,
    /// How high the tool is between objects, in metres.
    pub(super) height: f32,
    /// Where the object is grasped beside its middle, in metres.
    pub(super) grasp: Vec3,
    /// Where it is put down beside the middle of what it goes on, in metres.
    pub(super) put: Vec3,
    /// Beside the object, at the first attempt: the grasp fails, and is done again.
    pub(super) miss: Vec3,
    /// The tool is knocked out of its way by so much, on its way to the object.
    pub(super) knock: Option<Vec3>,
    /// How far it leans while it travels, in radians around x and y.
    pub(super) lean: [f32; 2],
    /// How far fingers open to let go: the gripper's number of the action.
    pub(super) release: f32,
    /// How far beyond the goal a push goes, in metres.
    pub(super) extra_push: f32,
}

impl Style {
    pub(super) fn draw(embodiment: Embodiment, rng: &mut ChaCha8Rng) -> Self {
        let mut between = |low: f32, high: f32| rng.random_range(low..=high);
        let mut style = match embodiment {
            Embodiment::Gripper => Self {
                speed: between(0.036, 0.044),
                acceleration: 0.022,
                eagerness: between(0.75, 0.9),
                turn: 0.22,
                tremor: 0.0010,
                height: between(0.098, 0.115),
                grasp: Vec3::new(between(-0.004, 0.004), between(-0.003, 0.003), between(-0.003, 0.003)),
                put: Vec3::new(between(-0.004, 0.004), between(-0.004, 0.004), 0.0),
                miss: Vec3::ZERO,
                knock: None,
                lean: [0.0; 2],
                release: 1.0,
                extra_push: between(0.010, 0.022),
            },
            // Faster, in arcs, leaning, and less exact.
            Embodiment::Hand => Self {
                speed: between(0.045, 0.058),
                acceleration: between(0.018, 0.028),
                eagerness: between(0.6, 0.8),
                turn: 0.35,
                tremor: 0.0018,
                height: between(0.10, 0.135),
                grasp: Vec3::new(between(-0.006, 0.006), between(-0.004, 0.004), between(-0.002, 0.006)),
                put: Vec3::new(between(-0.006, 0.006), between(-0.006, 0.006), 0.0),
                miss: Vec3::ZERO,
                knock: None,
                lean: [between(-0.25, 0.25), between(-0.25, 0.25)],
                release: between(0.25, 0.55),
                extra_push: between(0.010, 0.030),
            },
        };
        let around = between(0.0, std::f32::consts::TAU);
        let aside = Vec3::new(around.cos(), around.sin(), 0.0);
        let (misses, knocks) = match embodiment {
            Embodiment::Gripper => (0.04, 0.15),
            Embodiment::Hand => (0.06, 0.10),
        };
        if between(0.0, 1.0) < misses {
            style.miss = aside * between(0.030, 0.040);
        }
        if between(0.0, 1.0) < knocks {
            style.knock = Some(aside * between(0.015, 0.030));
        }
        style
    }
}
