//! The sizes that are measured, the same as in `benches/peers/laq_torch.py`.

use vipra_laq::LaqConfig;
use vipra_laq::spatial_encoder::SpatialEncoderConfig;

/// A size by its name. `tiny` and `small` are as wide and as deep as the presets of these names, and drop activations;
/// `tiny` has a quarter of its preset's codes a transition.
pub(crate) fn named(size: &str) -> Option<LaqConfig> {
    Some(match size {
        "tiny" => LaqConfig::default(),
        "small" => LaqConfig {
            frame_size: [128, 128],
            patch: 8,
            dim: 256,
            spatial_encoder: SpatialEncoderConfig { depth: 4, heads: 4, registers: 4, position_grid: 16 },
            encoder_depth: 4,
            decoder_depth: 4,
            heads: 4,
            ..LaqConfig::release()
        },
        "paper" => LaqConfig::release(),
        _ => return None,
    })
}
