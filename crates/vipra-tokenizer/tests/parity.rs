//! Agreement with the reference's VQGAN (golden `vqgan`) and with the library SentencePiece (a fixture).

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is the message of a test")]

#[path = "../../vipra-nn/tests/parity/golden.rs"]
mod golden;

use std::path::Path;

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};
use golden::{Golden, absolute, device};
use serde_json::Value;
use vipra_data::picture::ImageConfig;
use vipra_nn::weights::load;
use vipra_tokenizer::{
    Description, TextTokenizer, TrainedTokenizer, Vqgan, VqganConfig, is_reference, reference_names, reference_weights,
};

/// Of the manifest; indices are exact.
const TOLERANCE: f32 = 1e-4;

fn model(golden: &Golden, device: &Device) -> Vqgan {
    let side = golden.number("resolution");
    let multipliers = golden.config["channel_mult"].as_array().expect("multipliers");
    let config = VqganConfig {
        frame_size: [side, side],
        width: golden.number("hidden_channels"),
        multipliers: multipliers.iter().map(|value| value.as_u64().unwrap() as usize).collect(),
        blocks: golden.number("num_res_blocks"),
        groups: 32,
        latent_dim: golden.number("z_channels"),
        codes: golden.number("num_embeddings"),
        code_dim: golden.number("quantized_embed_dim"),
    };
    let weights = golden.weights();
    assert!(is_reference(&weights));
    load(config.init(device).unwrap(), &reference_weights(&weights), &reference_names()).unwrap().valid()
}

/// The golden's channels come last.
fn channels_first(x: Tensor<4>) -> Tensor<4> {
    x.permute([0, 3, 1, 2])
}

fn channels_last(x: Tensor<4>) -> Tensor<4> {
    x.permute([0, 2, 3, 1])
}

#[test]
fn parity_encoder_and_tokens() {
    let Some(golden) = Golden::open("vqgan") else { return };
    let device = device();
    let model = model(&golden, &device);
    let pixels = channels_first(golden.tensor("in.pixels", &device));
    let latents = model.encoder.forward(pixels.clone());
    golden.check("out.encoder", channels_last(latents.clone()), absolute(TOLERANCE));
    golden.check("out.quant_conv", channels_last(model.to_codes.forward(latents)), absolute(TOLERANCE));
    let tokens = model.encode((pixels + 1.0) / 2.0);
    assert_eq!(tokens.clone().try_into_vec_as::<i64>().unwrap(), golden.integers("out.indices"));
    let [frames, count] = tokens.dims();
    let shape: [usize; 4] = golden.shape("out.quantized").try_into().unwrap();
    let quantized = model.look_up(tokens.reshape([frames * count])).reshape(shape);
    golden.check("out.quantized", quantized.clone(), absolute(TOLERANCE));
    golden.check("out.codebook_lookup", quantized, absolute(TOLERANCE));
}

#[test]
fn parity_decoder() {
    let Some(golden) = Golden::open("vqgan") else { return };
    let device = device();
    let model = model(&golden, &device);
    let quantized = channels_first(golden.tensor("out.quantized", &device));
    let latents = model.from_codes.forward(quantized);
    golden.check("out.post_quant_conv", channels_last(latents.clone()), absolute(TOLERANCE));
    golden.check("out.decoder_raw", channels_last(model.decoder.forward(latents)), absolute(TOLERANCE));
    let tokens = golden.integers("out.indices");
    let frames = golden.shape("out.indices")[0];
    let shape = [frames, tokens.len() / frames];
    let tokens = Tensor::<2, Int>::from_data(TensorData::new(tokens, shape), &device);
    golden.check("out.decoded", channels_last(model.decode(tokens) * 2.0 - 1.0), absolute(TOLERANCE));
}

#[test]
fn parity_sentencepiece() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/sentencepiece");
    let expected: Value = serde_json::from_slice(&std::fs::read(folder.join("expected.json")).unwrap()).unwrap();
    let opened = TextTokenizer::open(&folder.join("small.model")).unwrap();
    let stored = TextTokenizer::from_json(&opened.to_json().unwrap()).unwrap();
    for tokenizer in [opened, stored] {
        assert_eq!(tokenizer.vocab_size() as u64, expected["vocab_size"].as_u64().unwrap());
        for case in expected["cases"].as_array().unwrap() {
            let text = case["text"].as_str().unwrap();
            let tokens: Vec<u32> = serde_json::from_value(case["tokens"].clone()).unwrap();
            assert_eq!(tokenizer.encode(text).unwrap(), tokens, "{text:?}");
            assert_eq!(tokenizer.decode(&tokens).unwrap(), case["decoded"].as_str().unwrap(), "{text:?}");
            // Between special tokens each part is a text of its own, as in Llama's tokenizer.
            let begun = [vec![1], tokens.clone(), vec![1]].concat();
            assert_eq!(tokenizer.encode(&format!("<s>{text}<s>")).unwrap(), begun, "{text:?}");
        }
    }
}

#[test]
fn what_is_no_sentencepiece_model_is_said_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("broken.model");
    std::fs::write(&path, b"no model at all").unwrap();
    assert!(TextTokenizer::open(&path).unwrap_err().to_string().contains("broken.model"));
    assert!(TextTokenizer::open(&folder.path().join("none.model")).unwrap_err().to_string().contains("none.model"));
}

#[test]
fn parity_of_imported_weights() {
    let Some(golden) = Golden::open("vqgan") else { return };
    let folder = tempfile::tempdir().unwrap();
    let (foreign, ours) = (folder.path().join("vqgan.safetensors"), folder.path().join("tokenizer.safetensors"));
    golden.weights().write_safetensors(&foreign).unwrap();
    let device = device();
    let config = model(&golden, &device).config;
    let [height, width] = config.frame_size;
    let description =
        Description { model: config.clone(), image: ImageConfig { width, height, ..ImageConfig::default() } };
    TrainedTokenizer::import(&description, &foreign, &ours, &device).unwrap();
    let opened = TrainedTokenizer::open(&ours, &device).unwrap();
    assert_eq!(opened.description, description);
    let frames = (channels_first(golden.tensor("in.pixels", &device)) + 1.0) / 2.0;
    assert_eq!(opened.model.encode(frames).try_into_vec_as::<i64>().unwrap(), golden.integers("out.indices"));

    // Every name that does not fit is said.
    let wider = Description { model: VqganConfig { blocks: 2, ..config }, ..description };
    let message = TrainedTokenizer::import(&wider, &foreign, &ours, &device).unwrap_err().to_string();
    assert!(message.contains("encoder.DownsamplingBlock_0.ResnetBlock_1.Conv_0.kernel"), "{message}");
    let message = TrainedTokenizer::open(&foreign, &device).unwrap_err().to_string();
    assert!(message.contains("these are not the weights of a frame tokenizer"), "{message}");
}
