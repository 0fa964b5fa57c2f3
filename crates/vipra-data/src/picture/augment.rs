//! Augmentation: one random crop and one change of colours for all frames of a clip.
//!
//! The operations and ranges are the reference's (reference 7, after albumentations): crop, brightness and contrast,
//! hue, saturation and value. What is random is drawn once per clip, so that motion inside of it stays true.

use std::f64::consts::TAU;

use palette::{FromColor, Hsv, ShiftHueAssign, Srgb};
use rand::{Rng, RngExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::resize::Region;

/// Ranges of the random changes; all zero (and area 1) changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AugmentConfig {
    /// Area of the random crop, as a fraction of the picture's; 1 does not crop (ViPRA's code: 0.9).
    #[schemars(range(min = 0.01, max = 1.0))]
    pub crop_area: f64,
    /// Largest change of brightness, as a fraction of full scale (ViPRA's code: 0.2).
    #[schemars(range(min = 0.0, max = 1.0))]
    pub brightness: f32,
    /// Largest change of contrast, as a fraction (ViPRA's code: 0.2).
    #[schemars(range(min = 0.0, max = 1.0))]
    pub contrast: f32,
    /// Largest turn of the hue, in degrees (ViPRA's code: 5 of OpenCV's half degrees, that is 10).
    #[schemars(range(min = 0.0, max = 180.0))]
    pub hue_degrees: f32,
    /// Largest change of saturation, as a fraction of full scale (ViPRA's code: 20 of 255).
    #[schemars(range(min = 0.0, max = 1.0))]
    pub saturation: f32,
    /// Largest change of value, as a fraction of full scale (ViPRA's code: 20 of 255).
    #[schemars(range(min = 0.0, max = 1.0))]
    pub value: f32,
}

impl Default for AugmentConfig {
    fn default() -> Self {
        AugmentConfig { crop_area: 1.0, brightness: 0.0, contrast: 0.0, hue_degrees: 0.0, saturation: 0.0, value: 0.0 }
    }
}

impl AugmentConfig {
    /// The ranges of the reference's finetuning (reference 7).
    pub fn reference() -> Self {
        let levels = 20.0 / 255.0;
        AugmentConfig {
            crop_area: 0.9,
            brightness: 0.2,
            contrast: 0.2,
            hue_degrees: 10.0,
            saturation: levels,
            value: levels,
        }
    }

    /// Draws one augmentation.
    pub fn draw(&self, rng: &mut impl Rng) -> Augmentation {
        let side = self.crop_area.sqrt();
        let mut within = |limit: f32| if limit > 0.0 { rng.random_range(-limit..=limit) } else { 0.0 };
        let (brightness, contrast) = (within(self.brightness), within(self.contrast));
        let (hue_degrees, saturation, value) = (within(self.hue_degrees), within(self.saturation), within(self.value));
        let mut offset = || rng.random::<f64>() * (1.0 - side);
        let region = Region { left: offset(), top: offset(), width: side, height: side };
        Augmentation { region, brightness, contrast, hue_degrees, saturation, value }
    }

    /// What a model that was trained with this augmentation sees at inference: the centred crop, true colours.
    pub fn at_inference(&self) -> Augmentation {
        let side = self.crop_area.sqrt();
        Augmentation { region: Region::centered(side, side), ..Augmentation::NONE }
    }

    /// For predictions that are averaged over several crops: the centred one, and the others in a circle around it, as far
    /// out as random crops are on average.
    pub fn around_center(&self, crops: usize) -> Vec<Region> {
        let side = self.crop_area.sqrt();
        let center = Region::centered(side, side);
        let radius = MEAN_DISTANCE * (1.0 - side);
        let others = crops.saturating_sub(1);
        let circle = (0..others).map(|at| {
            let (down, right) = (TAU * at as f64 / others as f64).sin_cos();
            Region { left: center.left + radius * right, top: center.top + radius * down, ..center }
        });
        std::iter::once(center).chain(circle).collect()
    }
}

/// Of a random point of the unit square, from its middle.
const MEAN_DISTANCE: f64 = 0.3826;

/// One augmentation, drawn for one clip.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Augmentation {
    /// The part of the picture that is kept.
    pub region: Region,
    /// Added, as a fraction of full scale.
    pub brightness: f32,
    /// Pixels are multiplied by 1 + this.
    pub contrast: f32,
    /// Added to the hue.
    pub hue_degrees: f32,
    /// Added to the saturation.
    pub saturation: f32,
    /// Added to the value.
    pub value: f32,
}

