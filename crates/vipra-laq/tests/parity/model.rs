//! The whole model (goldens `laq_full_csl4`, `laq_full_csl16`).

use burn::tensor::{Device, Tensor};
use vipra_laq::loss::{masked_l1, transition_mask};
use vipra_laq::quantizer::{CodeUsage, NsvqConfig};
use vipra_laq::spatial_encoder::SpatialEncoderConfig;
use vipra_laq::{Laq, LaqConfig, reference_names};
use vipra_nn::weights::load;

use crate::golden::{Golden, Tolerance, absolute, device, gradients, values};

/// Of the manifest; indices are exact.
const FORWARD: f32 = 1e-4;
const LOSS: Tolerance = Tolerance { relative: 1e-4, absolute: 0.0 };
const GRADIENT_RELATIVE: f32 = 2e-3;
const GRADIENT_SHARE: f32 = 1e-3;
const ROLLOUT: f32 = 5e-4;

const GOLDENS: [&str; 2] = ["laq_full_csl4", "laq_full_csl16"];

fn model(golden: &Golden, encode_deltas: bool, device: &Device) -> Laq {
    let side = golden.number("image_size");
    let config = LaqConfig {
        frame_size: [side, side],
        patch: golden.number("patch_size"),
        dim: golden.number("dim"),
        spatial_encoder: SpatialEncoderConfig {
            depth: golden.number("dino.depth"),
            heads: golden.number("dino.num_heads"),
            registers: golden.number("dino.num_register_tokens"),
            position_grid: golden.number("dino.pos_grid"),
        },
        encoder_depth: golden.number("enc_depth"),
        decoder_depth: golden.number("dec_depth"),
        heads: golden.number("heads"),
        head_dim: golden.number("dim_head"),
        feed_forward_dropout: 0.0,
        quantizer: NsvqConfig { codes: golden.number("codebook_size"), dim: golden.number("quant_dim") },
        code_length: golden.number("code_seq_len"),
        encode_deltas,
        centered_transitions: 0,
    };
    load(config.init(device).unwrap(), &golden.weights(), &reference_names()).unwrap()
}

/// The golden's layout of `[batch, time, patches, dim]`, which keeps rows and columns apart.
fn on_grid(x: Tensor<4>, golden: &Golden, name: &str) -> Tensor<5> {
    let shape: [usize; 5] = golden.shape(name).try_into().unwrap();
    x.reshape(shape)
}

fn integers<const D: usize>(codes: Tensor<D, burn::tensor::Int>) -> Vec<i64> {
    codes.try_into_vec_as::<i64>().unwrap()
}

#[test]
fn parity_encoder() {
    for name in GOLDENS {
        let Some(golden) = Golden::open(name) else { return };
        let device = device();
        let laq = model(&golden, false, &device);
        let clip: Tensor<5> = golden.tensor("in.videos", &device);
        let [batch, time, channels, height, width] = clip.dims();
        let grid = laq.config.grid();
        golden.check("out.dino_pos_embed_interpolated", laq.spatial_encoder.positions_for(grid), absolute(FORWARD));
        let frames = clip.clone().reshape([batch * time, channels, height, width]);
        let (embedded, _) = laq.spatial_encoder.embed(frames.clone());
        let embedded = embedded.unsqueeze::<4>();
        golden.check("out.frame_tokens", on_grid(embedded, &golden, "out.frame_tokens"), absolute(FORWARD));
        let features = laq.encode_frames(frames);
        golden.check("out.dino_features", features.clone(), absolute(FORWARD));
        let rows = golden.shape("out.enc_attn_bias")[1];
        golden.check("out.enc_attn_bias", laq.encoder_bias.forward(grid).narrow(1, 0, rows), absolute(FORWARD));

        let [_, patches, dim] = features.dims();
        let features = features.reshape([batch, time, patches, dim]);
        let tokens = laq.encode_features(features.clone());
        golden.check("out.encode_tokens", on_grid(tokens, &golden, "out.encode_tokens"), absolute(FORWARD));
        golden.check("out.vq_in", laq.encode(clip.clone()).unwrap(), absolute(FORWARD));
        assert_eq!(integers(laq.infer_from_features(features).codes), golden.integers("out.infer.indices"));

        let deltas = model(&golden, true, &device);
        golden.check("out.vq_in_deltas", deltas.encode(clip.clone()).unwrap(), absolute(FORWARD));
        assert_eq!(integers(deltas.infer(clip).unwrap().codes), golden.integers("out.infer_deltas.indices"));
    }
}

