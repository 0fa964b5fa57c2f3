//! What the benches have in common.

use vipra_policy::model::{TransformerConfig, Vocabularies};

/// A size by name, as the peer in PyTorch has it too.
pub fn size_of(size: &str) -> Result<(TransformerConfig, Vocabularies), String> {
    let ([dim, layers, heads, feed_forward], [text, vision]) = match size {
        "tiny" => ([256, 5, 4, 688], [512, 514]),
        "small" => ([512, 8, 8, 1376], [1024, 1026]),
        "200m" => ([1024, 12, 16, 2752], [32_000, 8448]),
        other => return Err(format!("`--size {other}`: there are tiny, small and 200m")),
    };
    let config = TransformerConfig { dim, layers, heads, feed_forward, ..TransformerConfig::default() };
    Ok((config, Vocabularies { text, vision, latent_action: 9, frame_positions: 0, frame_grid: None }))
}
