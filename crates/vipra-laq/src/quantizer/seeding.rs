//! Codes from what is to be coded: the seeding of k-means++ (Arthur and Vassilvitskii, 2007).

use burn::tensor::{Tensor, TensorData};
use rand::{Rng, RngExt};

use super::nsvq::Nsvq;
use super::usage::CodeUsage;

/// The quantiser with all its codes taken from `vectors`, far from each other where the vectors are.
///
/// A codebook drawn from the standard normal distribution lies far from a new encoder's outputs, all of which then choose
/// the one code that happens to be nearest to zero.
///
/// # Shapes
/// `vectors`: `[vectors, dim]`, at least one.
pub fn seed(quantizer: Nsvq, vectors: Tensor<2>, random: &mut impl Rng) -> Nsvq {
    let codes = quantizer.codebooks.dims()[0];
    reseed_where(quantizer, &vec![true; codes], vectors, random)
}

/// The quantiser with its unused codes taken from `vectors` that are badly coded by the used ones, and how many there
/// were. Reset the [`CodeUsage`] afterwards.
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
    let [_, dim] = vectors.dims();
    let vectors: Vec<f32> = vectors.without_autodiff().into_data().iter::<f32>().collect();
    quantizer.map_codebook(|codebook| {
        let device = codebook.device();
        let mut codes: Vec<f32> = codebook.into_data().iter::<f32>().collect();
        let mut distances = vec![f32::INFINITY; vectors.len() / dim];
        for (code, _) in codes.chunks_exact(dim).zip(replaced).filter(|(_, replaced)| !**replaced) {
            shorten(&mut distances, &vectors, code);
        }
        for (at, _) in replaced.iter().enumerate().filter(|(_, replaced)| **replaced) {
            let chosen = draw_by(&distances, random);
            let vector = &vectors[chosen * dim..(chosen + 1) * dim];
            codes[at * dim..(at + 1) * dim].copy_from_slice(vector);
            shorten(&mut distances, &vectors, vector);
        }
        Tensor::from_data(TensorData::new(codes, [replaced.len(), dim]), &device)
    })
}

/// Squared distances of the vectors from their nearest centre, with one centre more.
fn shorten(distances: &mut [f32], vectors: &[f32], center: &[f32]) {
    for (distance, vector) in distances.iter_mut().zip(vectors.chunks_exact(center.len())) {
        let squared: f32 = vector.iter().zip(center).map(|(value, center)| (value - center).powi(2)).sum();
        *distance = distance.min(squared);
    }
}

/// An index drawn in proportion to the weights; all equal where none is a positive number, as before the first centre.
fn draw_by(weights: &[f32], random: &mut impl Rng) -> usize {
    let total: f64 = weights.iter().map(|weight| f64::from(*weight)).sum();
    if !(total.is_finite() && total > 0.0) {
        return random.random_range(0..weights.len());
    }
    let mut rest = random.random::<f64>() * total;
    let last = weights.len() - 1;
    weights[..last]
        .iter()
        .position(|weight| {
            rest -= f64::from(*weight);
            rest < 0.0
        })
        .unwrap_or(last)
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
