//! Norm, clipping and accumulation of the gradients of all parameters.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{DType, Tensor};

/// Euclidean norm of the gradients of all parameters together.
pub fn global_norm<M: Module>(module: &M, gradients: &GradientsParams) -> f64 {
    struct Squares<'a> {
        gradients: &'a GradientsParams,
        sums: Vec<Tensor<1>>,
    }
    impl ModuleVisitor for Squares<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(gradient) = self.gradients.get::<D>(param.id) {
                // Row by row, for a fixed order: the framework sums large tensors in the order in which its threads finish.
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
    // Summed in f64: these are thousands of squares of very different sizes.
    let sums = Tensor::cat(squares.sums, 0).into_data();
    sums.iter::<f64>().sum::<f64>().sqrt()
}

/// Scales gradients of this [`global_norm`] down to the limit if they exceed it. A limit of 0 or less is none.
pub fn clip_by_norm<M: Module>(module: &M, gradients: GradientsParams, norm: f64, limit: f64) -> GradientsParams {
    if limit > 0.0 && norm > limit { scale(module, gradients, limit / norm) } else { gradients }
}

/// All gradients times a factor.
fn scale<M: Module>(module: &M, gradients: GradientsParams, factor: f64) -> GradientsParams {
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
pub(crate) fn accumulate<M: Module>(module: &M, sum: Option<GradientsParams>, new: GradientsParams) -> GradientsParams {
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

#[cfg(test)]
mod tests {
    use burn::nn::LinearConfig;
    use burn::optim::GradientsParams;
    use burn::tensor::{Device, Tensor};

    use super::{clip_by_norm, global_norm};

    #[test]
    fn only_gradients_beyond_the_limit_are_shortened() {
        let device = Device::flex();
        let layer = LinearConfig::new(2, 1).with_bias(false).init(&device);
        let clipped = |limit: f64| -> Vec<f32> {
            let mut gradients = GradientsParams::new();
            gradients.register(layer.weight.id, Tensor::<2>::from_data([[3.0], [4.0]], &device));
            let norm = global_norm(&layer, &gradients);
            let gradients = clip_by_norm(&layer, gradients, norm, limit);
            gradients.get::<2>(layer.weight.id).unwrap().into_data().iter::<f32>().collect()
        };
        assert_eq!(clipped(2.5), [1.5, 2.0]);
        assert_eq!(clipped(5.0), [3.0, 4.0]);
        assert_eq!(clipped(0.0), [3.0, 4.0], "there is no limit");
    }
}
