//! Golden tensors of the reference: reading them, comparing with them, saying what was skipped.
//!
//! Names, shapes and configurations come from the folder (`VIPRA_GOLDENS`), so another set of the same form can take its
//! place; only tolerances stand in the tests.

#![allow(dead_code, reason = "each test crate that includes this file uses a part of it")]

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Bool, Device, Gradients, Tensor, TensorData};
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;
use vipra_nn::weights::{NamePath, Names, Weights};

/// Allowed difference from a golden value: `absolute + relative·|golden|`, as in `numpy.allclose`.
#[derive(Clone, Copy)]
pub(crate) struct Tolerance {
    pub(crate) relative: f32,
    pub(crate) absolute: f32,
}

pub(crate) fn absolute(absolute: f32) -> Tolerance {
    Tolerance { relative: 0.0, absolute }
}

/// What the tests compute on: `VIPRA_DEVICE`, or the CPU.
pub(crate) fn device() -> Device {
    let name = std::env::var("VIPRA_DEVICE").unwrap_or_else(|_| "flex".to_owned());
    vipra_nn::device::named(&name).unwrap_or_else(|error| panic!("{error}"))
}

/// One golden file and its entry in the manifest.
pub(crate) struct Golden {
    name: String,
    folder: PathBuf,
    bytes: Vec<u8>,
    pub(crate) config: Value,
}

impl Golden {
    /// The file `<name>.safetensors`, or nothing, said aloud, where there is no folder of goldens.
    pub(crate) fn open(name: &str) -> Option<Self> {
        let folder = folder();
        let manifest = folder.join("manifest.json");
        if !manifest.exists() {
            // Straight to standard error: the test runner swallows what passing tests print.
            let line = format!("SKIPPED: no golden tensors in {} (set VIPRA_GOLDENS): {name}\n", folder.display());
            std::io::stderr().write_all(line.as_bytes()).expect("standard error can be written");
            return None;
        }
        let manifest: Value = serde_json::from_slice(&read(&manifest)).expect("the manifest is JSON");
        let file = format!("{name}.safetensors");
        let config = manifest["files"][&file]["config"].clone();
        assert!(config.is_object(), "the manifest has no configuration of {file}");
        Some(Self { name: name.to_owned(), bytes: read(&folder.join(file)), folder, config })
    }

    /// The file `expected.safetensors` of a folder of this crate's fixtures, which is always there.
    pub(crate) fn fixture(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
        let bytes = read(&folder.join("expected.safetensors"));
        Self { name: name.to_owned(), bytes, folder, config: Value::Null }
    }

    pub(crate) fn weights(&self) -> Weights {
        let path = self.folder.join(format!("{}_weights.safetensors", self.name));
        Weights::read_safetensors(&path).expect("golden weights are readable")
    }

    /// A number of the configuration, by its path ("dino.depth").
    pub(crate) fn number(&self, path: &str) -> usize {
        let value = path.split('.').fold(&self.config, |value, key| &value[key]);
        value.as_u64().unwrap_or_else(|| panic!("the manifest's configuration of {} has no number {path}", self.name))
            as usize
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.file().tensor(name).is_ok()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.file().names().into_iter().map(str::to_owned).collect()
    }

    pub(crate) fn shape(&self, name: &str) -> Vec<usize> {
        self.view(name, |view| view.shape().to_vec())
    }

    pub(crate) fn floats(&self, name: &str) -> Vec<f32> {
        self.view(name, |view| {
            assert_eq!(view.dtype(), Dtype::F32, "{name}");
            view.data().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
        })
    }

    pub(crate) fn integers(&self, name: &str) -> Vec<i64> {
        self.view(name, |view| match view.dtype() {
            Dtype::I64 => view.data().as_chunks::<8>().0.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect(),
            Dtype::U8 => view.data().iter().map(|byte| i64::from(*byte)).collect(),
            other => panic!("{name} is {other:?}"),
        })
    }

    pub(crate) fn scalar(&self, name: &str) -> f32 {
        self.floats(name)[0]
    }

