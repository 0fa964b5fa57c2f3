//! Gradients of all parameters together.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{DType, Tensor};

/// Length of the gradient over all parameters as one vector.
pub fn global_norm<M: Module>(module: &M, gradients: &GradientsParams) -> f64 {
    struct Squares<'a> {
        gradients: &'a GradientsParams,
        sums: Vec<Tensor<1>>,
    }
    impl ModuleVisitor for Squares<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(gradient) = self.gradients.get::<D>(param.id) {
                // Row by row: the framework adds up large tensors in the order in which its threads finish.
                let rows = gradient.square().sum_dim(D - 1).cast(DType::F32);
                let count: usize = rows.dims().iter().product();
                self.sums.push(rows.reshape([count]));
            }
        }
    }
    let mut squares = Squares { gradients, sums: Vec::new() };
    module.visit(&mut squares);
    if squares.sums.is_empty() {
        return 0.0;
    }
    // Added up in f64: thousands of squares of very different sizes.
    let sums = Tensor::cat(squares.sums, 0).into_data();
    sums.iter::<f64>().sum::<f64>().sqrt()
}

/// All gradients times a factor.
pub fn scale<M: Module>(module: &M, gradients: GradientsParams, factor: f64) -> GradientsParams {
    struct Scale {
        gradients: GradientsParams,
        factor: f64,
    }
    impl ModuleVisitor for Scale {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(gradient) = self.gradients.remove::<D>(param.id) {
                self.gradients.register(param.id, gradient * self.factor);
            }
        }
    }
    let mut visitor = Scale { gradients, factor };
    module.visit(&mut visitor);
    visitor.gradients
}

/// The sum of two sets of gradients.
pub fn accumulate<M: Module>(module: &M, sum: Option<GradientsParams>, new: GradientsParams) -> GradientsParams {
    struct Add {
        sum: GradientsParams,
        new: GradientsParams,
    }
    impl ModuleVisitor for Add {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let Some(new) = self.new.remove::<D>(param.id) else { return };
            let sum = match self.sum.remove::<D>(param.id) {
                Some(old) => old + new,
                None => new,
            };
            self.sum.register(param.id, sum);
        }
    }
    let Some(sum) = sum else { return new };
    let mut visitor = Add { sum, new };
    module.visit(&mut visitor);
    visitor.sum
}
