//! Takes weights out of a module.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;

use super::load::transpose;
use super::names::{NamePath, Names};
use super::store::Weights;
use crate::{Error, Result};

/// Every parameter of the module under its name in a file, in the file's layout: what [`load`](super::load) puts back.
///
/// # Errors
/// [`Error::Duplicate`] where the rules give two parameters one name, [`Error::Readback`] where the device does not give
/// the values out.
pub fn save<M: Module>(module: &M, names: &Names) -> Result<Weights> {
    let mut saver = Saver { path: NamePath::new(names), weights: Weights::new("memory"), fault: None };
    module.visit(&mut saver);
    match saver.fault {
        Some(fault) => Err(fault),
        None => Ok(saver.weights),
    }
}

struct Saver<'a> {
    path: NamePath<'a>,
    weights: Weights,
    fault: Option<Error>,
}

impl Saver<'_> {
    fn take<const D: usize>(&mut self, tensor: Tensor<D>) -> Result<()> {
        let name = self.path.name();
        if self.weights.tensors.contains_key(&name) {
            return Err(Error::Duplicate { name });
        }
        let mut shape = tensor.dims().to_vec();
        let values = match tensor.try_into_vec_as::<f32>() {
            Ok(values) => values,
            Err(error) => return Err(Error::Readback { name, reason: error.to_string() }),
        };
        let values = if self.path.is_transposed(D) {
            shape.reverse();
            transpose(&values, shape[1], shape[0])
        } else {
            values
        };
        self.weights.insert(name, shape, values);
        Ok(())
    }
}

impl ModuleVisitor for Saver<'_> {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if self.fault.is_none() {
            self.fault = self.take(param.val()).err();
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::module::Module;
    use burn::nn::conv::{Conv2d, Conv2dConfig};
    use burn::nn::{Embedding, EmbeddingConfig, LayerNorm, LayerNormConfig, Linear, LinearConfig};
    use burn::tensor::{Device, Tensor, TensorData};

    use super::save;
    use crate::Error;
    use crate::ops::tests::framework_generator;
    use crate::weights::store::Values;
    use crate::weights::{Names, Rename, Weights, load};

    #[derive(Module, Debug)]
    struct Everything {
        layers: Vec<Linear>,
        convolution: Conv2d,
        table: Embedding,
        norm: Option<LayerNorm>,
    }

    impl Everything {
        fn new(device: &Device) -> Self {
            Self {
                layers: vec![
                    LinearConfig::new(3, 5).init(device),
                    LinearConfig::new(5, 2).with_bias(false).init(device),
                ],
                convolution: Conv2dConfig::new([2, 4], [3, 1]).init(device),
                table: EmbeddingConfig::new(7, 3).init(device),
                norm: Some(LayerNormConfig::new(4).init(device)),
            }
        }
    }

    const NAMES: &[Rename] = &[Rename::list("Everything", "layers", "net", &["0", "3"])];

    fn bits(weights: &Weights) -> Vec<(String, Vec<usize>, Vec<u32>)> {
        let stored = weights.tensors.iter().map(|(name, stored)| match &stored.values {
            Values::Float(values) => {
                let bits = values.iter().map(|value| value.to_bits()).collect();
                (name.clone(), stored.shape.clone(), bits)
            }
            Values::Other(dtype) => panic!("{dtype}"),
        });
        stored.collect()
    }

    #[test]
    fn a_module_comes_back_bit_for_bit() {
        let _alone = framework_generator();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights.safetensors");
        for device in [Device::flex(), Device::flex().autodiff()] {
            let names = Names::default().prefix("model.").rename(NAMES);
            let saved = save(&Everything::new(&device), &names).unwrap();
            let expected = ["convolution.bias", "convolution.weight", "net.0.bias", "net.0.weight", "net.3.weight"];
            let expected = expected.iter().chain(&["norm.beta", "norm.gamma", "table.weight"]);
            assert!(saved.names().eq(expected.map(|name| format!("model.{name}"))));
            assert_eq!(saved.shape("model.net.0.weight"), Some(&[5, 3][..]), "as PyTorch stores it");
            saved.write_safetensors(&path).unwrap();
            let read = Weights::read_safetensors(&path).unwrap();
            let loaded = load(Everything::new(&device), &read, &names).unwrap();
            assert_eq!(bits(&save(&loaded, &names).unwrap()), bits(&saved));
        }
    }

    /// Not only its own inverse: numbers stand where the file's layout has them.
    #[test]
    fn a_matrix_is_turned() {
        let _alone = framework_generator();
        let device = Device::flex();
        let mut layer = LinearConfig::new(2, 3).with_bias(false).init(&device);
        let matrix = TensorData::new(vec![1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3]);
        layer.weight = layer.weight.map(|_| Tensor::from_data(matrix, &device));
        let saved = save(&layer, &Names::default()).unwrap();
        let values = [1.0_f32, 4.0, 2.0, 5.0, 3.0, 6.0].map(f32::to_bits).to_vec();
        assert_eq!(bits(&saved), [("weight".to_owned(), vec![3, 2], values)]);
    }

    #[test]
    fn one_name_for_two_parameters_is_an_error() {
        let _alone = framework_generator();
        const RULES: &[Rename] = &[Rename::list("Everything", "layers", "net", &["0", "0"])];
        let error = save(&Everything::new(&Device::flex()), &Names::default().rename(RULES)).unwrap_err();
        assert!(matches!(&error, Error::Duplicate { name } if name == "net.0.weight"), "{error}");
    }
}
