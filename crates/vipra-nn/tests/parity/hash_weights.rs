//! Weights that need no file: numbers from a hash of each parameter's name (reference 10).

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;
use vipra_nn::weights::{NamePath, Names, Weights};

/// Weights for every parameter of a module, under the module's foreign names. `hash_prefix` of the names is not hashed;
/// `gain` gives the factor of a convolution by its hashed name.
pub(crate) fn hash_weights<M: Module>(module: &M, names: &Names, hash_prefix: &str, gain: fn(&str) -> f64) -> Weights {
    let mut visitor = Fill { path: NamePath::new(names), hash_prefix, gain, weights: Weights::new("hashed names") };
    module.visit(&mut visitor);
    visitor.weights
}

/// The first values of a convolution's weights, to compare with the golden's.
pub(crate) fn convolution(name: &str, shape: &[usize], gain: f64) -> Vec<f32> {
    let count = shape.iter().product();
    let fan_in: usize = shape[1..].iter().product();
    let bound = gain * (6.0 / fan_in as f64).sqrt();
    uniform(name, count).map(|u| ((2.0 * u - 1.0) * bound) as f32).collect()
}

struct Fill<'a> {
    path: NamePath<'a>,
    hash_prefix: &'a str,
    gain: fn(&str) -> f64,
    weights: Weights,
}

impl ModuleVisitor for Fill<'_> {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let shape = param.lazy_shape().to_vec();
        let name = self.path.name();
        let hashed = name.strip_prefix(self.hash_prefix).unwrap().to_owned();
        let count = shape.iter().product();
        let map = |of: fn(f64) -> f64| uniform(&hashed, count).map(|u| of(u) as f32).collect::<Vec<f32>>();
        let values = match hashed.rsplit('.').next().unwrap() {
            "weight" if D == 4 => convolution(&hashed, &shape, (self.gain)(&hashed)),
            "weight" => map(|u| 1.0 + 0.2 * (u - 0.5)),
            "bias" => map(|u| (2.0 * u - 1.0) * 0.1),
            "running_mean" => map(|u| 0.2 * (u - 0.5)),
            "running_var" => map(|u| 0.75 + 0.5 * u),
            other => panic!("no rule for a parameter called {other}"),
        };
        self.weights.insert(name, shape, values);
    }
}

/// Numbers in [0, 1): SplitMix64 from the FNV-1a hash of the name.
fn uniform(name: &str, count: usize) -> impl Iterator<Item = f64> {
    let base = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    (1..=count as u64).map(move |index| {
        let mut z = base.wrapping_add(index.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        (z >> 40) as f64 / f64::from(1 << 24)
    })
}
