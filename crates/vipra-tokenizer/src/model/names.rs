//! Names and layout of the reference's weights (Flax; reference 8).

use vipra_nn::weights::{Names, Rename, Weights};

/// Separates the levels of their names.
const SEPARATOR: char = '/';

const NAMES: &[Rename] = &[
    Rename::new("Vqgan", "to_codes", "quant_conv"),
    Rename::new("Vqgan", "codebook", "quantize.embeddings"),
    Rename::new("Vqgan", "from_codes", "post_quant_conv"),
    Rename::new("Encoder", "input", "Conv_0"),
    Rename::list("Encoder", "levels", "", DOWN),
    Rename::list("Encoder", "middle", "MidBlock_0", BLOCKS),
    Rename::new("Encoder", "norm", "GroupNorm_0"),
    Rename::new("Encoder", "output", "Conv_1"),
    Rename::list("EncoderLevel", "blocks", "", BLOCKS),
    Rename::new("EncoderLevel", "downsample", "Downsample_0.Conv_0"),
    Rename::new("Decoder", "input", "Conv_0"),
    Rename::list("Decoder", "middle", "MidBlock_0", BLOCKS),
    Rename::list("Decoder", "levels", "", UP),
    Rename::new("Decoder", "norm", "GroupNorm_0"),
    Rename::new("Decoder", "output", "Conv_1"),
    Rename::list("DecoderLevel", "blocks", "", BLOCKS),
    Rename::new("DecoderLevel", "upsample", "Upsample_0.Conv_0"),
    Rename::new("ResidualBlock", "first_norm", "GroupNorm_0"),
    Rename::new("ResidualBlock", "first", "Conv_0"),
    Rename::new("ResidualBlock", "second_norm", "GroupNorm_1"),
    Rename::new("ResidualBlock", "second", "Conv_1"),
    Rename::new("ResidualBlock", "shortcut", "Conv_2"),
    Rename::new("ActivatedNorm", "weight", "scale"),
    Rename::new("Conv2d", "weight", "kernel"),
];

/// `MAX_BLOCKS + 1` names: the decoder has one more block per level.
const BLOCKS: &[&str] = &[
    "ResnetBlock_0",
    "ResnetBlock_1",
    "ResnetBlock_2",
    "ResnetBlock_3",
    "ResnetBlock_4",
    "ResnetBlock_5",
    "ResnetBlock_6",
    "ResnetBlock_7",
    "ResnetBlock_8",
];

/// As many as `MAX_LEVELS`.
const DOWN: &[&str] = &[
    "DownsamplingBlock_0",
    "DownsamplingBlock_1",
    "DownsamplingBlock_2",
    "DownsamplingBlock_3",
    "DownsamplingBlock_4",
    "DownsamplingBlock_5",
    "DownsamplingBlock_6",
    "DownsamplingBlock_7",
    "DownsamplingBlock_8",
    "DownsamplingBlock_9",
    "DownsamplingBlock_10",
    "DownsamplingBlock_11",
];

/// As many as `MAX_LEVELS`.
const UP: &[&str] = &[
    "UpsamplingBlock_0",
    "UpsamplingBlock_1",
    "UpsamplingBlock_2",
    "UpsamplingBlock_3",
    "UpsamplingBlock_4",
    "UpsamplingBlock_5",
    "UpsamplingBlock_6",
    "UpsamplingBlock_7",
    "UpsamplingBlock_8",
    "UpsamplingBlock_9",
    "UpsamplingBlock_10",
    "UpsamplingBlock_11",
];

/// Names of the model's parameters in [`reference_weights`].
pub fn reference_names() -> Names {
    Names::default().rename(NAMES)
}

/// Whether these are the reference's weights rather than ours.
pub fn is_reference(weights: &Weights) -> bool {
    weights.names().any(|name| name.contains(SEPARATOR))
}

/// The reference's weights with dots in their names and convolution kernels in our layout. Other tensors stay as they are.
///
/// # Shapes
/// Kernels: `[height, width, input, output]` → `[output, input, height, width]`
pub fn reference_weights(weights: &Weights) -> Weights {
    let mut turned = Weights::new(weights.source());
    for name in weights.names() {
        // Other than floating-point tensors are dropped; loading will name them as missing.
        let Some((shape, values)) = weights.floats(name) else { continue };
        let name = name.replace(SEPARATOR, ".");
        match *shape {
            [height, width, input, output] => {
                turned.insert(
                    name,
                    vec![output, input, height, width],
                    permute_kernel(values, [height * width, input, output]),
                );
            }
            _ => turned.insert(name, shape.to_vec(), values.to_vec()),
        }
    }
    turned
}

/// `[places, input, output]` → `[output, input, places]`
fn permute_kernel(values: &[f32], [places, input, output]: [usize; 3]) -> Vec<f32> {
    let at = |place: usize, from: usize, to: usize| values[(place * input + from) * output + to];
    let of_output = |to| (0..input).flat_map(move |from| (0..places).map(move |place| at(place, from, to)));
    (0..output).flat_map(of_output).collect()
}
