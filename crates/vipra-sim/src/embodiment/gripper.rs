//! Two parallel fingers on a stem.

use glam::{Quat, Vec3};
use rapier3d::math::Pose;
use rapier3d::prelude::SharedShape;

use super::{Body, Part};
use crate::render::Solid;

/// Half of a finger along x, y and z.
const FINGER: Vec3 = Vec3::new(0.010, 0.006, 0.022);
/// Middle of a finger above the origin.
const FINGER_HEIGHT: f32 = 0.012;
/// Half of the crossbar along x, y and z.
const CROSSBAR: Vec3 = Vec3::new(0.015, 0.044, 0.010);
/// Middle of the crossbar above the origin.
const CROSSBAR_HEIGHT: f32 = 0.044;
/// Radius and half of the length of the stem.
const STEM: [f32; 2] = [0.010, 0.16];

const DARK: [f32; 3] = [0.13, 0.14, 0.16];
const LIGHT: [f32; 3] = [0.30, 0.32, 0.35];
/// Bright tips, so that open and closed can be told at 64×64 pixels.
const TIP: [f32; 3] = [0.95, 0.96, 0.97];

pub(crate) struct Gripper;

impl Body for Gripper {
    fn home(&self) -> Pose {
        Pose::from_parts(Vec3::new(-0.03, 0.0, 0.13), Quat::IDENTITY)
    }

    fn widest(&self) -> f32 {
        0.072
    }

    fn tip_depth(&self) -> f32 {
        FINGER.z - FINGER_HEIGHT
    }

    fn shapes(&self, part: Part) -> Vec<(Pose, SharedShape)> {
        let cuboid =
            |half: Vec3, at: Vec3| (Pose::from_parts(at, Quat::IDENTITY), SharedShape::cuboid(half.x, half.y, half.z));
        let side = match part {
            Part::Palm => return vec![cuboid(CROSSBAR, Vec3::new(0.0, 0.0, CROSSBAR_HEIGHT))],
            Part::Left => 1.0,
            Part::Right => -1.0,
        };
        vec![cuboid(FINGER, Vec3::new(0.0, side * FINGER.y, FINGER_HEIGHT))]
    }

    fn look(&self, gap: f32) -> Vec<Solid> {
        let mut solids = vec![
            Solid::cuboid(CROSSBAR, Vec3::new(0.0, 0.0, CROSSBAR_HEIGHT), DARK),
            Solid::cylinder(STEM[0], STEM[1], Vec3::new(0.0, 0.0, CROSSBAR_HEIGHT + STEM[1]), LIGHT),
        ];
        for side in [-1.0, 1.0] {
            let middle = side * (gap / 2.0 + FINGER.y);
            let tip = Vec3::new(FINGER.x, FINGER.y, 0.010);
            let shaft = Vec3::new(FINGER.x, FINGER.y, FINGER.z - tip.z);
            let bottom = FINGER_HEIGHT - FINGER.z;
            solids.push(Solid::cuboid(tip, Vec3::new(0.0, middle, bottom + tip.z), TIP));
            solids.push(Solid::cuboid(shaft, Vec3::new(0.0, middle, FINGER_HEIGHT + FINGER.z - shaft.z), DARK));
        }
        solids
    }
}
