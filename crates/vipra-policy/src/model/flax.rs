//! Names and layout of the published model (flax; reference 6.1).

use vipra_nn::weights::{Weights, transpose};

use crate::{Error, Result};

/// Tables and norms: our name, theirs.
const PLAIN: [(&str, &str); 4] = [
    ("text_embedding", "transformer/wte/embedding"),
    ("vision_embedding", "transformer/vte/embedding"),
    ("latent_action_embedding", "transformer/late/embedding"),
    ("norm.weight", "transformer/ln_f/kernel"),
];

/// Heads: our name, theirs.
const HEADS: [(&str, &str); 3] = [
    ("text_head.weight", "lm_head/kernel"),
    ("vision_head.weight", "vision_head/kernel"),
    ("latent_action_head.weight", "latent_actions_head/kernel"),
];

const LAYERS: &str = "transformer/h/scan_decoder/";

/// Matrices of a layer: our name, and theirs, which are columns of ours side by side.
const MATRICES: [(&str, &[&str]); 4] = [
    ("query_key_value.weight", &["attention/wq/kernel", "attention/wk/kernel", "attention/wv/kernel"]),
    ("attention_out.weight", &["attention/wo/kernel"]),
    ("expand.weight", &["feed_forward/w1/kernel", "feed_forward/w3/kernel"]),
    ("contract.weight", &["feed_forward/w2/kernel"]),
];

const NORMS: [(&str, &str); 2] =
    [("attention_norm.weight", "attention_norm/kernel"), ("feed_forward_norm.weight", "ffn_norm/kernel")];

/// Renames the published model's weights, whose paths are joined by `/` and whose layers are stacked along the first axis, to
/// ours. Tensors that this model does not have (encoders and heads of actions) are left out.
///
/// # Errors
/// [`Error::Invalid`] if a tensor is missing or of another rank.
pub fn from_flax(theirs: &Weights) -> Result<Weights> {
    let get = |name: &str| {
        theirs.floats(name).ok_or_else(|| Error::Invalid(format!("the published weights have no tensor {name}")))
    };
    let mut ours = Weights::new("weights of the published model");
    for (name, theirs) in PLAIN {
        let (shape, values) = get(theirs)?;
        ours.insert(name, shape.to_vec(), values.to_vec());
    }
    for (name, theirs) in HEADS {
        let (shape, values) = get(theirs)?;
        let [input, output] = sizes(theirs, shape)?;
        ours.insert(name, vec![output, input], transpose(values, input, output));
    }
    for (name, parts) in MATRICES {
        let parts = parts.iter().map(|part| get(&format!("{LAYERS}{part}"))).collect::<Result<Vec<_>>>()?;
        let [layers, input, _] = sizes(name, parts[0].0)?;
        if let Some((shape, _)) = parts.iter().find(|(shape, _)| shape.get(..2) != Some(&[layers, input][..])) {
            let reason = format!("parts of {name} differ: {shape:?} beside {:?}", parts[0].0);
            return Err(Error::Invalid(reason));
        }
        for layer in 0..layers {
            // Ours are stored as `[output, input]`: columns side by side are rows one after the other.
            let (mut values, mut rows) = (Vec::new(), 0);
            for (shape, part) in &parts {
                let [_, _, output] = sizes(name, shape)?;
                values.extend(transpose(&part[layer * input * output..][..input * output], input, output));
                rows += output;
            }
            ours.insert(format!("layers.{layer}.{name}"), vec![rows, input], values);
        }
    }
    for (name, theirs) in NORMS {
        let (shape, values) = get(&format!("{LAYERS}{theirs}"))?;
        let [layers, dim] = sizes(theirs, shape)?;
        for layer in 0..layers {
            ours.insert(format!("layers.{layer}.{name}"), vec![dim], values[layer * dim..][..dim].to_vec());
        }
    }
    Ok(ours)
}

/// Linear layers that a policy has beside the transformer: our name, theirs. A policy has some of them.
const POLICY_LINEARS: [(&str, &str); 7] = [
    ("flow.encoder.linear_1", "transformer/action_encoder/linear_1"),
    ("flow.encoder.linear_2", "transformer/action_encoder/linear_2"),
    ("flow.encoder.linear_3", "transformer/action_encoder/linear_3"),
    ("flow.velocity_head", "action_head"),
    ("proprio_encoder.linear_1", "transformer/proprio_encoder/linear_1"),
    ("proprio_encoder.linear_2", "transformer/proprio_encoder/linear_2"),
    ("proprio_encoder.linear_3", "transformer/proprio_encoder/linear_3"),
];

/// As [`from_flax`] for the published policies: continuous, with proprioception, or binned.
///
/// # Errors
/// Those of [`from_flax`].
pub fn policy_from_flax(theirs: &Weights) -> Result<Weights> {
    let mut ours = Weights::new("weights of the published policy");
    let transformer = from_flax(theirs)?;
    for name in transformer.names() {
        if let Some((shape, values)) = transformer.floats(name) {
            ours.insert(format!("transformer.{name}"), shape.to_vec(), values.to_vec());
        }
    }
    let is_quantised = theirs.floats(BIN_EMBEDDING).is_some();
    for (name, their_name) in POLICY_LINEARS {
        let name = if is_quantised { name.replace("flow.velocity_head", "bins.head") } else { name.to_owned() };
        if let Some((shape, values)) = theirs.floats(&format!("{their_name}/kernel")) {
            let [input, output] = sizes(&name, shape)?;
            ours.insert(format!("{name}.weight"), vec![output, input], transpose(values, input, output));
        }
        if let Some((shape, values)) = theirs.floats(&format!("{their_name}/bias")) {
            ours.insert(format!("{name}.bias"), shape.to_vec(), values.to_vec());
        }
    }
    if let Some((shape, values)) = theirs.floats(BIN_EMBEDDING) {
        ours.insert("bins.embedding", shape.to_vec(), values.to_vec());
    }
    Ok(ours)
}

const BIN_EMBEDDING: &str = "transformer/ate/embedding";

fn sizes<const N: usize>(name: &str, shape: &[usize]) -> Result<[usize; N]> {
    shape.try_into().map_err(|_| Error::Invalid(format!("{name} has the shape {shape:?}, wanted are {N} axes")))
}
