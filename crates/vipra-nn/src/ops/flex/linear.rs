//! Kernel of the linear layer.

use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::backend::ops::FloatTensorOps;
use burn::tensor::Shape;

use super::Kernel;
use super::memory::{last_size, row_major, sizes, slice, tensor};
use super::parallel::{fill_rows, sum_rows};
use super::vectorize::vectorized;

/// `x·weight + bias`. Inputs: `x` `[.., input]`, weight `[input, output]`, bias `[output]` if there is one.
///
/// All leading axes are rows of one large product. The framework itself multiplies batch by batch, and in the backward
/// pass keeps a gradient of the weight for each of them.
#[derive(Debug)]
pub(in crate::ops) struct Linear {
    /// Whether the last input is a bias.
    pub bias: bool,
}

/// `[.., width]` → `[rows, width]`
fn as_matrix(x: &FlexTensor) -> FlexTensor {
    let width = last_size(x);
    let x = row_major(x);
    let rows = slice(&x).len() / width.max(1);
    Flex::float_reshape(x, Shape::from([rows, width]))
}

vectorized! {
    fn add_to_rows(rows: &mut [f32], bias: &[f32]) {
        for row in rows.chunks_exact_mut(bias.len()) {
            row.iter_mut().zip(bias).for_each(|(x, bias)| *x += bias);
        }
    }
}

impl Kernel for Linear {
    fn forward(&self, inputs: &[FlexTensor]) -> FlexTensor {
        let mut shape = sizes(&inputs[0]);
        let mut out = Flex::float_matmul(as_matrix(&inputs[0]), inputs[1].clone());
        let width = last_size(&out);
        if let Some(last) = shape.last_mut() {
            *last = width;
        }
        if self.bias {
            let bias = row_major(&inputs[2]);
            let bias = slice(&bias);
            fill_rows(out.storage_mut(), width, |_, run| add_to_rows(run, bias));
        }
        Flex::float_reshape(out, Shape::from(shape))
    }

    fn backward(&self, inputs: &[FlexTensor], gradient: &FlexTensor, wanted: &[bool]) -> Vec<Option<FlexTensor>> {
        let rows = as_matrix(gradient);
        let to_x = wanted[0].then(|| {
            let to_x = Flex::float_matmul(rows.clone(), Flex::float_swap_dims(inputs[1].clone(), 0, 1));
            Flex::float_reshape(to_x, Shape::from(sizes(&inputs[0])))
        });
        let to_weight =
            wanted[1].then(|| Flex::float_matmul(Flex::float_swap_dims(as_matrix(&inputs[0]), 0, 1), rows.clone()));
        let mut parts = vec![to_x, to_weight];
        if self.bias {
            let width = last_size(&rows);
            parts.push(wanted[2].then(|| tensor(sum_rows(slice(&rows), width), [width])));
        }
        parts
    }
}
