//! Codes that follow the means of their vectors.

use burn::tensor::{Tensor, TensorData};

/// Moves each code `c` towards the mean of the `n` vectors assigned to it: `c + n/(n + memory)·(mean − c)`. The moving
/// averages of VQ-VAE (van den Oord et al., 2017) do the same with sums that a checkpoint would have to hold.
///
/// # Shapes
/// `codebook`: `[codes, dim]`, `vectors`: `[vectors, dim]`, row by row, `tokens`: `[vectors]`, the code of each vector →
/// `[codes, dim]`
pub fn follow(codebook: Tensor<2>, vectors: &[f32], tokens: &[i64], memory: f64) -> Tensor<2> {
    let device = codebook.device();
    let [codes, dim] = codebook.dims();
    let mut values: Vec<f32> = codebook.into_data().iter::<f32>().collect();
    let (mut sums, mut counts) = (vec![0.0_f64; codes * dim], vec![0_u64; codes]);
    for (vector, token) in vectors.chunks_exact(dim).zip(tokens) {
        let token = *token as usize;
        counts[token] += 1;
        let sum = &mut sums[token * dim..(token + 1) * dim];
        sum.iter_mut().zip(vector).for_each(|(sum, value)| *sum += f64::from(*value));
    }
    for (at, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let (count, place) = (*count as f64, at * dim..(at + 1) * dim);
        for (value, sum) in values[place.clone()].iter_mut().zip(&sums[place]) {
            let code = f64::from(*value);
            *value = (code + (sum / count - code) * count / (count + memory)) as f32;
        }
    }
    Tensor::from_data(TensorData::new(values, [codes, dim]), &device)
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Tensor};

    use super::follow;

    #[test]
    fn codes_go_to_the_mean_of_what_they_code() {
        let codebook = Tensor::<2>::from_data([[0.0, 0.0], [5.0, 5.0], [8.0, -8.0]], &Device::flex());
        let vectors = [1.0, 2.0, 3.0, 4.0, 9.0, -8.0];
        let of = |memory| -> Vec<f32> {
            follow(codebook.clone(), &vectors, &[0, 0, 2], memory).into_data().iter::<f32>().collect()
        };
        assert_eq!(of(0.0), [2.0, 3.0, 5.0, 5.0, 9.0, -8.0]);
        assert_eq!(of(2.0), [1.0, 1.5, 5.0, 5.0, 8.0 + 1.0 / 3.0, -8.0]);
    }
}
