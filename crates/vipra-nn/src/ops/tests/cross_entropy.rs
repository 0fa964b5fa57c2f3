use burn::tensor::Tensor;

use super::{compare, device, numbers, random};
use crate::ops::cross_entropy::{cross_entropy, cross_entropy_unfused};

#[test]
fn cross_entropy_equals_its_chain() {
    for [rows, classes] in [[1, 1], [3, 9], [70, 514]] {
        let logits = (random([rows, classes]) * 5.0).detach().require_grad();
        let targets: Vec<u32> = (0..rows).map(|row| (row * 7 % classes) as u32).collect();
        let weights: Vec<f32> = (0..rows).map(|row| (row % 3) as f32 / rows as f32).collect();
        compare!(
            "cross entropy",
            [logits],
            cross_entropy(logits.clone(), &targets, &weights),
            cross_entropy_unfused(logits.clone(), &targets, &weights)
        );
    }
}

#[test]
fn large_logits_do_not_overflow() {
    let logits = Tensor::<2>::from_data([[1e4, -1e4, 0.0]], &device()).require_grad();
    let loss = numbers(&cross_entropy(logits, &[1], &[1.0]));
    assert_eq!(loss, [2e4]);
}
