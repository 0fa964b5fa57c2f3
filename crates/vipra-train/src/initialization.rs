//! Initialisation of the parameters of a new model.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};
use rand::Rng;

use crate::random;

/// Draws, in the model's order, the parameters that the framework would initialise at their first use. That may be in the
/// first step, in a checkpoint before it, or never, and the random numbers would depend on it.
pub(crate) fn draw_parameters<M: Module>(model: &M, device: &Device, seed: u64) {
    struct Draw;
    impl ModuleVisitor for Draw {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            param.val();
        }
    }
    device.seed(random::for_initialization(seed).next_u64());
    model.visit(&mut Draw);
}
