//! A hand that grasps from above: four fingers on one side, the thumb on the other.

use glam::{Quat, Vec3};
use rapier3d::math::Pose;
use rapier3d::prelude::SharedShape;

use super::{Body, Part};
use crate::render::Solid;

/// Half of what touches along x, y and z: the four fingers together, and the thumb.
const FINGERS: Vec3 = Vec3::new(0.022, 0.006, 0.018);
const THUMB: Vec3 = Vec3::new(0.011, 0.007, 0.018);
/// Their middle above the origin.
const PAD_HEIGHT: f32 = 0.008;
/// Half of the palm along x, y and z, and its middle.
const PALM: Vec3 = Vec3::new(0.028, 0.030, 0.011);
const PALM_MIDDLE: Vec3 = Vec3::new(0.0, -0.004, 0.050);
const SKIN: [f32; 3] = [0.93, 0.70, 0.56];
const SKIN_SHADE: [f32; 3] = [0.87, 0.62, 0.48];
const SLEEVE: [f32; 3] = [0.36, 0.42, 0.47];

pub(crate) struct Hand;

impl Body for Hand {
    /// The forearm comes in from the right of whoever looks.
    fn home(&self) -> Pose {
        Pose::from_parts(Vec3::new(-0.03, -0.03, 0.14), Quat::from_rotation_z(-0.9))
    }

    fn widest(&self) -> f32 {
        0.078
    }

    fn tip_depth(&self) -> f32 {
        FINGERS.z - PAD_HEIGHT
    }

    fn shapes(&self, part: Part) -> Vec<(Pose, SharedShape)> {
        let cuboid =
            |half: Vec3, at: Vec3| (Pose::from_parts(at, Quat::IDENTITY), SharedShape::cuboid(half.x, half.y, half.z));
        match part {
            Part::Palm => vec![cuboid(PALM, PALM_MIDDLE)],
            Part::Left => vec![cuboid(FINGERS, Vec3::new(0.0, FINGERS.y, PAD_HEIGHT))],
            Part::Right => vec![cuboid(THUMB, Vec3::new(0.0, -THUMB.y, PAD_HEIGHT))],
        }
    }

    fn look(&self, gap: f32) -> Vec<Solid> {
        let mut solids = vec![Solid::ellipsoid(PALM * 1.22, PALM_MIDDLE, SKIN)];
        for finger in 0..4 {
            let x = (finger as f32 - 1.5) * 0.0125;
            // Outer fingers are shorter.
            let reach = if matches!(finger, 0 | 3) { 0.005 } else { 0.0 };
            let knuckle = Vec3::new(x, 0.020, 0.058);
            let middle = Vec3::new(x * 1.1, (gap / 2.0 + 0.012).max(0.026), 0.036);
            let tip = Vec3::new(x * 1.05, gap / 2.0 + 0.005, -0.004 + reach);
            solids.extend(Solid::capsule(knuckle, middle, 0.0068, SKIN));
            solids.extend(Solid::capsule(middle, tip, 0.0062, SKIN_SHADE));
        }
        let (root, tip) = (Vec3::new(0.018, -0.022, 0.046), Vec3::new(0.002, -gap / 2.0 - 0.006, -0.002));
        let joint = Vec3::new(0.012, (-gap / 2.0 - 0.014).min(-0.024), 0.024);
        solids.extend(Solid::capsule(root, joint, 0.0085, SKIN));
        solids.extend(Solid::capsule(joint, tip, 0.0075, SKIN_SHADE));
        let (wrist, elbow) = (Vec3::new(0.0, -0.034, 0.058), Vec3::new(0.0, -0.46, 0.26));
        let cuff = wrist + (elbow - wrist) * 0.16;
        solids.extend(Solid::capsule(wrist, cuff, 0.019, SKIN));
        solids.extend(Solid::capsule(cuff, elbow, 0.026, SLEEVE));
        solids
    }
}
