//! What in a package does not go together.

use serde_json::Value;
use vipra_data::stats::Stats;
use vipra_tokenizer::TextTokenizer;
use vipra_train::checkpoint::{differing_fields, first_of};

use super::{MODEL_FILE, POLICY_FILE, STATISTICS_FILE, TEXT_TOKENIZER_FILE};
use crate::policy::specification::{Specification, crops_fault};

/// Letters of a value that are shown.
const SHOWN_LETTERS: usize = 80;

/// Everything in which the parts of a package contradict its specification, as far as they could be read.
pub(super) fn mismatches(
    specification: &Specification,
    statistics: Option<&Stats>,
    text: Option<&TextTokenizer>,
    frame_tokenizer: Option<&str>,
) -> Vec<String> {
    let mut faults = of_widths(specification);
    faults.extend(statistics.into_iter().flat_map(|statistics| of_statistics(specification, statistics)));
    if let Some(text) = text.filter(|text| text.vocab_size() > specification.vocabularies.text) {
        let (text, model) = (text.vocab_size(), specification.vocabularies.text);
        faults.push(format!("{TEXT_TOKENIZER_FILE} has {text} tokens, the model {model}"));
    }
    let wanted = &specification.frames.fingerprint;
    if let Some(found) = frame_tokenizer.filter(|found| *found != wanted.as_str()) {
        faults.push(format!("the frame tokenizer is {found}, the policy was trained with {wanted}"));
    }
    let crops = crops_fault(specification.control.crops, specification.crop_area);
    faults.extend(crops.map(|fault| format!("crops: {fault}")));
    faults
}

/// Lists of other lengths than the names of dimensions.
fn of_widths(specification: &Specification) -> Vec<String> {
    let control = &specification.control;
    let (action, normalizer) = (&control.action, &control.action.normalizer);
    let mut widths = vec![
        ("an action's normalisation", action.width(), normalizer.offset.len().min(normalizer.scale.len())),
        ("an action's units", action.width(), action.units.len()),
        ("an action of the model", action.width(), specification.sizes.action),
    ];
    if let Some(proprio) = &control.proprio {
        let normalizer = &proprio.normalizer;
        let numbers = normalizer.offset.len().min(normalizer.scale.len());
        widths.push(("a state's normalisation", proprio.names.len(), numbers));
    }
    let differing = widths.into_iter().filter(|(_, names, numbers)| names != numbers);
    differing.map(|(what, names, numbers)| format!("{what} has {numbers} numbers for {names} names")).collect()
}

/// Statistics of actions and states that are missing, or of another width.
fn of_statistics(specification: &Specification, statistics: &Stats) -> Vec<String> {
    let (control, features) = (&specification.control, &specification.features);
    let states = control.proprio.as_ref().map(|proprio| ("state", &features.state, proprio.names.len()));
    let wanted = [Some(("action", &features.action, control.action.width())), states];
    let missing = wanted
        .into_iter()
        .flatten()
        .filter(|(_, feature, width)| statistics.get(feature.as_str()).is_none_or(|stats| stats.mean.len() != *width));
    let fault = |(what, feature, width): (&str, &String, usize)| {
        format!("{STATISTICS_FILE} has no statistics of {width} dimensions of the {what} (`{feature}`)")
    };
    missing.map(fault).collect()
}

/// In what `policy.json` contradicts the header of the weights, if in anything.
pub(super) fn differing_specifications(policy: &Specification, written: &Specification) -> Option<String> {
    if policy == written {
        return None;
    }
    let [policy, written] = [policy, written].map(|one| serde_json::to_value(one).unwrap_or_default());
    let differing = differing_fields(&written, &policy).into_iter().map(|(field, written, policy)| {
        format!("{field}: {} in {POLICY_FILE}, {} in {MODEL_FILE}", shown(policy), shown(written))
    });
    let differing = first_of(&differing.collect::<Vec<_>>());
    Some(format!("{POLICY_FILE} says something else of the policy than {MODEL_FILE}: {differing}"))
}

/// A value, cut where it is long.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN_LETTERS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
