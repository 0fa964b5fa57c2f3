//! The device that the tests were told to compute on (`VIPRA_DEVICE`).

use burn::tensor::Tensor;
use vipra_nn::device::{available, named};

use crate::golden::device;

/// Twice, since an adapter starts once.
#[test]
fn the_device_computes() {
    for _ in 0..2 {
        assert_eq!(Tensor::<1>::ones([3], &device()).sum().into_scalar::<f32>(), 3.0);
    }
}

/// An error where the framework would panic at the first tensor.
#[test]
fn a_gpu_that_is_not_there_is_an_error() {
    for api in ["wgpu", "vulkan", "metal"] {
        let fault = named(&format!("{api}:99")).unwrap_err().to_string();
        let expected = if available().contains(&api) { "No adapter" } else { "needs the feature" };
        assert!(fault.contains(expected), "{fault}");
    }
}
