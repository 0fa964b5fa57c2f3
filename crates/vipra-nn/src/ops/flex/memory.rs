//! From the framework's tensors to slices and back.

use burn::backend::DType;
use burn::backend::flex::{FlexTensor, Layout};
use burn::tensor::{Bytes, Shape};

/// The tensor with its numbers in row-major order, which costs a copy only where they are not.
pub(super) fn row_major(tensor: &FlexTensor) -> FlexTensor {
    tensor.to_contiguous()
}

/// Numbers of a tensor that went through [`row_major`].
pub(super) fn slice(tensor: &FlexTensor) -> &[f32] {
    let numbers = tensor.storage::<f32>();
    match tensor.layout().contiguous_offsets() {
        Some((start, end)) => &numbers[start..end],
        None => unreachable!("the tensor is in row-major order"),
    }
}

/// Numbers to a tensor of the shape.
pub(super) fn tensor(numbers: Vec<f32>, shape: impl Into<Shape>) -> FlexTensor {
    FlexTensor::new(Bytes::from_elems(numbers), Layout::contiguous(shape.into()), DType::F32)
}

/// Sizes of a tensor's axes.
pub(super) fn sizes(tensor: &FlexTensor) -> Vec<usize> {
    tensor.layout().shape().to_vec()
}

/// Length of the vectors along the last axis.
pub(super) fn last_size(tensor: &FlexTensor) -> usize {
    sizes(tensor).last().copied().unwrap_or(1)
}
