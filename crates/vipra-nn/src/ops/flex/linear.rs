//! Kernel of the linear layer.

use burn::backend::flex::FlexTensor;

use super::Kernel;
use super::memory::{last_size, row_major, sizes, slice, tensor};
use super::parallel::{change_rows, sum_rows};
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

/// A matrix in memory, as it stands or turned over.
#[derive(Clone, Copy)]
struct Matrix<'a> {
    numbers: &'a [f32],
    rows: usize,
    columns: usize,
    /// Whether the numbers stand column by column.
    turned: bool,
}

impl<'a> Matrix<'a> {
    /// `[.., columns]`, row by row.
    fn new(numbers: &'a [f32], columns: usize) -> Self {
        Self { numbers, rows: numbers.len() / columns.max(1), columns, turned: false }
    }

    fn transpose(self) -> Self {
        Self { rows: self.columns, columns: self.rows, turned: !self.turned, ..self }
    }

    /// Distances of neighbouring columns and of neighbouring rows.
    fn strides(&self) -> (isize, isize) {
        if self.turned { (self.rows as isize, 1) } else { (1, self.columns as isize) }
    }
}

/// Products smaller than this are not worth a second thread.
const PARALLEL: usize = 1 << 20;

/// `a·b`, row by row.
fn multiply(a: Matrix, b: Matrix) -> Vec<f32> {
    let (rows, depth, columns) = (a.rows, a.columns, b.columns);
    assert_eq!(depth, b.rows, "the inner sizes of a product agree");
    if depth == 0 {
        return vec![0.0; rows * columns];
    }
    let parallelism =
        if rows * columns * depth < PARALLEL { gemm::Parallelism::None } else { gemm::Parallelism::Rayon(0) };
    let ((a_column, a_row), (b_column, b_row)) = (a.strides(), b.strides());
    let mut out = Vec::with_capacity(rows * columns);
    // SAFETY: both operands are as long as their sizes say; the result has room for `rows·columns` numbers, all of which
    // are written before it says that it has them, and none is read (`read_dst` is false).
    unsafe {
        gemm::gemm(
            rows,
            columns,
            depth,
            out.as_mut_ptr(),
            1,
            columns as isize,
            false,
            a.numbers.as_ptr(),
            a_column,
            a_row,
            b.numbers.as_ptr(),
            b_column,
            b_row,
            0.0,
            1.0,
            false,
            false,
            false,
            parallelism,
        );
        out.set_len(rows * columns);
    }
    out
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
        let (x, weight) = (row_major(&inputs[0]), row_major(&inputs[1]));
        let width = last_size(&weight);
        let mut out = multiply(Matrix::new(slice(&x), last_size(&x)), Matrix::new(slice(&weight), width));
        if self.bias {
            let bias = row_major(&inputs[2]);
            change_rows(&mut out, width, |_, run| add_to_rows(run, slice(&bias)));
        }
        let mut shape = sizes(&x);
        if let Some(last) = shape.last_mut() {
            *last = width;
        }
        tensor(out, shape)
    }

    fn backward(&self, inputs: &[FlexTensor], gradient: &FlexTensor, wanted: &[bool]) -> Vec<Option<FlexTensor>> {
        let (x, weight, gradient) = (row_major(&inputs[0]), row_major(&inputs[1]), row_major(gradient));
        let width = last_size(&weight);
        let rows = Matrix::new(slice(&gradient), width);
        let to_x = wanted[0].then(|| {
            let to_x = multiply(rows, Matrix::new(slice(&weight), width).transpose());
            tensor(to_x, sizes(&x))
        });
        let to_weight = wanted[1].then(|| {
            let to_weight = multiply(Matrix::new(slice(&x), last_size(&x)).transpose(), rows);
            tensor(to_weight, sizes(&weight))
        });
        let mut parts = vec![to_x, to_weight];
        if self.bias {
            parts.push(wanted[2].then(|| tensor(sum_rows(slice(&gradient), width), [width])));
        }
        parts
    }
}
