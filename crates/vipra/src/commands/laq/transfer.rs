//! `vipra laq transfer`.

use anyhow::Result;
use burn::tensor::Tensor;
use vipra_data::Frame;
use vipra_data::writer::write_atomic;
use vipra_laq::frames::to_pictures;
use vipra_laq::report::animation;

use super::clip::NamedClip;
use super::{Outcome, open_model};
use crate::cli::TransferArgs;
use crate::commands::device;
use crate::files::{check_outside, create_parent};
use crate::output::print;
use crate::run_folder::tolerance_of_run;

pub fn run(args: &TransferArgs) -> Result<Outcome> {
    let trained = open_model(&args.model)?;
    let device = device(&args.model.device)?;
    let description = &trained.description;
    let transitions = args.transitions.map_or(description.clip.frames.max(2) - 1, usize::from);
    let tolerance_secs = tolerance_of_run(&trained.path);
    let open = |text: &str| NamedClip::open(text, args, tolerance_secs);
    let (from, to) = (open(&args.from)?, open(&args.to)?);
    check_outside([from.dataset(), to.dataset()], &args.out, "the animation")?;
    let (from, to) = (from.read(transitions + 1, description)?, to.read(1, description)?);
    create_parent(&args.out)?;
    let clip: Tensor<5> = from.clone().unsqueeze_dim(0);
    let moved = trained.model.transfer(clip.to_device(&device), to.clone().to_device(&device))?;
    let given: Vec<Frame> = to_pictures(from);
    let mut made = to_pictures(to);
    made.extend(to_pictures(moved.squeeze_dim(0)));
    let bytes = animation(&[&given, &made], description.clip.interval_secs)?;
    write_atomic(&args.out, &bytes)?;
    print(&format!("{transitions} transitions of {} written to {}\n", args.from, args.out.display()))?;
    Ok(Outcome::Done)
}
