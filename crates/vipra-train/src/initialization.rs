//! Draws the parameters of a new model.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};
use rand::Rng;

use crate::random;

/// Draws, in the model's order, the parameters that the framework leaves for their first use: that may be the first step, a
/// checkpoint before it, or never, and each would draw others.
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
