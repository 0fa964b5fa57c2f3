//! Flags of `vipra sim`.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use vipra_sim::{Embodiment, LARGEST_PICTURE, Object, Scenes, Split, TaskKind};

/// Commands on the embedded simulator.
#[derive(Subcommand)]
pub enum SimCommand {
    /// Record what a scripted expert does, as a LeRobot v3.0 dataset. An interrupted recording goes on when it is called again.
    Record(RecordArgs),
    /// Write a video of one episode of a scripted expert.
    Play(PlayArgs),
}

/// What lies on the table, and what is to be done with it.
#[derive(Args, Clone, Default)]
pub struct ScenesArgs {
    /// Set only these tasks, by chance [default: all; of an evaluation, those that the policy was made for].
    #[arg(long = "task", value_name = "TASKS", value_delimiter = ',', value_parser = tasks())]
    pub tasks: Vec<TaskKind>,
    /// Only these lie on the table: `--object "red block,yellow plate"` [default: everything; of an evaluation, as --task].
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
    /// Who works: a human-like hand, or a gripper.
    #[arg(long, default_value = "gripper", value_name = "WHO", value_parser = embodiments())]
    pub embodiment: Embodiment,
    #[command(flatten)]
    pub scenes: ScenesArgs,
    /// Which scenes are drawn: those of training, or such as training never shows.
    #[arg(long, default_value = "seen", value_name = "SPLIT", value_parser = splits())]
    pub split: Split,
    /// Another seed is other episodes.
    #[arg(long, default_value_t = 0, value_name = "N", value_parser = clap::value_parser!(u64).range(..1 << 31))]
    pub seed: u64,
}

/// What to record.
#[derive(Args)]
pub struct RecordArgs {
    /// The folder to write: new, empty, or an interrupted recording of the same, which goes on.
    pub out: PathBuf,
    #[command(flatten)]
    pub table: TableArgs,
    /// Episodes to record; attempts that fail are left out and counted.
    #[arg(long, default_value_t = 500, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub episodes: u32,
    /// Probability that the object is nudged aside when the expert comes down to it, and when it closes its fingers: what to
    /// do then is what a policy less exact than the expert has to know. Nothing is nudged where the task is to push.
    #[arg(long, default_value_t = 0.0, value_name = "SHARE", value_parser = probability)]
    pub nudges: f32,
    /// Leave out actions and states. Recordings of the hand never have any.
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
    /// Which episode of the recording with this seed.
    #[arg(long, default_value_t = 0, value_name = "N", value_parser = clap::value_parser!(u64).range(..1 << 31))]
    pub episode: u64,
    /// Probability that the object is nudged aside when the expert comes down to it, and when it closes its fingers.
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

/// Takes one of several values by its name; help lists them.
pub fn named<T, const N: usize>(all: [T; N], name: fn(T) -> &'static str) -> impl TypedValueParser<Value = T>
where
    T: Copy + Send + Sync + 'static,
{
    PossibleValuesParser::new(all.map(name)).try_map(move |text| {
        all.into_iter().find(|value| name(*value) == text).ok_or_else(|| format!("unknown: {text}"))
    })
}
