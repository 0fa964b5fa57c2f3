//! The quantiser (golden `laq_nsvq`).

use burn::module::Param;
use burn::tensor::{Device, Int, Tensor};
use vipra_laq::quantizer::{CodeUsage, Nsvq, NsvqConfig, Replacement, ReplacementConfig};

use crate::golden::{Golden, Tolerance, absolute, device, values};

/// Of the manifest; indices, counters and masks are exact.
const TOLERANCE: Tolerance = Tolerance { relative: 1e-5, absolute: 1e-5 };
/// Of the manifest: the noise on a replaced code is below this.
const REPLACED: f32 = 1e-6;

fn quantizer(golden: &Golden, codebooks: &str, device: &Device) -> Nsvq {
    let config = NsvqConfig { codes: golden.number("num_embeddings"), dim: golden.number("embedding_dim") };
    let quantizer = config.init(device).unwrap();
    let codebooks: Tensor<2> = golden.tensor(codebooks, device);
    assert_eq!(quantizer.codebooks.dims(), codebooks.dims());
    Nsvq { codebooks: Param::from_tensor(codebooks) }
}

fn integers(codes: Tensor<1, Int>) -> Vec<i64> {
    codes.try_into_vec_as::<i64>().unwrap()
}

fn counts(golden: &Golden, name: &str) -> Vec<u64> {
    golden.integers(name).into_iter().map(|count| u64::try_from(count).unwrap()).collect()
}

#[test]
fn parity_quantiser_and_its_gradients() {
    let Some(golden) = Golden::open("laq_nsvq") else { return };
    let device = device().autodiff();
    let quantizer = quantizer(&golden, "codebooks", &device);
    let x = golden.tensor::<2>("input", &device).require_grad();
    let quantized = quantizer.substitute(x.clone(), golden.tensor("noise", &device));
    golden.check("out.quantized", quantized.values.clone(), TOLERANCE);
    let codes = integers(quantized.codes);
    assert_eq!(codes, golden.integers("out.indices"));

    let mut usage = CodeUsage::new(golden.number("num_embeddings"));
    assert!(usage.add(&codes));
    assert_eq!(usage.counts(), counts(&golden, "out.codebooks_used"));
    assert_eq!(usage.distinct() as i64, golden.integers("out.num_unique")[0]);
    golden.check_values("out.perplexity", &[usage.perplexity() as f32], Tolerance { relative: 1e-5, absolute: 0.0 });

    let cotangent: Tensor<2> = golden.tensor("cotangent", &device);
    let grads = (quantized.values * cotangent).sum().backward();
    golden.check("grad.input", x.grad(&grads).unwrap(), TOLERANCE);
    golden.check("grad.codebooks", quantizer.codebooks.val().grad(&grads).unwrap(), TOLERANCE);
}

#[test]
fn parity_hard_path_and_look_up() {
    let Some(golden) = Golden::open("laq_nsvq") else { return };
    let device = device();
    let quantizer = quantizer(&golden, "codebooks", &device);
    let quantized = quantizer.quantize(golden.tensor("input", &device));
    assert_eq!(integers(quantized.codes), golden.integers("out.indices"));
    golden.check("out.inference_quantized", quantized.values, absolute(0.0));

    let ids = golden.integers("in.idx_to_embed");
    let ids = Tensor::<1, Int>::from_data(burn::tensor::TensorData::from(ids.as_slice()), &device);
    golden.check_values("out.idx_to_embed", &values(quantizer.look_up(ids)), absolute(0.0));
}

#[test]
fn parity_replacement_of_unused_codes() {
    let Some(golden) = Golden::open("laq_nsvq") else { return };
    let device = device().autodiff();
    let cases: Vec<String> =
        golden.names().iter().filter_map(|name| Some(name.strip_suffix(".codebooks_before")?.to_owned())).collect();
    assert!(!cases.is_empty());
    for case in cases {
        let quantizer = quantizer(&golden, &format!("{case}.codebooks_before"), &device);
        let id = quantizer.codebooks.id;
        let mut usage = CodeUsage::from_counts(counts(&golden, &format!("{case}.codebooks_used_before")));
        let threshold = golden.scalar(&format!("{case}.threshold"));
        if golden.has(&format!("{case}.unused_mask")) {
            let unused: Vec<i64> = usage.unused(threshold).into_iter().map(i64::from).collect();
            assert_eq!(unused, golden.integers(&format!("{case}.unused_mask")), "{case}");
        }
        let replacement = Replacement::with_permutation(&usage, threshold, |count| {
            // A case in which nothing is replaced has no permutation to replay.
            if !golden.has(&format!("{case}.perm")) {
                return (0..count).collect();
            }
            let order = golden.integers(&format!("{case}.perm"));
            assert_eq!(order.len(), count, "{case}");
            order.into_iter().map(|index| index as usize).collect()
        });
        if golden.has(&format!("{case}.source_index")) {
            let unused = usage.unused(threshold);
            let sources = replacement.sources().iter().zip(unused).filter(|(_, unused)| *unused);
            let sources: Vec<i64> = sources.map(|(source, _)| *source as i64).collect();
            assert_eq!(sources, golden.integers(&format!("{case}.source_index")), "{case}");
        }
        let noise = Tensor::ones(quantizer.codebooks.dims(), &device);
        let quantizer = replacement.apply(quantizer, noise);
        golden.check(&format!("{case}.codebooks_after"), quantizer.codebooks.val(), absolute(REPLACED));
        assert_eq!(quantizer.codebooks.id, id);
        assert!(quantizer.codebooks.val().is_require_grad(), "a replaced codebook goes on learning");
        usage.reset();
        assert_eq!(usage.counts(), counts(&golden, &format!("{case}.codebooks_used_after")));
    }
}

#[test]
fn schedule_of_replacements_is_the_references() {
    let config = ReplacementConfig::default();
    let due = |range: std::ops::Range<u64>| range.filter(|step| config.is_due(*step)).collect::<Vec<_>>();
    assert_eq!(due(0..1_002), (1..=10).map(|count| count * 100).collect::<Vec<_>>());
    assert_eq!(due(1_001..10_001), (2..=10).map(|count| count * 1_000).collect::<Vec<_>>());
    assert_eq!(due(10_001..40_001), (6..=20).map(|count| count * 2_000).collect::<Vec<_>>());
    assert_eq!(due(40_001..90_001), (14..=30).map(|count| count * 3_000).collect::<Vec<_>>());
    assert_eq!(due(90_001..200_000), (19..24).map(|count| count * 5_000).collect::<Vec<_>>());
}

#[test]
fn drawn_replacements_copy_each_used_code_as_rarely_as_possible() {
    let mut random = <rand_chacha::ChaCha8Rng as rand::SeedableRng>::seed_from_u64(1);
    let usage = CodeUsage::from_counts(vec![0, 40, 0, 0, 60, 0, 0, 0]);
    let replacement = Replacement::draw(&usage, 0.015, &mut random);
    assert_eq!(replacement.replaced(), 6);
    for used in [1, 4] {
        assert_eq!(replacement.sources()[used], used);
        assert_eq!(replacement.sources().iter().filter(|source| **source == used).count(), 1 + 3);
    }
}