impl Augmentation {
    /// No change.
    pub const NONE: Augmentation = Augmentation {
        region: Region::WHOLE,
        brightness: 0.0,
        contrast: 0.0,
        hue_degrees: 0.0,
        saturation: 0.0,
        value: 0.0,
    };

    /// Changes the colours of `pixels`, `[…, 3]`, in place. The crop is the resizer's.
    pub fn recolor(&self, pixels: &mut [u8]) {
        if self.brightness != 0.0 || self.contrast != 0.0 {
            let table = self.brightness_contrast_table();
            pixels.iter_mut().for_each(|level| *level = table[usize::from(*level)]);
        }
        if self.hue_degrees != 0.0 || self.saturation != 0.0 || self.value != 0.0 {
            pixels.as_chunks_mut::<3>().0.iter_mut().for_each(|rgb| *rgb = self.shift_hsv(*rgb));
        }
    }

    fn brightness_contrast_table(&self) -> [u8; 256] {
        std::array::from_fn(|level| {
            let changed = level as f32 * (1.0 + self.contrast) + self.brightness * 255.0;
            changed.clamp(0.0, 255.0) as u8
        })
    }

    fn shift_hsv(&self, rgb: [u8; 3]) -> [u8; 3] {
        let mut hsv = Hsv::from_color(Srgb::from(rgb).into_format::<f32>());
        hsv.shift_hue_assign(self.hue_degrees);
        hsv.saturation = (hsv.saturation + self.saturation).clamp(0.0, 1.0);
        hsv.value = (hsv.value + self.value).clamp(0.0, 1.0);
        Srgb::from_color(hsv).into_format::<u8>().into()
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn crops_around_the_center_are_those_that_are_drawn() {
        let config = AugmentConfig { crop_area: 0.81, ..AugmentConfig::default() };
        assert_eq!(config.around_center(1), [config.at_inference().region]);
        let crops = config.around_center(6);
        assert_eq!(crops.len(), 6);
        let mean = |of: fn(&Region) -> f64| crops.iter().map(of).sum::<f64>() / 6.0;
        assert!((mean(|crop| crop.left) - 0.05).abs() < 1e-9 && (mean(|crop| crop.top) - 0.05).abs() < 1e-9);
        for (at, crop) in crops.iter().enumerate() {
            assert!((0.0..=0.1).contains(&crop.left) && (0.0..=0.1).contains(&crop.top) && crop.width == 0.9);
            assert!(!crops[..at].contains(crop), "{crop:?} comes twice");
        }
    }

    #[test]
    fn none_changes_nothing() {
        let mut pixels: Vec<u8> = (0..=255).collect();
        pixels.truncate(255);
        let before = pixels.clone();
        Augmentation::NONE.recolor(&mut pixels);
        assert_eq!(pixels, before);
    }

    #[test]
    fn brightness_and_contrast_follow_albumentations() {
        let mut pixels = [0, 100, 200];
        Augmentation { brightness: 0.1, contrast: 0.2, ..Augmentation::NONE }.recolor(&mut pixels);
        // 255·0.1 = 25.5; 100·1.2 + 25.5; 200·1.2 + 25.5 = 265.5
        assert_eq!(pixels, [25, 145, 255]);
    }

    #[test]
    fn a_turn_of_120_degrees_makes_red_green() {
        let mut pixels = [255, 0, 0];
        Augmentation { hue_degrees: 120.0, ..Augmentation::NONE }.recolor(&mut pixels);
        assert_eq!(pixels, [0, 255, 0]);
    }

    #[test]
    fn a_small_value_shift_brightens_grey_without_tint() {
        let mut pixels = [100, 100, 100];
        Augmentation { value: 20.0 / 255.0, ..Augmentation::NONE }.recolor(&mut pixels);
        assert_eq!(pixels, [120, 120, 120]);
    }

    #[test]
    fn drawn_crops_stay_inside_and_have_the_area() {
        let config = AugmentConfig::reference();
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for _ in 0..1000 {
            let region = config.draw(&mut rng).region;
            assert!(region.left >= 0.0 && region.left + region.width <= 1.0 + 1e-12);
            assert!(region.top >= 0.0 && region.top + region.height <= 1.0 + 1e-12);
            assert!((region.width * region.height - 0.9).abs() < 1e-12);
        }
    }
}
