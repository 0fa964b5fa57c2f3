//! Models for tests in which every layer has its say.

use burn::module::{ModuleMapper, Param};
use burn::tensor::{Distribution, Tensor};

/// Adds noise to all weights: fresh layers add nothing, so that neither a cache nor a condition would make a difference.
pub(crate) struct Shake;

impl ModuleMapper for Shake {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|values| values.clone() + values.random_like(Distribution::Normal(0.0, 0.3)))
    }
}
