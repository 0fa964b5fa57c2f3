//! Pixels between bytes and tensors.

use burn::tensor::{Device, Tensor, TensorData};

/// Pictures as a tensor.
///
/// # Shapes
/// `bytes`: `[pictures, height, width, 3]` in 0..=255 → `[pictures, 3, height, width]` in [0, 1]
pub fn from_bytes(bytes: &[u8], [pictures, height, width]: [usize; 3], device: &Device) -> Tensor<4> {
    let mut values = Vec::with_capacity(bytes.len());
    bytes.chunks_exact((3 * height * width).max(1)).for_each(|picture| push_planes(picture, &mut values));
    Tensor::from_data(TensorData::new(values, [pictures, 3, height, width]), device)
}

/// `[height, width, 3]` in 0..=255 → `[3, height, width]` in [0, 1], appended.
pub fn push_planes(picture: &[u8], values: &mut Vec<f32>) {
    for channel in 0..3 {
        values.extend(picture.iter().skip(channel).step_by(3).map(|value| f32::from(*value) / 255.0));
    }
}

/// Pictures to look at: clipped to [0, 1] and rounded.
///
/// # Shapes
/// `[pictures, 3, height, width]` → `[pictures, height, width, 3]`
pub fn to_bytes(pictures: Tensor<4>) -> Vec<u8> {
    let [_, _, height, width] = pictures.dims();
    let pixels = height * width;
    let values: Vec<f32> = pictures.into_data().iter::<f32>().collect();
    let byte = |value: f32| (value.clamp(0.0, 1.0) * 255.0).round() as u8;
    let planes = values.chunks_exact((3 * pixels).max(1));
    planes
        .flat_map(|planes| (0..pixels).flat_map(|at| [0, 1, 2].map(|channel| byte(planes[channel * pixels + at]))))
        .collect()
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::{from_bytes, to_bytes};

    #[test]
    fn bytes_survive_the_way_there_and_back() {
        let bytes: Vec<u8> = (0..2 * 2 * 3 * 3).map(|value| value * 7).collect();
        let tensor = from_bytes(&bytes, [2, 2, 3], &Device::flex());
        assert_eq!(tensor.dims(), [2, 3, 2, 3]);
        let green = tensor.clone().slice([0..1, 1..2, 0..1, 1..2]).into_scalar::<f32>();
        assert_eq!(green, f32::from(bytes[4]) / 255.0);
        assert_eq!(to_bytes(tensor.clone()), bytes);
        assert_eq!(to_bytes(tensor * 9.0 - 4.0)[0], 0, "what is out of range is clipped");
    }
}
