//! AdamW (arXiv 1711.05101) as in PyTorch, and Muon for the matrices of layers if it is configured.
//!
//! The framework's optimisers keep their state by parameter ids, which are new in each process, and silently start a parameter
//! over if its id is not found. This one keeps it by parameter names, in the file format of the weights.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Tensor, TensorData};
use vipra_nn::parameter::map_detached;
use vipra_nn::weights::{NamePath, Names, Weights};

use crate::config::OptimizerConfig;
use crate::{Error, Result, muon};

/// AdamW, and Muon for the matrices that use it, with moments by parameter name.
#[derive(Debug, Clone)]
pub struct Optimizer {
    config: OptimizerConfig,
    /// Steps done, for the bias correction of the moments.
    steps: u64,
    moments: BTreeMap<String, Moments>,
}

/// Running averages of a gradient and, except with Muon, of its square; flattened.
#[derive(Debug, Clone)]
struct Moments {
    first: Tensor<1>,
    second: Option<Tensor<1>>,
}

impl Optimizer {
    /// An optimiser without moments yet.
    pub fn new(config: OptimizerConfig) -> Self {
        Self { config, steps: 0, moments: BTreeMap::new() }
    }

    /// The module after one step. Parameters without a gradient stay as they are.
    ///
    /// `rate` is the learning rate of the step; `rate_factor` gives the factor on it for the parameter of a name.
    pub fn step<M: Module>(
        &mut self,
        module: M,
        gradients: GradientsParams,
        rate: f64,
        rate_factor: &dyn Fn(&str) -> f64,
    ) -> M {
        self.steps += 1;
        let names = Names::default();
        let mut mapper = Update { optimizer: self, gradients, rate, rate_factor, path: NamePath::new(&names) };
        module.map(&mut mapper)
    }

    /// The moments as tensors for a file.
    pub fn to_weights(&self) -> Weights {
        let mut weights = Weights::new("the optimiser");
        for (name, moments) in &self.moments {
            let first = std::iter::once(("first", &moments.first));
            for (kind, moment) in first.chain(moments.second.iter().map(|second| ("second", second))) {
                let values: Vec<f32> = moment.to_data().iter::<f32>().collect();
                weights.insert(format!("{name}.{kind}"), vec![values.len()], values);
            }
        }
        weights
    }

    /// An optimiser with the stored moments of the module's parameters, after `steps` steps.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the moments of a parameter do not have its size.
    pub fn from_weights<M: Module>(config: OptimizerConfig, steps: u64, weights: &Weights, module: &M) -> Result<Self> {
        struct Collect<'a> {
            config: &'a OptimizerConfig,
            weights: &'a Weights,
            path: NamePath<'a>,
            moments: BTreeMap<String, Moments>,
            misfits: Vec<String>,
        }
        impl burn::module::ModuleVisitor for Collect<'_> {
            fn enter_module(&mut self, name: &str, container_type: &str) {
                self.path.enter(name, container_type);
            }
            fn exit_module(&mut self, _name: &str, _container_type: &str) {
                self.path.exit();
            }
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                let name = self.path.name();
                let device = param.lazy_device().without_autodiff();
                let moment = |kind: &str| {
                    let (shape, values) = self.weights.floats(&format!("{name}.{kind}"))?;
                    let fits = values.len() == param.lazy_shape().num_elements() && shape.len() == 1;
                    Some(fits.then(|| Tensor::from_data(TensorData::new(values.to_vec(), [values.len()]), &device)))
                };
                match (moment("first"), moment("second")) {
                    // A parameter that never had a gradient has no moments.
                    (None, None) => {}
                    (Some(Some(first)), Some(Some(second))) => {
                        self.moments.insert(name, Moments { first, second: Some(second) });
                    }
                    (Some(Some(first)), None) if self.config.takes_muon(&name, D) => {
                        self.moments.insert(name, Moments { first, second: None });
                    }
                    _ => self.misfits.push(name),
                }
            }
        }
        let names = Names::default();
        let mut collect = Collect {
            config: &config,
            weights,
            path: NamePath::new(&names),
            moments: BTreeMap::new(),
            misfits: Vec::new(),
        };
        module.visit(&mut collect);
        let Collect { moments, misfits, .. } = collect;
        if !misfits.is_empty() {
            return Err(Error::Invalid(format!("moments of another size: {}", misfits.join(", "))));
        }
        Ok(Self { config, steps, moments })
    }
}

struct Update<'a> {
    optimizer: &'a mut Optimizer,
    gradients: GradientsParams,
    rate: f64,
    rate_factor: &'a dyn Fn(&str) -> f64,
    path: NamePath<'a>,
}

impl ModuleMapper for Update<'_> {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(gradient) = self.gradients.remove::<D>(param.id) else { return param };
        let name = self.path.name();
        let rate = self.rate * (self.rate_factor)(&name);
        let Optimizer { config, steps, moments } = &mut *self.optimizer;
        let old = moments.remove(&name);
        let (change, new) = match config.takes_muon(&name, D) {
            true => muon_step(config, gradient, old),
            false => adam_step(config, *steps, gradient.reshape([-1]), old),
        };
        let change = change * rate;
        moments.insert(name, new);
        let decay = if D >= config.decay_min_axes { 1.0 - rate * config.weight_decay } else { 1.0 };
        map_detached(param, |value| {
            let shape = value.dims();
            let kept = if decay == 1.0 { value } else { value * decay };
            kept - change.reshape(shape)
        })
    }
}

/// The update at a learning rate of 1, and the new moments.
fn adam_step(config: &OptimizerConfig, steps: u64, gradient: Tensor<1>, old: Option<Moments>) -> (Tensor<1>, Moments) {
    let zeros = || gradient.zeros_like();
    let (first, second) = match old {
        Some(Moments { first, second }) => (first, second.unwrap_or_else(zeros)),
        None => (zeros(), zeros()),
    };
    let first = first * config.beta_1 + gradient.clone() * (1.0 - config.beta_1);
    let second = second * config.beta_2 + gradient.square() * (1.0 - config.beta_2);
    let correction = |beta: f64| 1.0 - beta.powf(steps as f64);
    let spread = (second.clone() / correction(config.beta_2)).sqrt() + config.epsilon;
    let change = first.clone() / spread / correction(config.beta_1);
    (change, Moments { first, second: Some(second) })
}

/// As [`adam_step`], for a matrix.
fn muon_step<const D: usize>(
    config: &OptimizerConfig,
    gradient: Tensor<D>,
    old: Option<Moments>,
) -> (Tensor<1>, Moments) {
    let shape = gradient.dims();
    let (rows, columns) = (shape[0], shape[D - 1]);
    let gradient: Tensor<2> = gradient.reshape([rows, columns]);
    let average = match old {
        Some(old) => old.first.reshape([rows, columns]) * config.beta_1 + gradient.clone() * (1.0 - config.beta_1),
        None => gradient.clone() * (1.0 - config.beta_1),
    };
    let change = muon::direction(gradient, average.clone(), config.beta_1);
    (change.reshape([-1]), Moments { first: average.reshape([-1]), second: None })
}
