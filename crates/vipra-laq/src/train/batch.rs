//! Clips as tensors.

use burn::tensor::{Bool, Device, Tensor, TensorData};
use vipra_data::clip::Clip;
use vipra_nn::pixels::push_planes;

/// A batch of clips.
#[derive(Debug, Clone)]
pub struct Batch {
    /// `[batch, time, 3, height, width]` in [0, 1].
    pub clips: Tensor<5>,
    /// True where a frame is real, `[batch, time]`.
    pub mask: Tensor<2, Bool>,
}

/// Makes a batch of clips of one size.
pub(super) fn batch_of(clips: &[Clip], device: &Device) -> Batch {
    let (time, height, width) = clips.first().map_or((0, 0, 0), |clip| (clip.mask.len(), clip.height, clip.width));
    let pixels = height * width;
    let mut values = Vec::with_capacity(clips.len() * time * 3 * pixels);
    for frame in clips.iter().flat_map(|clip| clip.frames.chunks_exact(3 * pixels)) {
        push_planes(frame, &mut values);
    }
    let mask: Vec<bool> = clips.iter().flat_map(|clip| clip.mask.iter().copied()).collect();
    Batch {
        clips: Tensor::from_data(TensorData::new(values, [clips.len(), time, 3, height, width]), device),
        mask: Tensor::from_data(TensorData::new(mask, [clips.len(), time]), device),
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use vipra_data::clip::Clip;

    use super::batch_of;

    #[test]
    fn channels_become_planes() {
        let frames = vec![255, 0, 51, 0, 255, 102];
        let clip = Clip { width: 2, height: 1, frames, mask: vec![true], ..Clip::default() };
        let batch = batch_of(&[clip.clone(), clip], &Device::flex());
        assert_eq!(batch.clips.dims(), [2, 1, 3, 1, 2]);
        let values: Vec<f32> = batch.clips.into_data().iter::<f32>().collect();
        assert_eq!(values[..6], [1.0, 0.0, 0.0, 1.0, 0.2, 0.4]);
    }
}
