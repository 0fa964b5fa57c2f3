//! Flags of `vipra sim`.

use std::path::PathBuf;

use clap::builder::TypedValueParser;
use clap::{Args, Subcommand};
use vipra_sim::{Embodiment, LARGEST_PICTURE, Object, Scenes, Split, TaskKind};

use super::parsers::named;

/// Commands on the embedded simulator.
#[derive(Subcommand)]
pub enum SimCommand {
    /// Record a scripted expert, as a LeRobot v3.0 dataset. An interrupted recording resumes.
    Record(RecordArgs),
    /// Write a video of one episode of a scripted expert.
    Play(PlayArgs),
}

/// What lies on the table, and what is to be done with it.
#[derive(Args, Clone, Default)]
pub struct ScenesArgs {
    /// Only these tasks, drawn at random [default: all; for `eval`, those that the policy was made for].
    #[arg(long = "task", value_name = "TASKS", value_delimiter = ',', value_parser = tasks())]
    pub tasks: Vec<TaskKind>,
    /// Only these objects: `--object "red block,yellow plate"` [default: all; for `eval`, those that the policy was made for].
    #[arg(long = "object", value_name = "OBJECTS", value_delimiter = ',', value_parser = clap::value_parser!(Object))]
    pub objects: Vec<Object>,
}

impl ScenesArgs {
    /// Scenes of a split.
    pub fn of(&self, split: Split) -> Scenes {
        Scenes { split, tasks: self.tasks.clone(), objects: self.objects.clone() }
    }
}

/// Who works at what.
#[derive(Args, Clone)]
pub struct TableArgs {
    /// Who acts: a human-like hand (actions are never recorded), or a gripper.
    #[arg(long, default_value = "gripper", value_name = "WHO", value_parser = embodiments())]
    pub embodiment: Embodiment,
    #[command(flatten)]
    pub scenes: ScenesArgs,
    /// Which scenes: those of training (`seen`), or pairs or positions that training never shows.
    #[arg(long, default_value = "seen", value_name = "SPLIT", value_parser = splits())]
    pub split: Split,
    /// Random seed: another seed gives other episodes.
    #[arg(long, default_value_t = 0, value_name = "N", value_parser = clap::value_parser!(u64).range(..1 << 31))]
    pub seed: u64,
}

/// What to record.
#[derive(Args)]
pub struct RecordArgs {
    /// The folder to write: new, empty, or an interrupted recording of the same, which resumes.
    pub out: PathBuf,
    #[command(flatten)]
    pub table: TableArgs,
    /// Number of successful episodes to record; failed attempts are dropped and counted.
    #[arg(long, default_value_t = 500, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub episodes: u32,
    /// Probability that the object is nudged aside as the expert approaches or grasps it, so that demonstrations show how to
    /// recover. Has no effect on the task `push`.
    #[arg(long, default_value_t = 0.0, value_name = "SHARE", value_parser = probability)]
    pub nudges: f32,
    /// Record no actions and states. Recordings of the hand never have any.
    #[arg(long)]
    pub no_actions: bool,
    /// Height and width of pictures, in pixels; an even number.
    #[arg(long, default_value_t = 64, value_name = "PIXELS", value_parser = clap::value_parser!(u16).range(64..=LARGEST_PICTURE as i64))]
    pub size: u16,
}

/// What to play.
#[derive(Args)]
pub struct PlayArgs {
    /// The video to write, .mp4 or .gif.
    pub out: PathBuf,
    #[command(flatten)]
    pub table: TableArgs,
    /// The episode's number in a recording with this seed.
    #[arg(long, default_value_t = 0, value_name = "N", value_parser = clap::value_parser!(u64).range(..1 << 31))]
    pub episode: u64,
    /// Probability that the object is nudged aside as the expert approaches or grasps it.
    #[arg(long, default_value_t = 0.0, value_name = "SHARE", value_parser = probability)]
    pub nudges: f32,
    /// Height and width of pictures, in pixels; an even number.
    #[arg(long, default_value_t = 256, value_name = "PIXELS", value_parser = clap::value_parser!(u16).range(16..=LARGEST_PICTURE as i64))]
    pub size: u16,
}

/// A number from 0 to 1.
fn probability(text: &str) -> Result<f32, String> {
    let value: f32 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.0..=1.0).contains(&value) { Ok(value) } else { Err("not from 0 to 1".to_owned()) }
}

fn embodiments() -> impl TypedValueParser<Value = Embodiment> {
    named(Embodiment::ALL, Embodiment::name)
}

fn tasks() -> impl TypedValueParser<Value = TaskKind> {
    named(TaskKind::ALL, TaskKind::name)
}

fn splits() -> impl TypedValueParser<Value = Split> {
    named(Split::ALL, Split::name)
}
