//! Embeddings of frame tokens that start from the tokenizer's code vectors.
//!
//! Codes with similar vectors stand for parts of a frame that look alike, such as a block that moved by one pixel. Random
//! embeddings do not know that: what is learned of one code says nothing of similar ones. Trained on 110 scenes, a transformer with
//! random embeddings finds half of the blocks to within 2 cm; with embeddings from code vectors it finds three quarters
//! (docs/results.md).

use burn::tensor::{Distribution, Tensor};
use vipra_nn::parameter::map_detached;

use super::transformer::Transformer;

impl Transformer {
    /// The model with embeddings of frame tokens made from code vectors: centred, scaled to a standard deviation of one, and
    /// projected to the width of the model by a random matrix that about keeps distances. Steps of training are small against
    /// that, so similar codes stay near each other. The tokens that end frames keep their embeddings.
    ///
    /// # Shapes
    /// `vectors`: `[codes, code_dim]`, of at most as many codes as the vocabulary has ids
    pub(crate) fn with_code_vectors(mut self, vectors: Tensor<2>) -> Self {
        let dim = self.dim();
        self.vision_embedding = map_detached(self.vision_embedding, |table| {
            let rows = embeddings(vectors.without_autodiff().to_device(&table.device()), dim);
            let codes = rows.dims()[0];
            table.slice_assign([0..codes, 0..dim], rows)
        });
        self
    }
}

/// `[codes, code_dim]` → `[codes, dim]`
fn embeddings(vectors: Tensor<2>, dim: usize) -> Tensor<2> {
    let [_, code_dim] = vectors.dims();
    let centred = vectors.clone() - vectors.mean_dim(0);
    let spread = centred.clone().powi_scalar(2).mean().sqrt().into_scalar::<f32>().max(f32::MIN_POSITIVE);
    let matrix = Distribution::Normal(0.0, 1.0 / (code_dim as f64).sqrt());
    let projection = Tensor::<2>::random([code_dim, dim], matrix, &centred.device());
    (centred / spread).matmul(projection)
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Tensor};

    use crate::fixtures::{small_transformer, small_vocabularies, transformer_config};
    use crate::model::shake::normal;
    use crate::model::{TransformerConfig, Vocabularies};

    #[test]
    fn embeddings_keep_the_distances_of_code_vectors() {
        let config = TransformerConfig { dim: 64, ..transformer_config() };
        let vocabularies = Vocabularies { vision: 42, ..small_vocabularies() };
        let model = small_transformer(&config, &vocabularies, &Device::flex().autodiff());
        let marks = model.vision_embedding.val().inner().narrow(0, 40, 2);
        let vectors = normal([40, 8], 1) * 0.1 + 3.0;
        let model = model.with_code_vectors(vectors.clone());
        assert!(model.vision_embedding.val().is_require_grad());
        let table = model.vision_embedding.val().inner();
        assert_eq!(table.clone().narrow(0, 40, 2).into_data(), marks.into_data());

        let codes = table.narrow(0, 0, 40);
        let spread = codes.clone().powi_scalar(2).mean().sqrt().into_scalar::<f32>();
        assert!((spread - 1.0).abs() < 0.2, "{spread}");
        let apart = |rows: &Tensor<2>, a: usize, b: usize| -> f32 {
            let difference = rows.clone().narrow(0, a, 1) - rows.clone().narrow(0, b, 1);
            difference.powi_scalar(2).sum().sqrt().into_scalar::<f32>()
        };
        let ratios: Vec<f32> = (1..40).map(|code| apart(&codes, 0, code) / apart(&vectors, 0, code)).collect();
        let (least, most) =
            ratios.iter().fold((f32::MAX, 0.0_f32), |(least, most), ratio| (least.min(*ratio), most.max(*ratio)));
        assert!(most / least < 2.5, "distances are kept: {least} to {most}");
    }
}
