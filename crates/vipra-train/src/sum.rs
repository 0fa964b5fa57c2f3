//! Sums that do not depend on the number of threads.

use burn::tensor::Tensor;

/// Number of elements from which the framework's CPU backend computes a sum with several threads.
const SHARED_FROM: usize = 4 * 1024 * 1024;

/// The sum of all elements, bit for bit the same for any number of threads. The framework adds up the parts of a large
/// tensor in the order in which its threads finish, but sums along one axis always in the same order.
///
/// # Shapes
/// any → `[1]`
pub fn ordered_sum<const D: usize>(tensor: Tensor<D>) -> Tensor<1> {
    if tensor.dims().iter().product::<usize>() < SHARED_FROM {
        return tensor.sum();
    }
    (0..D).rev().fold(tensor, |sums, dim| sums.sum_dim(dim)).reshape([1])
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Distribution, Tensor};

    use super::{SHARED_FROM, ordered_sum};

    fn number(tensor: Tensor<1>) -> f32 {
        tensor.into_scalar::<f32>()
    }

    #[test]
    fn small_tensors_have_the_frameworks_sum() {
        let tensor = Tensor::<3>::random([7, 33, 65], Distribution::Normal(0.0, 1.0), &Device::flex());
        assert_eq!(number(ordered_sum(tensor.clone())).to_bits(), number(tensor.sum()).to_bits());
    }

    #[test]
    fn large_tensors_have_the_sum_of_their_rows() {
        let rows = SHARED_FROM / 1024 + 3;
        let tensor = Tensor::<2>::random([rows, 1024], Distribution::Uniform(0.0, 1.0), &Device::flex());
        let sum = number(ordered_sum(tensor.clone()));
        assert_eq!(sum.to_bits(), number(tensor.clone().sum_dim(1).sum_dim(0).reshape([1])).to_bits());
        let exact: f64 = tensor.into_data().iter::<f32>().map(f64::from).sum();
        assert!((f64::from(sum) / exact - 1.0).abs() < 1e-5, "{sum}, {exact}");
    }
}
