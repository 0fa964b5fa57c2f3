//! OpenCV's `INTER_LINEAR` for 8-bit pictures, in its fixed-point arithmetic.
//!
//! Not by `fast_image_resize`, which rounds to 8 bits between its horizontal and its vertical pass: two resizes in a row,
//! as the reference's policy does them, then differ from OpenCV's by two levels instead of at most one.

use super::resize::Region;
use crate::frame::Frame;

/// Weights are multiples of 1/2048.
const WEIGHT_BITS: u32 = 11;

/// For one output position: the left (or upper) of two source positions, the right (or lower) one, and their weights.
struct Tap {
    first: usize,
    second: usize,
    weights: [i32; 2],
}

/// The taps along one axis, for an `output` number of positions over `length` from `start` on, in pixels.
fn taps(start: f64, length: f64, output: usize, size: usize) -> Vec<Tap> {
    let scale = length / output as f64;
    (0..output)
        .map(|at| {
            let center = (start + (at as f64 + 0.5) * scale - 0.5).clamp(0.0, (size - 1) as f64) as f32;
            let first = center.floor() as usize;
            let fraction = center - first as f32;
            let one = (1 << WEIGHT_BITS) as f32;
            let weights =
                [((1.0 - fraction) * one).round_ties_even() as i32, (fraction * one).round_ties_even() as i32];
            Tap { first, second: (first + 1).min(size - 1), weights }
        })
        .collect()
}

/// Resizes the `region` of `frame` into `target`, `[height, width, 3]`.
pub(super) fn resize(frame: &Frame, region: Region, target: &mut [u8], width: usize, height: usize) {
    let (full_width, full_height) = (frame.width() as f64, frame.height() as f64);
    let columns = taps(region.left * full_width, region.width * full_width, width, frame.width());
    let rows = taps(region.top * full_height, region.height * full_height, height, frame.height());
    let mut upper = Line::new(width);
    let mut lower = Line::new(width);
    for (row, output) in rows.iter().zip(target.chunks_exact_mut(width * 3)) {
        if lower.of == Some(row.first) {
            std::mem::swap(&mut upper, &mut lower);
        }
        upper.fill(frame, row.first, &columns);
        lower.fill(frame, row.second, &columns);
        for ((output, upper), lower) in output.iter_mut().zip(&upper.values).zip(&lower.values) {
            // OpenCV's order of shifts; the sum has two bits left, which are rounded away.
            let sum = ((row.weights[0] * (upper >> 4)) >> 16) + ((row.weights[1] * (lower >> 4)) >> 16);
            *output = ((sum + 2) >> 2).clamp(0, 255) as u8;
        }
    }
}

/// A row of the source, resized horizontally; levels times 2048.
struct Line {
    of: Option<usize>,
    values: Vec<i32>,
}

impl Line {
    fn new(width: usize) -> Self {
        Line { of: None, values: vec![0; width * 3] }
    }

    fn fill(&mut self, frame: &Frame, row: usize, columns: &[Tap]) {
        if self.of == Some(row) {
            return;
        }
        let stride = frame.width() * 3;
        let source = &frame.pixels()[row * stride..(row + 1) * stride];
        for (values, tap) in self.values.chunks_exact_mut(3).zip(columns) {
            for (channel, value) in values.iter_mut().enumerate() {
                let level = |column: usize| i32::from(source[column * 3 + channel]);
                *value = level(tap.first) * tap.weights[0] + level(tap.second) * tap.weights[1];
            }
        }
        self.of = Some(row);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubling_interpolates_between_pixel_centres() {
        // cv2.resize of the row [0, 100] to four pixels: centres at −0.25, 0.25, 0.75, 1.25.
        let frame = Frame::from_pixels(2, 1, vec![0, 0, 0, 100, 100, 100]).unwrap();
        let mut target = [0; 12];
        resize(&frame, Region::WHOLE, &mut target, 4, 1);
        assert_eq!([target[0], target[3], target[6], target[9]], [0, 25, 75, 100]);
    }
}
