//! The same numbers to the last bit from one thread and from many: a resumed run depends on it.

use burn::module::Param;
use burn::nn::conv::Conv2dConfig;
use burn::nn::{DropoutConfig, PaddingConfig2d};

use super::{Gradients, Numbers, device, framework_generator, numbers, random};
use crate::ops::activation::geglu_and_drop;
use crate::ops::attention::{CosineAttentionOptions, cosine_self_attention};
use crate::ops::conv2d::conv2d;
use crate::ops::linear::product;
use crate::ops::neighbourhood::add_neighbours;
use crate::ops::norm::{layer_norm, modulated_norm};
use crate::ops::{
    AnglePrecision, CachedAttentionOptions, KeysValues, Pairs, RotaryTable, TimePadding, cached_attention,
};

fn assert_threads_do_not_matter(run: impl Fn() -> Vec<Numbers> + Sync) {
    // Each pool has threads of its own, so `random` begins anew.
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(&run)
    };
    let alone = on(1);
    for threads in [2, 5] {
        assert!(on(threads) == alone, "{threads} threads give other numbers than one");
    }
}

#[test]
fn of_attention() {
    assert_threads_do_not_matter(|| {
        let (query, key_value) = (random([3, 17, 11, 32]), random([3, 17, 11, 64]));
        let (query_scale, key_scale, bias) = (random([16]), random([16]), random([2, 17, 17]));
        let rotary = Some(RotaryTable::new(17, 16, &device()));
        let options = CosineAttentionOptions {
            scale: 8.0,
            rotary,
            bias: Some(bias.clone()),
            ..CosineAttentionOptions::default()
        };
        let scales = (query_scale.clone(), key_scale.clone());
        let out = cosine_self_attention(query.clone(), key_value.clone(), scales.0, scales.1, options);
        let gradients = Gradients::of(&out);
        vec![
            numbers(&out),
            gradients.by(&query),
            gradients.by(&key_value),
            gradients.by(&query_scale),
            gradients.by(&key_scale),
            gradients.by(&bias),
        ]
    });
}

#[test]
fn of_attention_to_a_cache() {
    assert_threads_do_not_matter(|| {
        let attention = |positions| CachedAttentionOptions {
            heads: 4,
            rotary: RotaryTable::of(positions, 8, 1e4, AnglePrecision::Double, Pairs::Neighbours, &device()),
            left_padding: Some(vec![0, 3, 7]),
        };
        let held = KeysValues::new(random([3, 70, 96]).inner(), &attention(0..70));
        let out = cached_attention(random([3, 14, 96]).inner(), Some(&held), &attention(70..84));
        vec![numbers(&held.keys), numbers(&held.values), numbers(&out)]
    });
}

#[test]
fn of_linear_layers() {
    assert_threads_do_not_matter(|| {
        let (x, weight, bias) = (random([9, 130, 96]), random([96, 200]), random([200]));
        let out = product(x.clone(), weight.clone(), Some(bias.clone()));
        let gradients = Gradients::of(&out);
        vec![numbers(&out), gradients.by(&x), gradients.by(&weight), gradients.by(&bias)]
    });
}

#[test]
fn of_norms_and_gates() {
    let _alone = framework_generator();
    assert_threads_do_not_matter(|| {
        device().seed(3);
        let (x, weight, bias) = (random([4, 5, 130, 96]), random([96]), random([96]));
        let modulation = random([4, 5, 192]);
        let normal = layer_norm(x.clone(), Some(weight.clone()), Some(bias.clone()), 1e-5);
        let out = modulated_norm(normal, modulation.clone(), 1e-5);
        let out = geglu_and_drop(out, &DropoutConfig::new(0.1).init());
        let gradients = Gradients::of(&out);
        vec![numbers(&out), gradients.by(&x), gradients.by(&weight), gradients.by(&bias), gradients.by(&modulation)]
    });
}

#[test]
fn of_neighbours() {
    assert_threads_do_not_matter(|| {
        let (x, weight, bias) = (random([5, 7, 31, 40]), random([40, 1, 3, 3, 3]), random([40]));
        let out = add_neighbours(x.clone(), weight.clone(), bias.clone(), [5, 6], TimePadding::CAUSAL);
        let gradients = Gradients::of(&out);
        vec![numbers(&out), gradients.by(&x), gradients.by(&weight), gradients.by(&bias)]
    });
}

#[test]
fn of_convolutions() {
    assert_threads_do_not_matter(|| {
        let config = Conv2dConfig::new([6, 9], [3, 3]).with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1));
        let mut layer = config.init(&device());
        (layer.weight, layer.bias) = (Param::from_tensor(random([9, 6, 3, 3])), Some(Param::from_tensor(random([9]))));
        let (x, weight, bias) = (random([37, 6, 20, 19]), layer.weight.val(), layer.bias.as_ref().unwrap().val());
        let out = conv2d(&layer, x.clone());
        let gradients = Gradients::of(&out);
        vec![numbers(&out), gradients.by(&x), gradients.by(&weight), gradients.by(&bias)]
    });
}
