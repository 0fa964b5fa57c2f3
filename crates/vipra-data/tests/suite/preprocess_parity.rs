//! Image operations against the numbers of torchvision, OpenCV and PIL (`preprocess.safetensors`).
//!
//! Tolerance: one level of 255, as the manifest says; the libraries differ by as much between their own code paths.

use safetensors::SafeTensors;
use vipra_data::Frame;
use vipra_data::picture::{Fit, ImageConfig, Region, Resampling, Resizer, short_side_size};

struct Goldens(Vec<u8>);

impl Goldens {
    fn open() -> Option<Self> {
        Some(Goldens(std::fs::read(crate::common::golden("preprocess.safetensors")?).unwrap()))
    }

    /// Shape and values as levels from 0 to 255; float tensors are `[channels, height, width]` in [0, 1].
    fn levels(&self, name: &str) -> (Vec<usize>, Vec<f64>) {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        let tensor = file.tensor(name).unwrap();
        let shape = tensor.shape().to_vec();
        match tensor.dtype() {
            safetensors::Dtype::U8 => (shape, tensor.data().iter().map(|&level| f64::from(level)).collect()),
            safetensors::Dtype::F32 => {
                let [channels, height, width] = shape[..] else { panic!("{name}: {shape:?}") };
                let value = |at: usize| f32::from_le_bytes(tensor.data()[at * 4..at * 4 + 4].try_into().unwrap());
                let at = |y: usize, x: usize, c: usize| (c * height + y) * width + x;
                let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (y, x)));
                let values =
                    pixels.flat_map(|(y, x)| (0..channels).map(move |c| f64::from(value(at(y, x, c))) * 255.0));
                (vec![height, width, channels], values.collect())
            }
            other => panic!("{name}: {other:?}"),
        }
    }

    fn input(&self) -> Frame {
        let (shape, levels) = self.levels("in.image_hwc_u8");
        Frame::from_pixels(shape[1], shape[0], levels.into_iter().map(|level| level as u8).collect()).unwrap()
    }
}

fn largest_difference(goldens: &Goldens, name: &str, fit: Fit, resampling: Resampling) -> f64 {
    let (shape, expected) = goldens.levels(name);
    let config = ImageConfig { width: shape[1], height: shape[0], fit, resampling };
    let mut found = vec![0; shape.iter().product()];
    Resizer::new(config).resize(&goldens.input(), Region::WHOLE, &mut found).unwrap();
    let differences = found.iter().zip(&expected).map(|(&found, expected)| (f64::from(found) - expected).abs());
    differences.fold(0.0, f64::max)
}

#[test]
fn resizing_parity_with_torchvision_opencv_and_pil() {
    let Some(goldens) = Goldens::open() else { return };
    for (name, fit, resampling) in [
        ("laq.train.resize28x28", Fit::Stretch, Resampling::BilinearAntialias),
        ("laq.latents.resize28_short", Fit::Stretch, Resampling::BilinearAntialias),
        ("laq.train.resize112x112_up", Fit::Stretch, Resampling::BilinearAntialias),
        ("vqgan.longest32_resize32_u8", Fit::LongestSideThenStretch, Resampling::Bilinear),
        ("server.lanczos32_u8", Fit::Stretch, Resampling::Lanczos),
    ] {
        let difference = largest_difference(&goldens, name, fit, resampling);
        println!("{name}: {difference:.4} levels");
        assert!(difference <= 1.0 + 1e-4, "{name}: {difference}");
    }
}

#[test]
fn short_side_parity_with_torchvision() {
    let Some(goldens) = Goldens::open() else { return };
    let (shape, _) = goldens.levels("laq.latents.resize28_short");
    let input = goldens.input();
    assert_eq!(short_side_size(input.width(), input.height(), shape[0].min(shape[1])), (shape[1], shape[0]));
}

#[test]
fn another_resampling_does_not_pass_for_the_right_one() {
    let Some(goldens) = Goldens::open() else { return };
    let wrong = largest_difference(&goldens, "laq.train.resize28x28", Fit::Stretch, Resampling::Bilinear);
    assert!(wrong > 1.0 + 1e-4, "{wrong}");
}
