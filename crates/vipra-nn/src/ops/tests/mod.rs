//! Each kernel against the chain of tensor operations that stands for it on other devices: values and all gradients.

mod activation;
mod attention;
mod cached;
mod conv2d;
mod cross_entropy;
mod group_norm;
mod linear;
mod neighbourhood;
mod norm;
mod threads;

use std::cell::Cell;
use std::sync::{Mutex, MutexGuard, PoisonError};

use burn::tensor::{Device, Tensor};

/// Largest difference allowed, as a share of the largest number (at least 1).
const TOLERANCE: f32 = 2e-5;

fn device() -> Device {
    Device::flex().autodiff()
}

thread_local! {
    /// State of this test's numbers. The framework's generator is shared by all tests of the process, which run at once.
    static STATE: Cell<u64> = const { Cell::new(1) };
}

/// Held by tests that do draw from the framework's generator, so that others draw nothing in between.
pub(crate) fn framework_generator() -> MutexGuard<'static, ()> {
    static GENERATOR: Mutex<()> = Mutex::new(());
    // Another test's failure leaves nothing behind that matters here.
    GENERATOR.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Numbers around zero, about normally distributed, that a gradient is wanted for; the same in each run of a test.
fn random<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    let uniform = || {
        // Knuth's linear congruential generator; its highest bits are the good ones.
        STATE.set(STATE.get().wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407));
        (STATE.get() >> 40) as f32 / (1 << 24) as f32 - 0.5
    };
    // Four uniform numbers have a variance of a third.
    let normal = || (0..4).map(|_| uniform()).sum::<f32>() * 3.0_f32.sqrt();
    let numbers: Vec<f32> = (0..shape.iter().product()).map(|_| normal()).collect();
    Tensor::<1>::from_data(numbers.as_slice(), &device()).reshape(shape).detach().require_grad()
}

/// A tensor of any rank, to compare.
type Numbers = Vec<f32>;

fn numbers<const D: usize>(x: &Tensor<D>) -> Numbers {
    x.clone().into_data().iter::<f32>().collect()
}

/// Gradients of `Σ out·cotangent` by the inputs, where the cotangent is a fixed function of the place.
struct Gradients(burn::tensor::Gradients);

impl Gradients {
    fn of<const D: usize>(out: &Tensor<D>) -> Self {
        let count: usize = out.dims().iter().product();
        let cotangent: Vec<f32> = (0..count).map(|index| (index as f32 * 0.7).sin()).collect();
        let cotangent = Tensor::<1>::from_data(cotangent.as_slice(), &device()).reshape(out.dims());
        Self((out.clone() * cotangent).sum().backward())
    }

    fn by<const D: usize>(&self, input: &Tensor<D>) -> Numbers {
        numbers(&input.grad(&self.0).expect("the input has a gradient"))
    }
}

fn assert_close(what: &str, found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(1.0_f32, |largest, x| largest.max(x.abs()));
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        let difference = (found - expected).abs();
        assert!(difference <= TOLERANCE * largest, "{what}: number {index} is {found} in place of {expected}");
    }
}

/// Compares two forms of an operation of one input and some parameters in values, shape and gradients.
macro_rules! compare {
    ($what:expr, [$($input:ident),+], $fused:expr, $chain:expr) => {{
        let (fused, chain) = ($fused, $chain);
        assert_eq!(fused.dims(), chain.dims(), "{}", $what);
        $crate::ops::tests::assert_close(
            &format!("{}: value", $what),
            &$crate::ops::tests::numbers(&fused),
            &$crate::ops::tests::numbers(&chain),
        );
        let by_kernel = $crate::ops::tests::Gradients::of(&fused);
        let by_chain = $crate::ops::tests::Gradients::of(&chain);
        $(
            let name = format!("{}: gradient of {}", $what, stringify!($input));
            $crate::ops::tests::assert_close(&name, &by_kernel.by(&$input), &by_chain.by(&$input));
        )+
    }};
}
use compare;
