//! Codebook initialisation and re-seeding from encoder outputs (k-means++).

use burn::tensor::Tensor;
use rand::Rng;
use vipra_nn::codebook::{CodeUsage, reseed};

use super::nsvq::Nsvq;

/// The quantiser with all its codes taken from `vectors`, spread out over them.
///
/// A codebook drawn from the standard normal distribution is far from a new encoder's outputs, which then all choose the one
/// code that happens to be nearest to zero.
///
/// # Shapes
/// `vectors`: `[vectors, dim]`, at least one.
pub fn seed(quantizer: Nsvq, vectors: Tensor<2>, random: &mut impl Rng) -> Nsvq {
    let codes = quantizer.codebooks.dims()[0];
    reseed_where(quantizer, &vec![true; codes], vectors, random)
}

/// The quantiser with its unused codes replaced by `vectors` that are far from the used ones, and the number of replaced
/// codes. Reset the [`CodeUsage`] afterwards.
///
/// # Shapes
/// `vectors`: `[vectors, dim]`, at least one.
pub fn reseed_unused(
    quantizer: Nsvq,
    usage: &CodeUsage,
    threshold: f32,
    vectors: Tensor<2>,
    random: &mut impl Rng,
) -> (Nsvq, usize) {
    let unused = usage.unused(threshold);
    let count = unused.iter().filter(|unused| **unused).count();
    (reseed_where(quantizer, &unused, vectors, random), count)
}

fn reseed_where(quantizer: Nsvq, replaced: &[bool], vectors: Tensor<2>, random: &mut impl Rng) -> Nsvq {
    quantizer.map_codebook(|codebook| reseed(codebook, replaced, vectors, random))
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Tensor};
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::{reseed_unused, seed};
    use crate::quantizer::{CodeUsage, NsvqConfig};

    /// Four tight, distant groups of vectors.
    fn groups(device: &Device) -> Tensor<2> {
        let rows: Vec<[f32; 2]> = (0..40)
            .map(|index| {
                let noise = (index / 4) as f32 * 1e-3;
                [[0.0, noise], [100.0, noise], [0.0, 100.0 + noise], [100.0, 100.0 + noise]][index % 4]
            })
            .collect();
        Tensor::<1>::from_data(rows.as_flattened(), device).reshape([40, 2])
    }

    #[test]
    fn every_group_gets_a_code() {
        let device = Device::flex().autodiff();
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let quantizer = NsvqConfig { codes: 4, dim: 2 }.init(&device).unwrap();
        let id = quantizer.codebooks.id;
        let quantizer = seed(quantizer, groups(&device), &mut random);
        assert_eq!(quantizer.codebooks.id, id);
        assert!(quantizer.codebooks.val().is_require_grad());
        let mut usage = CodeUsage::new(4);
        usage.add(&quantizer.nearest(groups(&device)).try_into_vec_as::<i64>().unwrap());
        assert_eq!(usage.counts(), [10; 4]);
    }

    #[test]
    fn used_codes_stay_and_unused_ones_go_where_they_are_missed() {
        let device = Device::flex();
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let mut quantizer = NsvqConfig { codes: 4, dim: 2 }.init(&device).unwrap();
        let before = Tensor::<2>::from_data([[0.0, 0.0], [-9.0, -9.0], [100.0, 0.0], [-8.0, -8.0]], &device);
        quantizer = quantizer.map_codebook(|_| before);
        let usage = CodeUsage::from_counts(vec![50, 0, 50, 0]);
        let (quantizer, replaced) = reseed_unused(quantizer, &usage, 0.015, groups(&device), &mut random);
        assert_eq!(replaced, 2);
        let codes: Vec<f32> = quantizer.codebooks.val().into_data().iter::<f32>().collect();
        assert_eq!((&codes[0..2], &codes[4..6]), (&[0.0, 0.0][..], &[100.0, 0.0][..]));
        // The two groups without a code are the upper ones.
        assert!(codes[3] > 99.0 && codes[7] > 99.0 && codes[2] != codes[6], "{codes:?}");
    }
}
