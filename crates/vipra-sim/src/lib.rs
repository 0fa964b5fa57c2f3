//! An embedded tabletop: something to learn from and to succeed at, with nothing to download.
//!
//! A [`Tabletop`] holds two to five objects in named colours, moved by rapier3d, seen by one fixed camera, worked on by a
//! `hand` or a `gripper` ([`Embodiment`]). Its [`Task`]s come in words and are judged by geometry ([`Verdict`]); [`Scenes`]
//! say which tasks and objects there are, and a [`Split`] keeps pairs of colour and shape, or places, away from training. [`Expert`] does the tasks; [`record`] writes what it does
//! as LeRobot datasets.
//!
//! Everything is a function of configuration, seed and actions, and equal in every run.

mod embodiment;
mod error;
mod expert;
mod object;
mod physics;
pub mod record;
mod render;
mod scene;
mod scenes;
mod split;
mod tabletop;
mod task;
mod verdict;

pub use embodiment::Embodiment;
pub use error::{Error, Result};
pub use expert::Expert;
pub use object::{Color, Kind, Object};
pub use scene::{Placed, Scene};
pub use scenes::Scenes;
pub use split::{Split, is_held_out_pair, is_held_out_position};
pub use tabletop::{
    ACTION_NAMES, CONTROL_RATE_HZ, DIMENSIONS, LARGEST_PICTURE, SMALLEST_PICTURE, STATE_NAMES, Tabletop, TabletopConfig,
};
pub use task::{Side, Task, TaskKind};
pub use verdict::Verdict;
