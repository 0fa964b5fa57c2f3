//! Kernel of self attention, for many short sequences.
//!
//! Reads queries, keys and values where the projections put them and writes its result where the next projection wants
//! it: no heads are moved. One task takes one head of a group of sequences; a head's logits never leave the cache. The
//! backward pass computes them again.

mod backward;
mod cached;
mod forward;
mod vectors;

use burn::backend::flex::FlexTensor;
use rayon::prelude::*;

use super::Kernel;
use super::memory::{row_major, sizes, slice, tensor};
use super::parallel::total;
use super::product::padded;
use super::shared::Shared;
use crate::ops::causal::Branches;
use crate::ops::rope::Pairs;
pub(in crate::ops) use cached::{AttentionToCache, SplitPart};
use vectors::{Role, Shape};

/// Groups that the sequences are put into. Each sums gradients that all sequences share on its own.
const GROUPS: usize = 8;

/// Angles of the tokens.
#[derive(Debug)]
pub(in crate::ops) struct Rotary {
    /// Which channels are rotated together.
    pub pairs: Pairs,
    /// `[rows or 1, tokens, head_dim/2]`
    pub cos: Vec<f32>,
    /// `[rows or 1, tokens, head_dim/2]`
    pub sin: Vec<f32>,
    /// From a row's angles to those of the next; 0 where all rows have the same.
    pub row_stride: usize,
}

/// What is done to queries and keys beside the projection.
#[derive(Debug)]
pub(in crate::ops) enum AttentionKind {
    /// Rotated if there are angles. Inputs: queries, keys and values beside each other, `[.., 3·inner]`.
    Dot(Option<Rotary>),
    /// Rotated if there are angles, then scaled to length 1, then stretched. Inputs: queries `[.., inner]`, keys beside
    /// values `[.., 2·inner]`, the factors of both `[head_dim]`.
    Cosine(Option<Rotary>),
}

/// Self attention of sequences along the second axis of `[batch, tokens, side, channels]`; those along the third axis
/// are independent of each other. The last input is the bias `[heads, tokens, tokens]`, if there is one.
#[derive(Debug)]
pub(in crate::ops) struct SelfAttention {
    pub kind: AttentionKind,
    pub heads: usize,
    /// Factor of the logits.
    pub scale: f32,
    pub bias: bool,
    /// Whether a key counts, `[batch, tokens]`.
    pub key_mask: Option<Vec<bool>>,
    pub causal: bool,
    /// First key that each query sees, `[batch, tokens]`.
    pub first_seen: Option<Vec<u32>>,
    /// Queries that do not see each other's keys.
    pub branches: Option<Branches>,
}

/// Inputs of the kernel, each in its role.
struct Inputs {
    query: FlexTensor,
    /// None where the queries' tensor holds everything.
    key_value: Option<FlexTensor>,
    scales: Option<[FlexTensor; 2]>,
    bias: Option<FlexTensor>,
}

/// What all tasks see.
struct Task<'a> {
    shape: Shape,
    query: Role<'a>,
    key: Role<'a>,
    value: Role<'a>,
    rotary: Option<&'a Rotary>,
    /// Of queries and of keys.
    scales: Option<[&'a [f32]; 2]>,
    scale: f32,
    bias: Option<&'a [f32]>,
    key_mask: Option<&'a [bool]>,
    causal: bool,
    first_seen: Option<&'a [u32]>,
    branches: Option<Branches>,
}

impl SelfAttention {
    fn inputs(&self, inputs: &[FlexTensor]) -> Inputs {
        let cosine = matches!(self.kind, AttentionKind::Cosine(_));
        Inputs {
            query: row_major(&inputs[0]),
            key_value: cosine.then(|| row_major(&inputs[1])),
            scales: cosine.then(|| [row_major(&inputs[2]), row_major(&inputs[3])]),
            bias: self.bias.then(|| row_major(&inputs[inputs.len() - 1])),
        }
    }

