//! Antialiased bicubic resampling as a matrix.

/// Sharpness of the cubic in PyTorch's antialiased resampling (the one without antialiasing has −0.75).
const SHARPNESS: f64 = -0.5;
/// Half the kernel's support, in samples of the coarser grid.
const SUPPORT: f64 = 2.0;

/// Weights that resample `input` samples to `output` samples along one axis, as PyTorch's bicubic interpolation to a given
/// size with `antialias=True`; row-major, one row of `input` weights per output sample.
///
/// Resampling is linear, so learned position embeddings get their gradients through a product with this matrix. Equal sizes
/// give exactly the identity.
pub fn bicubic_weights(input: usize, output: usize) -> Vec<f32> {
    let scale = input as f64 / output as f64;
    // Shrinking stretches the kernel over all samples that are merged; growing leaves it as it is.
    let stretch = scale.max(1.0);
    let mut matrix = vec![0.0; input * output];
    for (index, row) in matrix.chunks_exact_mut(input.max(1)).enumerate() {
        let center = scale * (index as f64 + 0.5);
        let first = ((center - SUPPORT * stretch + 0.5).floor().max(0.0)) as usize;
        let last = ((center + SUPPORT * stretch + 0.5).floor() as usize).min(input);
        let weights: Vec<f64> = (first..last).map(|sample| cubic((sample as f64 - center + 0.5) / stretch)).collect();
        let total: f64 = weights.iter().sum();
        for (sample, weight) in (first..last).zip(weights) {
            row[sample] = (weight / total) as f32;
        }
    }
    matrix
}

/// Keys' cubic convolution kernel.
fn cubic(x: f64) -> f64 {
    let x = x.abs();
    if x < 1.0 {
        ((SHARPNESS + 2.0) * x - (SHARPNESS + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * SHARPNESS
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::bicubic_weights;

    #[test]
    fn equal_sizes_are_the_identity() {
        let weights = bicubic_weights(5, 5);
        let identity: Vec<f32> = (0..25).map(|index| if index % 6 == 0 { 1.0 } else { 0.0 }).collect();
        assert_eq!(weights, identity);
    }

    #[test]
    fn every_output_is_an_average() {
        for (input, output) in [(37, 16), (37, 8), (37, 40), (3, 7)] {
            for row in bicubic_weights(input, output).chunks_exact(input) {
                assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-6);
            }
        }
    }
}
