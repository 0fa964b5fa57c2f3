//! Loss on the difference of two flows.

use burn::tensor::{Bool, Int, Tensor};

use crate::Result;

/// Something that finds the flow between pictures.
pub trait FlowEstimator {
    /// Flow from the picture `from[i]` to the picture `to[i]`, for each pair `i`. Gradients reach `pictures`.
    ///
    /// Pictures are given once and paired by index, so that what is found out about a picture on its own is found out
    /// once however many pairs it is in.
    ///
    /// # Shapes
    /// `pictures`: `[pictures, 3, height, width]` in [0, 1], `from`, `to`: `[pairs]` → `[pairs, 2, height, width]`
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) for pictures that are too small.
    fn flow(&self, pictures: Tensor<4>, from: Tensor<1, Int>, to: Tensor<1, Int>) -> Result<Tensor<4>>;
}

/// Mean absolute difference between the flows of rebuilt and of true frames, forward and backward:
/// `½·Σ m·(|f̂ − f| forward + |f̂ − f| backward) / (Σm·2·H·W)` over pairs of neighbouring frames that both count
/// (reference 4). Pairs that do not count are not estimated; zero if none does.
///
/// # Shapes
/// `frames`, `targets`: `[batch, time, 3, height, width]` in [0, 1], `mask`: `[batch, time]`, all count if there is none →
/// `[1]`
///
/// # Errors
/// As the estimator's.
pub fn flow_consistency(
    estimator: &dyn FlowEstimator,
    frames: Tensor<5>,
    targets: Tensor<5>,
    mask: Option<Tensor<2, Bool>>,
) -> Result<Tensor<1>> {
    let [batch, time, channels, height, width] = frames.dims();
    let device = frames.device();
    let counts: Vec<bool> = match mask {
        Some(mask) => mask.into_data().iter::<bool>().collect(),
        None => vec![true; batch * time],
    };
    let earlier: Vec<i64> = (0..batch * time)
        .filter(|frame| (frame + 1) % time != 0 && counts[*frame] && counts[frame + 1])
        .map(|frame| frame as i64)
        .collect();
    if earlier.is_empty() {
        return Ok(Tensor::zeros([1], &device));
    }
    let later: Vec<i64> = earlier.iter().map(|frame| frame + 1).collect();
    let indices = |first: &[i64], second: &[i64]| {
        Tensor::<1, Int>::from_data([first, second].concat().as_slice(), &device.clone().without_autodiff())
    };
    // Forward flows first, then the same pairs backward.
    let from = indices(&earlier, &later);
    let to = indices(&later, &earlier);
    let flatten = |frames: Tensor<5>| frames.reshape([batch * time, channels, height, width]);
    let wanted = estimator.flow(flatten(targets.without_autodiff()), from.clone(), to.clone())?;
    let found = estimator.flow(flatten(frames), from, to)?;
    // The mean over both directions is half of the sum of the two means.
    Ok((found - wanted.detach()).abs().mean())
}
