//! Puts weights into a module.

use std::collections::BTreeSet;

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Tensor, TensorData};

use super::names::{NamePath, Names};
use super::store::{Values, Weights};
use crate::error::ShapeMismatch;
use crate::{Error, Result};

/// The module with every parameter taken from the weights, on the module's device; ids and whether gradients are kept
/// stay as they were.
///
/// # Errors
/// [`Error::Mismatch`] with all missing, unexpected and misshapen names; [`Error::DType`] where a parameter's tensor is
/// not floating point.
pub fn load<M: Module>(module: M, weights: &Weights, names: &Names) -> Result<M> {
    let mut loader = Loader {
        weights,
        path: NamePath::new(names),
        used: BTreeSet::new(),
        missing: Vec::new(),
        misshapen: Vec::new(),
        untyped: None,
    };
    let module = module.map(&mut loader);
    let Loader { used, mut missing, mut misshapen, untyped, .. } = loader;
    let unexpected: Vec<String> =
        weights.names().filter(|name| names.expects(name) && !used.contains(*name)).map(str::to_owned).collect();
    if !(missing.is_empty() && misshapen.is_empty() && unexpected.is_empty()) {
        missing.sort();
        misshapen.sort_by(|left, right| left.name.cmp(&right.name));
        return Err(Error::Mismatch { missing, unexpected, misshapen, source_name: weights.source.clone() });
    }
    match untyped {
        Some((name, dtype)) => Err(Error::DType { name, dtype, path: weights.source.clone().into() }),
        None => Ok(module),
    }
}

struct Loader<'a> {
    weights: &'a Weights,
    path: NamePath<'a>,
    used: BTreeSet<String>,
    missing: Vec<String>,
    misshapen: Vec<ShapeMismatch>,
    untyped: Option<(String, String)>,
}

impl ModuleMapper for Loader<'_> {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = self.path.name();
        let Some(stored) = self.weights.tensors.get(&name) else {
            self.missing.push(name);
            return param;
        };
        self.used.insert(name.clone());
        // The shape without initialising the parameter: random numbers that are overwritten at once are not drawn.
        let shape = param.lazy_shape();
        let transposed = self.path.is_transposed(D);
        let mut expected = shape.to_vec();
        if transposed {
            expected.reverse();
        }
        if expected != stored.shape {
            self.misshapen.push(ShapeMismatch { name, expected, found: stored.shape.clone() });
            return param;
        }
        let values = match &stored.values {
            Values::Float(values) if transposed => transpose(values, stored.shape[0], stored.shape[1]),
            Values::Float(values) => values.clone(),
            Values::Other(dtype) => {
                self.untyped = Some((name, dtype.clone()));
                return param;
            }
        };
        let device = param.lazy_device();
        let tensor = Tensor::from_data(TensorData::new(values, shape), &device);
        let id = param.id;
        param.transform_for_load(tensor, id)
    }
}

/// A matrix of `rows` × `columns`, row by row, as one of `columns` × `rows`.
pub fn transpose(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    (0..columns).flat_map(|column| (0..rows).map(move |row| values[row * columns + column])).collect()
}
