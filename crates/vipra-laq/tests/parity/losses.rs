//! How the losses add up (golden `laq_losses_raft`), and what masked frames count.

use burn::tensor::{Bool, Tensor};
use vipra_laq::loss::{LossWeights, masked_l1, transition_mask};

use crate::golden::{Golden, Tolerance, device};

#[test]
fn parity_total_over_the_course_of_training() {
    let Some(golden) = Golden::open("laq_losses_raft") else { return };
    let device = device();
    let parts = golden.floats("compose.in");
    let part = |index: usize| Tensor::<1>::from_data([parts[index]], &device);
    let weights = LossWeights::default();
    // As the golden documents: two steps of its own, then those of the schedule.
    let steps = [0, 59_999].into_iter().chain(golden.integers("schedule.step"));
    let totals: Vec<f32> = steps
        .map(|step| weights.total(step as u64, part(0), Some(part(1)), Some(part(2))).into_scalar::<f32>())
        .collect();
    golden.check_values("compose.total_at_step", &totals, Tolerance { relative: 1e-6, absolute: 0.0 });
}

#[test]
fn masked_frames_count_nowhere() {
    let device = device();
    let frames = Tensor::<2, Bool>::from_data([[true, true, false, true], [false, true, true, true]], &device);
    let transitions = transition_mask(frames);
    let expected = Tensor::<2, Bool>::from_data([[true, false, false], [false, true, true]], &device);
    assert!(transitions.clone().equal(expected).all().into_scalar::<bool>());
    let target = Tensor::<5>::zeros([2, 3, 3, 2, 2], &device);
    let far_off = transitions.clone().float().reshape([2, 3, 1, 1, 1]).sub_scalar(1.0) * 1e3;
    let loss = masked_l1(target.clone() + far_off + 0.25, target.clone(), Some(transitions));
    assert!((loss.into_scalar::<f32>() - 0.25).abs() < 1e-6);
    let none = Tensor::<2, Bool>::from_data([[false; 3]; 2], &device);
    assert_eq!(masked_l1(target.clone() + 1.0, target, Some(none)).into_scalar::<f32>(), 0.0);
}
