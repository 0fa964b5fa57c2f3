//! The forward and backward passes of a step.

use std::time::Instant;

use burn::optim::GradientsParams;
use burn::tensor::{ElementConversion, Tensor};

use crate::Result;
use crate::clock::Clock;
use crate::config::TrainConfig;
use crate::gradients::accumulate;
use crate::stage::{Losses, Scalars, Stage, Step};

/// Result of the forward and backward passes of a step.
pub(crate) struct Passes {
    /// Mean loss of the passes.
    pub(crate) loss: f64,
    /// Terms of the mean loss, if the step is logged.
    pub(crate) parts: Scalars,
    /// Gradients of the mean loss.
    pub(crate) gradients: GradientsParams,
}

/// Runs the forward and backward passes of one step.
pub(crate) fn forward_backward<S: Stage>(
    stage: &mut S,
    model: &S::Model,
    config: &TrainConfig,
    step: &mut Step,
    clock: &mut Clock,
) -> Result<Passes> {
    let share = 1.0 / config.accumulation as f64;
    let (mut loss, mut parts, mut gradients) = (0.0, Scalars::new(), None);
    for _ in 0..config.accumulation {
        let before = Instant::now();
        let batch = stage.next_batch()?;
        clock.waited += before.elapsed();
        let Losses { total, parts: terms } = stage.loss(model, batch, step)?;
        let of_pass = scalar(total.clone());
        loss += of_pass * share;
        if step.is_logged {
            add_parts(&mut parts, terms, share);
        }
        if !of_pass.is_finite() {
            // The step will be skipped, and its gradient is not needed.
            continue;
        }
        let new = GradientsParams::from_grads((total * share).backward(), model);
        gradients = Some(accumulate(model, gradients, new));
    }
    Ok(Passes { loss, parts, gradients: gradients.unwrap_or_default() })
}

fn add_parts(parts: &mut Scalars, terms: Vec<(&'static str, Tensor<1>)>, share: f64) {
    for (name, term) in terms {
        let value = scalar(term) * share;
        match parts.iter_mut().find(|(known, _)| known == name) {
            Some((_, sum)) => *sum += value,
            None => parts.push((name.to_owned(), value)),
        }
    }
}

fn scalar(tensor: Tensor<1>) -> f64 {
    tensor.detach().into_scalar::<f32>().elem()
}
