//! A moving average of the weights.

use std::collections::HashMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::Tensor;

/// Exponential moving average of a module's parameters over the steps.
#[derive(Debug, Clone)]
pub(crate) struct MovingAverage<M> {
    decay: f64,
    average: M,
}

impl<M: Module> MovingAverage<M> {
    /// Starts from the module's parameters. `decay` is the weight of the old average in a step.
    pub(crate) fn new(decay: f64, module: &M) -> Self {
        Self { decay, average: module.valid() }
    }

    /// Updates the average with the module's parameters.
    pub(crate) fn update(&mut self, module: &M) {
        let mut values = Values::default();
        module.valid().visit(&mut values);
        let mut blend = Blend { decay: self.decay, values };
        self.average = self.average.clone().map(&mut blend);
    }

    /// The module with averaged parameters, in evaluation mode.
    pub(crate) fn average(&self) -> &M {
        &self.average
    }
}

/// Parameters of any rank, flattened.
#[derive(Default)]
struct Values {
    by_id: HashMap<ParamId, Tensor<1>>,
}

impl ModuleVisitor for Values {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.by_id.insert(param.id, param.val().reshape([-1]));
    }
}

struct Blend {
    decay: f64,
    values: Values,
}

impl ModuleMapper for Blend {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(new) = self.values.by_id.remove(&param.id) else { return param };
        let decay = self.decay;
        param.map(|old| {
            let new = new.reshape(old.dims());
            old * decay + new * (1.0 - decay)
        })
    }
}