    pub(crate) fn tensor<const D: usize>(&self, name: &str, device: &Device) -> Tensor<D> {
        Tensor::from_data(TensorData::new(self.floats(name), self.shape(name)), device)
    }

    pub(crate) fn mask<const D: usize>(&self, name: &str, device: &Device) -> Tensor<D, Bool> {
        let values: Vec<bool> = self.integers(name).into_iter().map(|value| value != 0).collect();
        Tensor::from_data(TensorData::new(values, self.shape(name)), device)
    }

    /// Compares a result with a golden tensor: its shape exactly, its values within the tolerance.
    pub(crate) fn check<const D: usize>(&self, name: &str, actual: Tensor<D>, tolerance: Tolerance) {
        assert_eq!(actual.dims().to_vec(), self.shape(name), "shape of {name}");
        self.check_values(name, &values(actual), tolerance);
    }

    pub(crate) fn check_values(&self, name: &str, actual: &[f32], tolerance: Tolerance) {
        let expected = self.floats(name);
        assert_eq!(actual.len(), expected.len(), "number of values of {name}");
        let mut worst = (0.0_f32, 0);
        let mut worst_excess = (f32::NEG_INFINITY, 0);
        for (index, (actual, expected)) in actual.iter().zip(&expected).enumerate() {
            assert!(actual.is_finite(), "{name}[{index}] is {actual}");
            let error = (actual - expected).abs();
            let excess = error - tolerance.absolute - tolerance.relative * expected.abs();
            if error > worst.0 {
                worst = (error, index);
            }
            if excess > worst_excess.0 {
                worst_excess = (excess, index);
            }
        }
        let largest = expected.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
        println!("{}: {name}: largest error {:.2e} of values up to {largest:.3e}", self.name, worst.0);
        let (excess, index) = worst_excess;
        assert!(
            excess <= 0.0,
            "{name}[{index}]: {} instead of {} (allowed: {} + {}·|x|)",
            actual[index],
            expected[index],
            tolerance.absolute,
            tolerance.relative
        );
    }

    /// A tolerance whose absolute part is a share of the tensor's largest value, as the manifest states for gradients.
    pub(crate) fn relative_to_largest(&self, name: &str, relative: f32, share: f32) -> Tolerance {
        let largest = self.floats(name).iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
        Tolerance { relative, absolute: share * largest }
    }

    fn file(&self) -> SafeTensors<'_> {
        SafeTensors::deserialize(&self.bytes).expect("a golden file is safetensors")
    }

    fn view<T>(&self, name: &str, read: impl Fn(safetensors::tensor::TensorView<'_>) -> T) -> T {
        let file = self.file();
        let view = file.tensor(name).unwrap_or_else(|_| panic!("{} has no tensor {name}", self.name));
        read(view)
    }
}

pub(crate) fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.try_into_vec_as::<f32>().expect("float data")
}

/// Gradients of a module's parameters by the reference's names, in the reference's layout.
pub(crate) fn gradients<M: Module>(module: &M, gradients: &Gradients, names: &Names) -> BTreeMap<String, Vec<f32>> {
    let mut visitor = Collect { gradients, path: NamePath::new(names), found: BTreeMap::new() };
    module.visit(&mut visitor);
    visitor.found
}

struct Collect<'a> {
    gradients: &'a Gradients,
    path: NamePath<'a>,
    found: BTreeMap<String, Vec<f32>>,
}

impl ModuleVisitor for Collect<'_> {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = param.val().grad(self.gradients) {
            let gradient = if self.path.is_transposed(D) { gradient.swap_dims(0, 1) } else { gradient };
            self.found.insert(self.path.name(), values(gradient));
        }
    }
}

fn folder() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let from_environment = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let shared = workspace.join(from_environment("VIPRA_SHARED").unwrap_or_else(|| "../shared".into()));
    match from_environment("VIPRA_GOLDENS") {
        Some(goldens) => workspace.join(goldens),
        None => shared.join("goldens"),
    }
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("{error}: {}", path.display()))
}
