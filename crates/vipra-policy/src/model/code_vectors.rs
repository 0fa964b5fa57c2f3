//! Embeddings of frame tokens that start as the vectors of the codes.
//!
//! Codes whose vectors lie near each other stand for parts of a frame that look alike, such as a block one pixel further.
//! Embeddings that start at random do not know that: what is seen of one code says nothing of its neighbours, and a place
//! has to be learned for each. Of 110 scenes, a transformer then finds half of the blocks to 2 cm, and three quarters
//! where embeddings start as the codes' vectors (docs/results.md).

use burn::tensor::{Distribution, Tensor};
use vipra_nn::parameter::map_detached;

use super::transformer::Transformer;

impl Transformer {
    /// The model with embeddings of frame tokens that are the codes' vectors: centred, brought to a spread of one, and
    /// taken to the width of the model by a random matrix that keeps distances. Steps are small against a spread of one, so
    /// that what lies near stays near. The marks behind frames stay as they are.
    ///
    /// # Shapes
    /// `vectors`: `[codes, code_dim]`, of as many codes as the vocabulary has, or fewer
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
    let turned = Tensor::<2>::random([code_dim, dim], matrix, &centred.device());
    (centred / spread).matmul(turned)
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Distribution, Tensor};

    use crate::model::{TransformerConfig, Vocabularies};

    #[test]
    fn what_lies_near_as_vectors_lies_near_as_embeddings() {
        let device = Device::flex().autodiff();
        let config =
            TransformerConfig { dim: 64, layers: 1, heads: 2, feed_forward: 8, ..TransformerConfig::default() };
        let model = config
            .init(
                &Vocabularies { text: 4, vision: 42, latent_action: 3, frame_positions: 0, frame_grid: None },
                &device,
            )
            .unwrap();
        let marks = model.vision_embedding.val().inner().narrow(0, 40, 2);
        let vectors = Tensor::<2>::random([40, 8], Distribution::Normal(3.0, 0.1), &Device::flex());
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