    fn task<'a>(&'a self, inputs: &'a Inputs) -> Task<'a> {
        let sizes = sizes(&inputs.query);
        let widths = match self.kind {
            AttentionKind::Dot(_) => 3,
            AttentionKind::Cosine(_) => 1,
        };
        let inner = sizes[3] / widths;
        let head_dim = inner / self.heads;
        let shape = Shape { tokens: sizes[1], side: sizes[2], batch: sizes[0], heads: self.heads, head_dim };
        let query = slice(&inputs.query);
        let role = |numbers, width, offset| Role { numbers, width, offset };
        let [query, key, value] = match &inputs.key_value {
            None => [0, 1, 2].map(|part| role(query, 3 * inner, part * inner)),
            Some(both) => {
                let both = slice(both);
                [role(query, inner, 0), role(both, 2 * inner, 0), role(both, 2 * inner, inner)]
            }
        };
        Task {
            shape,
            query,
            key,
            value,
            rotary: match &self.kind {
                AttentionKind::Cosine(rotary) | AttentionKind::Dot(rotary) => rotary.as_ref(),
            },
            scales: inputs.scales.as_ref().map(|scales| scales.each_ref().map(slice)),
            scale: self.scale,
            bias: inputs.bias.as_ref().map(slice),
            key_mask: self.key_mask.as_deref(),
            causal: self.causal,
            first_seen: self.first_seen.as_deref(),
            branches: self.branches,
        }
    }
}

/// Runs the work of each head of each group of sequences, and returns the results group by group, the heads inside.
fn for_each_head<T: Send>(shape: Shape, work: impl Fn(std::ops::Range<usize>, usize) -> T + Sync) -> Vec<T> {
    let sequences = shape.batch * shape.side;
    let size = sequences.div_ceil(GROUPS).max(1);
    (0..sequences.div_ceil(size) * shape.heads)
        .into_par_iter()
        .map(|task| {
            let first = task / shape.heads * size;
            work(first..sequences.min(first + size), task % shape.heads)
        })
        .collect()
}

impl Kernel for SelfAttention {
    fn forward(&self, inputs: &[FlexTensor]) -> FlexTensor {
        let inputs = self.inputs(inputs);
        let task = self.task(&inputs);
        let Shape { batch, tokens, side, heads, head_dim } = task.shape;
        let inner = heads * head_dim;
        let mut out = vec![0.0; batch * tokens * side * inner];
        let shared = Shared::new(&mut out);
        for_each_head(task.shape, |sequences, head| forward::run(&task, sequences, head, &shared));
        tensor(out, [batch, tokens, side, inner])
    }

    fn backward(&self, inputs: &[FlexTensor], gradient: &FlexTensor, _wanted: &[bool]) -> Vec<Option<FlexTensor>> {
        let inputs = self.inputs(inputs);
        let gradient = row_major(gradient);
        let task = self.task(&inputs);
        let Shape { batch, tokens, side, heads, head_dim } = task.shape;
        let rows = batch * tokens * side;
        let mut to_query = vec![0.0; rows * task.query.width];
        let mut to_key_value = vec![0.0; if inputs.key_value.is_some() { rows * task.key.width } else { 0 }];
        let (shared_query, shared_both) = (Shared::new(&mut to_query), Shared::new(&mut to_key_value));
        let places = backward::Places {
            query: &shared_query,
            key_value: if inputs.key_value.is_some() { &shared_both } else { &shared_query },
        };
        let gradient = Role { numbers: slice(&gradient), width: heads * head_dim, offset: 0 };
        let parts =
            for_each_head(task.shape, |sequences, head| backward::run(&task, sequences, head, &gradient, &places));

        let mut result = vec![Some(tensor(to_query, [batch, tokens, side, task.query.width]))];
        if inputs.key_value.is_some() {
            result.push(Some(tensor(to_key_value, [batch, tokens, side, task.key.width])));
        }
        let of = |pick: fn(&backward::Part) -> &Vec<f32>| parts.iter().map(|part| pick(part).clone()).collect();
        if task.scales.is_some() {
            for sums in [of(|part| &part.query_scales), of(|part| &part.key_scales)] {
                result.push(Some(tensor(total(sums, head_dim), [head_dim])));
            }
        }
        if task.bias.is_some() {
            let width = padded(tokens);
            let mut to_bias = vec![0.0; heads * tokens * tokens];
            to_bias.par_chunks_mut((tokens * tokens).max(1)).enumerate().for_each(|(head, to_bias)| {
                for part in parts.iter().skip(head).step_by(heads) {
                    for (sums, part) in to_bias.chunks_exact_mut(tokens).zip(part.bias.chunks_exact(width)) {
                        sums.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
                    }
                }
            });
            result.push(Some(tensor(to_bias, [heads, tokens, tokens])));
        }
        result
    }
}
