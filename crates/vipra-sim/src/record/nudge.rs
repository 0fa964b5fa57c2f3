//! Somebody moves the object while the expert is at it.
//!
//! What an expert does then is what a policy needs that is not as exact: it comes down beside the object, or closes on
//! nothing, and goes on from there. Every action stays what the expert wanted.

use glam::Vec2;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::expert::{Expert, Phase};
use crate::tabletop::Tabletop;

/// Random numbers of the nudges' own, whatever scene and expert have drawn.
const STREAM: u64 = 2;
/// When the object can be nudged: once each.
const MOMENTS: [Phase; 2] = [Phase::Descend, Phase::Close];
/// Shortest and longest way of the object, in metres.
const WAY: [f32; 2] = [0.02, 0.07];
/// Ways that are drawn until the object lies free after one.
const ATTEMPTS: usize = 20;

/// The nudges of one episode.
pub(super) struct Nudges {
    /// Moments at which the object is nudged, that are still to come.
    left: Vec<Phase>,
    rng: ChaCha8Rng,
}

impl Nudges {
    /// At every moment with this probability.
    pub(super) fn draw(probability: f32, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(STREAM);
        let left = MOMENTS.into_iter().filter(|_| rng.random_range(0.0..1.0) < probability).collect();
        Self { left, rng }
    }

    /// Nudges the object if the expert has just begun what makes this the moment, before the action is done.
    pub(super) fn act(&mut self, expert: &Expert, table: &mut Tabletop) {
        let Some(at) = self.left.iter().position(|moment| expert.has_just_begun(*moment)) else { return };
        self.left.remove(at);
        for _ in 0..ATTEMPTS {
            let around = self.rng.random_range(0.0..std::f32::consts::TAU);
            let length = self.rng.random_range(WAY[0]..=WAY[1]);
            if table.nudge(Vec2::from_angle(around) * length) {
                return;
            }
        }
    }
}
