//! New codes from the vectors to be coded: the seeding of k-means++ (Arthur and Vassilvitskii, 2007).

use burn::tensor::{Tensor, TensorData};
use rand::{Rng, RngExt};

/// The codebook with the codes marked in `replaced` taken from `vectors`, preferably from those far from all other codes.
///
/// # Shapes
/// `codebook`: `[codes, dim]`, `replaced`: `[codes]`, `vectors`: `[vectors, dim]`, at least one → `[codes, dim]`
pub fn reseed(codebook: Tensor<2>, replaced: &[bool], vectors: Tensor<2>, random: &mut impl Rng) -> Tensor<2> {
    let [_, dim] = vectors.dims();
    let vectors: Vec<f32> = vectors.without_autodiff().into_data().iter::<f32>().collect();
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
}

/// Updates the squared distances of the vectors from their nearest centre for an additional centre.
fn shorten(distances: &mut [f32], vectors: &[f32], center: &[f32]) {
    for (distance, vector) in distances.iter_mut().zip(vectors.chunks_exact(center.len())) {
        let squared: f32 = vector.iter().zip(center).map(|(value, center)| (value - center).powi(2)).sum();
        *distance = distance.min(squared);
    }
}

/// Draws an index in proportion to the weights, or uniformly if their sum is not a positive finite number, as before the first
/// centre.
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
