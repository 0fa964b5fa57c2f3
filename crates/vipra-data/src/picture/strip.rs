//! Pictures beside each other.

use crate::frame::Frame;

/// Pixels between two pictures.
const GAP: usize = 4;

/// Pictures beside each other, each pixel `scale` pixels wide and high.
pub fn side_by_side(pictures: &[&Frame], scale: usize) -> Frame {
    let width: usize = pictures.iter().map(|picture| picture.width() * scale + GAP).sum();
    let height = pictures.iter().map(|picture| picture.height() * scale).max().unwrap_or(0);
    let mut all = Frame::new(width.saturating_sub(GAP), height);
    let mut left = 0;
    for picture in pictures {
        for y in 0..picture.height() * scale {
            for x in 0..picture.width() * scale {
                all.set_pixel(left + x, y, picture.pixel(x / scale, y / scale));
            }
        }
        left += picture.width() * scale + GAP;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::side_by_side;
    use crate::frame::Frame;

    #[test]
    fn pixels_grow_and_stay_in_order() {
        let bytes: Vec<u8> = (0..2 * 3 * 3).map(|value| value * 14).collect();
        let pictures = Frame::split_batch(3, 2, &bytes);
        let twice = side_by_side(&[&pictures[0], &pictures[0]], 2);
        assert_eq!((twice.width(), twice.height()), (16, 4));
        assert_eq!(twice.pixel(15, 3), pictures[0].pixel(2, 1));
    }
}
