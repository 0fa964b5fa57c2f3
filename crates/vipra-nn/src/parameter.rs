//! Parameters that something else than a gradient changes.

use burn::module::Param;
use burn::tensor::Tensor;

/// The parameter with a value that is made from its own without gradients. It keeps its id, and with it the optimiser's
/// moments, and goes on learning if it did.
///
/// # Shapes
/// `change`: any → the same
pub fn map_detached<const D: usize>(
    parameter: Param<Tensor<D>>,
    change: impl FnOnce(Tensor<D>) -> Tensor<D>,
) -> Param<Tensor<D>> {
    parameter.map(|value| {
        let (requires_gradient, is_autodiff) = (value.is_require_grad(), value.is_autodiff());
        let changed = change(value.without_autodiff());
        let changed = if is_autodiff { changed.autodiff() } else { changed };
        changed.set_require_grad(requires_gradient)
    })
}

#[cfg(test)]
mod tests {
    use burn::module::Param;
    use burn::tensor::{Device, Tensor};

    use super::map_detached;

    fn numbers(x: Tensor<1>) -> Vec<f32> {
        x.into_data().iter::<f32>().collect()
    }

    #[test]
    fn a_changed_parameter_keeps_its_id_and_goes_on_learning() {
        for device in [Device::flex(), Device::flex().autodiff()] {
            let parameter = Param::from_tensor(Tensor::<1>::from_data([1.0, -2.0], &device));
            let (id, is_learning) = (parameter.id, parameter.val().is_require_grad());
            let changed = map_detached(parameter, |value| {
                assert!(!value.is_autodiff());
                value * 3.0
            });
            assert_eq!((changed.id, changed.val().is_require_grad()), (id, is_learning));
            assert_eq!(numbers(changed.val()), [3.0, -6.0]);
        }
    }

    #[test]
    fn the_gradient_ends_at_the_changed_value() {
        let parameter = Param::from_tensor(Tensor::<1>::from_data([1.0, -2.0], &Device::flex().autodiff()));
        let changed = map_detached(parameter, |value| value * 3.0).val();
        let gradients = (changed.clone() * 5.0).sum().backward();
        assert_eq!(numbers(changed.grad(&gradients).unwrap()), [5.0, 5.0]);
    }
}
