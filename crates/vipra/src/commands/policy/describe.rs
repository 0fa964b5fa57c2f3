//! `vipra policy describe`.

use anyhow::Result;
use serde_json::{Map, Value, json};
use vipra_control::Execution;
use vipra_policy::policy::{Package, Specification};

use crate::cli::DescribeArgs;
use crate::commands::Outcome;
use crate::output::{name_of, plural, print, print_json, short, table};

pub fn run(args: &DescribeArgs) -> Result<Outcome> {
    let package = Package::open(&args.package)?;
    match args.json {
        true => print_json(&json!({
            "specification": package.specification,
            "statistics": package.statistics,
            "training": package.training,
            "request": keys(&package),
        }))?,
        false => print(&to_text(&package))?,
    }
    Ok(Outcome::Done)
}

/// Returns what a client asks with, by the names that the server takes.
fn keys(package: &Package) -> Map<String, Value> {
    let metadata = vipra_serve::metadata(&package.specification.control, &vipra_serve::ServeOptions::default());
    metadata["keys"].as_object().cloned().unwrap_or_default()
}

fn execution_text(execution: Execution) -> String {
    match execution {
        Execution::First { actions } => format!("first, {} of a chunk", plural(actions, "action")),
        Execution::Ensemble { decay } => format!("ensemble, decay {}", short(decay)),
    }
}

fn to_text(package: &Package) -> String {
    let Specification { control, model, fields, execution, solver, crop_area, .. } = &package.specification;
    let [height, width] = control.image_size;
    let facts = [
        ("folder", package.path.display().to_string()),
        ("policy", control.policy.clone()),
        ("fields", fields.to_string()),
        ("transformer", format!("{} layers of {}, {} heads", model.layers, model.dim, model.heads)),
        ("frames", format!("two of {width}×{height}, {} s apart", short(control.frame_interval_secs))),
        ("crops", format!("{} of {} of the area", control.crops, short(*crop_area))),
        ("chunk", format!("{} actions at {} Hz", control.horizon, short(control.control_rate_hz))),
        ("execution", execution_text(*execution)),
        ("solver", format!("{}, {}", name_of(&solver.method), plural(solver.steps, "step"))),
        ("action", format!("{}, rotation {}", name_of(&control.action.kind), name_of(&control.action.rotation))),
        (
            "proprio",
            control.proprio.as_ref().map_or("none".to_owned(), |proprio| {
                format!("{} of {}", plural(proprio.states, "state"), proprio.names.join(", "))
            }),
        ),
    ];
    let fingerprints = control.fingerprints.iter().map(|(name, value)| (name.as_str(), value.clone()));
    let facts = facts.into_iter().chain(fingerprints).map(|(name, value)| vec![name.to_owned(), value]);
    let mut text = table(&["package", ""], facts.collect(), usize::MAX);
    let action = &control.action;
    let dimensions = action.names.iter().zip(&action.units).enumerate().map(|(at, (name, unit))| {
        let is_gripper = action.gripper.as_ref().filter(|gripper| gripper.dimension == *name);
        let note = is_gripper.map_or(String::new(), |gripper| {
            format!("open at {}, closed at {}", short(gripper.open), short(gripper.closed))
        });
        let numbers = [action.normalizer.offset[at], action.normalizer.scale[at]].map(short);
        vec![name.clone(), unit.clone(), numbers[0].clone(), numbers[1].clone(), note]
    });
    text.push('\n');
    text.push_str(&table(&["action", "unit", "offset", "scale", ""], dimensions.collect(), usize::MAX));
    let keys = keys(package).into_iter().map(|(name, what)| vec![name, what.as_str().unwrap_or_default().to_owned()]);
    text.push('\n');
    text.push_str(&table(&["a request to the server", ""], keys.collect(), usize::MAX));
    text
}
