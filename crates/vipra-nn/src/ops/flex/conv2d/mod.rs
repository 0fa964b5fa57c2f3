//! Kernel of the convolution over height and width.
//!
//! The usual way writes each number of the image as often as taps see it, and then lets a product pack what was written. Here
//! the image is put down once, padded ([`Lattice`]), so that what a tap sees of all places is a run of memory, and the product
//! reads those runs as its rows. The gradient of the image is a convolution as well, one for each remainder of the stride.

mod input_gradient;
mod lattice;
mod pass;
mod scratch;
mod tile;
mod unwritten;
mod weight_gradient;

use burn::backend::flex::FlexTensor;

use self::lattice::Lattice;
use self::pass::{Pass, packed};
use self::unwritten::Unwritten;
use super::Kernel;
use super::memory::{row_major, sizes, slice, tensor};

/// A convolution. Inputs: `x` `[batch, channels, height, width]`, weight `[out, channels, taps, taps]`, bias `[out]` if there
/// is one.
#[derive(Debug)]
pub(in crate::ops) struct Conv2d {
    /// Along both axes.
    pub stride: usize,
    /// Rows and columns of zeros before the first ones.
    pub before: [usize; 2],
    /// Height and width of the result.
    pub result: [usize; 2],
    /// Whether the last input is a bias.
    pub bias: bool,
}

impl Conv2d {
    /// How the result sees the input.
    fn lattice(&self, x: &[usize], weight: &[usize]) -> Lattice {
        Lattice {
            channels: x[1],
            image: [x[2], x[3]],
            places: self.result,
            taps: [weight[2], weight[3]],
            stride: self.stride,
            before: self.before.map(|before| before as isize),
        }
    }

    /// The gradient of the input, of these sizes.
    fn to_x(&self, x: &[usize], weight: &FlexTensor, gradients: &[f32]) -> FlexTensor {
        let count = x.iter().product();
        let mut out = Vec::with_capacity(count);
        let unwritten = Unwritten::behind(&mut out);
        for pass in input_gradient::passes(self, x, &sizes(weight), slice(weight)) {
            // SAFETY: nobody else knows of the result, and one pass comes after the other.
            unsafe { pass.run(gradients, None, &unwritten) };
        }
        // SAFETY: each row and column has one remainder of the stride, and the pass of that has written all of them.
        unsafe { out.set_len(count) };
        tensor(out, x.to_vec())
    }
}

impl Kernel for Conv2d {
    fn forward(&self, inputs: &[FlexTensor]) -> FlexTensor {
        let (x, weight) = (row_major(&inputs[0]), row_major(&inputs[1]));
        let bias = self.bias.then(|| row_major(&inputs[2]));
        let (of_x, of_weight) = (sizes(&x), sizes(&weight));
        let lattice = self.lattice(&of_x, &of_weight);
        let (channels, depth) = (of_weight[0], lattice.depth());
        let in_order: Vec<usize> = (0..depth).collect();
        let pass = Pass {
            lattice,
            channels,
            weight: packed(channels, slice(&weight), depth, &in_order),
            result: self.result,
            first: [0, 0],
            step: 1,
        };
        let shape = vec![of_x[0], channels, self.result[0], self.result[1]];
        let count = shape.iter().product();
        let mut out = Vec::with_capacity(count);
        // SAFETY: nobody else knows of the result; it says that it has its numbers when all of them are written.
        unsafe {
            pass.run(slice(&x), bias.as_ref().map(slice), &Unwritten::behind(&mut out));
            out.set_len(count);
        }
        tensor(out, shape)
    }

    fn backward(&self, inputs: &[FlexTensor], gradient: &FlexTensor, wanted: &[bool]) -> Vec<Option<FlexTensor>> {
        let (x, weight, gradient) = (row_major(&inputs[0]), row_major(&inputs[1]), row_major(gradient));
        let (of_x, of_weight) = (sizes(&x), sizes(&weight));
        let to_x = wanted[0].then(|| self.to_x(&of_x, &weight, slice(&gradient)));
        let mut parts = vec![to_x, None];
        if self.bias {
            parts.push(None);
        }
        if wanted[1..].contains(&true) {
            let lattice = self.lattice(&of_x, &of_weight);
            let (to_weight, to_bias) = weight_gradient::gradients(&lattice, of_weight[0], slice(&x), slice(&gradient));
            let to_bias = tensor(to_bias, [of_weight[0]]);
            parts.splice(1.., [Some(tensor(to_weight, of_weight)), Some(to_bias)].into_iter().take(wanted.len() - 1));
        }
        parts
    }
}
