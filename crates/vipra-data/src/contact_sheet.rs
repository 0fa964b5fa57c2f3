//! Clips as one picture, because people look before they train.

use std::convert::Infallible;

use embedded_graphics::Drawable;
use embedded_graphics::mono_font::MonoTextStyle;
use embedded_graphics::mono_font::ascii::FONT_6X10;
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::{DrawTarget, OriginDimensions, Pixel, Point, RgbColor, Size};
use embedded_graphics::text::{Baseline, Text};

use crate::clip::Clip;
use crate::frame::Frame;

const GAP: usize = 4;
const LABEL_HEIGHT: usize = 14;
const LETTER_WIDTH: usize = 6;
const BACKGROUND: u8 = 24;
/// Padded frames are shown at this share of their brightness.
const PADDED_BRIGHTNESS: f32 = 0.35;

/// A row of frames and the line of text above it.
pub struct SheetRow {
    /// What the row shows; ASCII.
    pub label: String,
    /// All of one size.
    pub frames: Vec<Frame>,
    /// False for frames that repeat the last one; these are shown dark.
    pub real: Vec<bool>,
}

impl SheetRow {
    /// The frames of a clip.
    pub fn from_clip(clip: &Clip, label: String) -> Self {
        let frames = (0..clip.mask.len()).map(|at| clip.frame(at)).collect();
        SheetRow { label, frames, real: clip.mask.clone() }
    }
}

/// Draws rows of frames below each other, each under its label.
pub fn contact_sheet(rows: &[SheetRow]) -> Frame {
    let cell = |row: &SheetRow| row.frames.first().map_or((0, 0), |frame| (frame.width(), frame.height()));
    let width = rows.iter().map(|row| row.frames.len() * (cell(row).0 + GAP)).max().unwrap_or(0) + GAP;
    let height: usize = rows.iter().map(|row| cell(row).1 + LABEL_HEIGHT + GAP).sum::<usize>() + GAP;
    let mut sheet = Frame::new(width.max(1), height.max(1));
    sheet.pixels_mut().fill(BACKGROUND);

    let mut top = GAP;
    for row in rows {
        draw_label(&mut sheet, &row.label, GAP, top, width.saturating_sub(GAP) / LETTER_WIDTH);
        top += LABEL_HEIGHT;
        for (at, frame) in row.frames.iter().enumerate() {
            let left = GAP + at * (frame.width() + GAP);
            if row.real.get(at).copied().unwrap_or(true) {
                sheet.paste(frame, left, top);
            } else {
                sheet.paste(&darkened(frame), left, top);
            }
        }
        top += cell(row).1 + GAP;
    }
    sheet
}

fn darkened(frame: &Frame) -> Frame {
    let mut dark = frame.clone();
    dark.pixels_mut().iter_mut().for_each(|level| *level = (f32::from(*level) * PADDED_BRIGHTNESS) as u8);
    dark
}

fn draw_label(sheet: &mut Frame, label: &str, left: usize, top: usize, most_letters: usize) {
    let shown: String = match label.chars().count() > most_letters {
        true => label.chars().take(most_letters.saturating_sub(2)).chain("..".chars()).collect(),
        false => label.to_owned(),
    };
    let style = MonoTextStyle::new(&FONT_6X10, Rgb888::new(220, 220, 220));
    let text = Text::with_baseline(&shown, Point::new(left as i32, top as i32), style, Baseline::Top);
    // Drawing on a picture in memory cannot fail.
    let Ok(_) = text.draw(&mut Canvas(sheet));
}

/// Lets `embedded-graphics` draw on a picture.
struct Canvas<'a>(&'a mut Frame);

impl OriginDimensions for Canvas<'_> {
    fn size(&self) -> Size {
        Size::new(self.0.width() as u32, self.0.height() as u32)
    }
}

impl DrawTarget for Canvas<'_> {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        for Pixel(point, color) in pixels {
            let (Ok(x), Ok(y)) = (usize::try_from(point.x), usize::try_from(point.y)) else { continue };
            if x < self.0.width() && y < self.0.height() {
                self.0.set_pixel(x, y, [color.r(), color.g(), color.b()]);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_lie_below_each_other_and_padding_is_dark() {
        let white = Frame::from_pixels(10, 8, vec![200; 240]).unwrap();
        let row =
            || SheetRow { label: "a".into(), frames: vec![white.clone(), white.clone()], real: vec![true, false] };
        let sheet = contact_sheet(&[row(), row()]);
        assert_eq!((sheet.width(), sheet.height()), (2 * 14 + 4, 2 * (8 + 14 + 4) + 4));
        assert_eq!(sheet.pixel(GAP, GAP + LABEL_HEIGHT), [200; 3]);
        assert_eq!(sheet.pixel(GAP + 14, GAP + LABEL_HEIGHT), [70; 3]);
        assert_eq!(sheet.pixel(GAP, GAP + LABEL_HEIGHT + 26), [200; 3]);
        assert_eq!(sheet.pixel(0, 0), [BACKGROUND; 3]);
    }

    #[test]
    fn nothing_to_show_is_still_a_picture() {
        assert!(contact_sheet(&[]).width() > 0);
    }
}