#[test]
fn parity_codes_decoder_and_rollout() {
    for name in GOLDENS {
        let Some(golden) = Golden::open(name) else { return };
        let device = device();
        let laq = model(&golden, false, &device);
        let clip: Tensor<5> = golden.tensor("in.videos", &device);
        let time = clip.dims()[1];
        let inference = laq.infer(clip.clone()).unwrap();
        assert_eq!(integers(inference.codes), golden.integers("out.infer.indices"));
        let latents = inference.latents;
        golden.check_values("out.infer.quantized", &values(latents.clone()), absolute(FORWARD));
        golden.check("out.infer.cond", laq.condition(latents.clone()), absolute(FORWARD));
        let past = clip.clone().narrow(1, 0, time - 1);
        let first: Tensor<4> = past.clone().narrow(1, 0, 1).squeeze_dim(1);
        golden.check("out.dec_patchify", laq.frame_embedding.forward(first.clone()), absolute(FORWARD));
        golden.check("out.infer.recon", laq.decode(past, latents.clone()).unwrap(), absolute(FORWARD));
        for given in [1, 2] {
            let rolled = laq.rollout(clip.clone().narrow(1, 0, given), latents.clone()).unwrap();
            golden.check(&format!("out.rollout_ar_init{given}"), rolled, absolute(ROLLOUT));
        }
        // A clip's own codes on its own first frame are a rollout.
        golden.check("out.rollout_ar_init1", laq.transfer(clip, first).unwrap(), absolute(ROLLOUT));
    }
}

#[test]
fn parity_training_losses_and_gradients() {
    for name in GOLDENS {
        let Some(golden) = Golden::open(name) else { return };
        let device = device().autodiff();
        let laq = model(&golden, false, &device);
        let clip: Tensor<5> = golden.tensor("in.videos", &device);
        let time = clip.dims()[1];
        let noise = golden.tensor("in.nsvq_noise", &device);
        let training = laq.reconstruct(clip.clone(), noise).unwrap();
        golden.check_values("out.train.quantized", &values(training.latents), absolute(FORWARD));
        golden.check("out.train.recon", training.frames.clone(), absolute(FORWARD));

        let mut usage = CodeUsage::new(laq.config.quantizer.codes);
        assert!(usage.add(&integers(training.codes)));
        golden.check_values("out.train.perplexity", &[usage.perplexity() as f32], LOSS);
        assert_eq!(usage.distinct() as i64, golden.integers("out.train.num_unique")[0]);

        let target = clip.narrow(1, 1, time - 1);
        golden.check("out.train.l1_nomask", masked_l1(training.frames.clone(), target.clone(), None), LOSS);
        let mask = transition_mask(golden.mask("in.mask", &device));
        let loss = masked_l1(training.frames, target, Some(mask));
        golden.check("out.train.l1_masked", loss.clone(), LOSS);

        let by_name = gradients(&laq, &loss.backward(), &reference_names());
        let norm = by_name.values().flatten().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
        let tolerance = Tolerance { relative: GRADIENT_RELATIVE, absolute: 0.0 };
        golden.check_values("out.train.grad_norm_all", &[norm as f32], tolerance);
        let mut compared = 0;
        for name in golden.names() {
            if let Some(parameter) = name.strip_prefix("grad.") {
                let gradient = by_name.get(parameter).unwrap_or_else(|| panic!("no gradient of {parameter}"));
                let tolerance = golden.relative_to_largest(&name, GRADIENT_RELATIVE, GRADIENT_SHARE);
                golden.check_values(&name, gradient, tolerance);
                compared += 1;
            }
        }
        assert!(compared > 0, "the golden lists gradients");
    }
}
