//! Who touches whom.

use rapier3d::prelude::{ColliderHandle, PhysicsWorld};

use crate::embodiment::Part;

/// What a collider belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    Table,
    Robot(Part),
    Object(usize),
}

const FIRST_OBJECT: u128 = 16;

impl Who {
    pub(crate) fn to_data(self) -> u128 {
        match self {
            Self::Table => 0,
            Self::Robot(part) => 1 + part as u128,
            Self::Object(index) => FIRST_OBJECT + index as u128,
        }
    }

    pub(crate) fn from_data(data: u128) -> Self {
        match data {
            0 => Self::Table,
            1..FIRST_OBJECT => Self::Robot(Part::ALL[(data as usize - 1).min(2)]),
            _ => Self::Object((data - FIRST_OBJECT) as usize),
        }
    }
}

/// What an object touches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Touch {
    pub(crate) table: bool,
    pub(crate) palm: bool,
    pub(crate) left: bool,
    pub(crate) right: bool,
    /// Other objects.
    pub(crate) objects: Vec<usize>,
}

impl Touch {
    /// Of an object with these colliders.
    pub(crate) fn of(world: &PhysicsWorld, colliders: &[ColliderHandle]) -> Self {
        let mut touch = Self::default();
        for &own in colliders {
            for pair in world.contact_pairs_with(own).filter(|pair| pair.has_any_active_contact()) {
                let other = if pair.collider1 == own { pair.collider2 } else { pair.collider1 };
                match Who::from_data(world.colliders[other].user_data) {
                    Who::Table => touch.table = true,
                    Who::Robot(Part::Palm) => touch.palm = true,
                    Who::Robot(Part::Left) => touch.left = true,
                    Who::Robot(Part::Right) => touch.right = true,
                    Who::Object(index) if !touch.objects.contains(&index) => touch.objects.push(index),
                    Who::Object(_) => {}
                }
            }
        }
        touch.objects.sort_unstable();
        touch
    }

    /// Whether the robot touches it.
    pub(crate) fn robot(&self) -> bool {
        self.palm || self.left || self.right
    }

    /// Whether it is between the fingers.
    pub(crate) fn is_grasped(&self) -> bool {
        self.left && self.right
    }
}
