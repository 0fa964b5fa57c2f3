//! Curves of numbers over time, as a picture.

use std::convert::Infallible;

use embedded_graphics::mono_font::MonoTextStyle;
use embedded_graphics::mono_font::ascii::FONT_6X10;
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::{DrawTarget, Drawable, OriginDimensions, Pixel, Point, Primitive, RgbColor, Size};
use embedded_graphics::primitives::{Line, PrimitiveStyle};
use embedded_graphics::text::{Baseline, Text};
use vipra_data::Frame;

use crate::output::short;

const WIDTH: usize = 720;
const PANEL: usize = 110;
const MARGIN: usize = 8;
const LABEL: usize = 14;
/// Pixels of a letter.
const LETTER: usize = 6;
/// Letters in front of the title.
const TITLE: usize = 24;
const TRUTH: Rgb888 = Rgb888::new(40, 90, 200);
const PREDICTED: Rgb888 = Rgb888::new(220, 110, 20);
const INK: Rgb888 = Rgb888::new(60, 60, 60);
const AXIS: Rgb888 = Rgb888::new(210, 210, 210);

/// A dimension: true and predicted.
pub struct Curve {
    pub name: String,
    pub truth: Vec<f32>,
    pub predicted: Vec<f32>,
    /// Height of the panel at least: what differs by less is not blown up.
    pub least_span: f32,
}

/// Draws a panel for each dimension below the other, each on its own scale, under a title.
pub fn draw(title: &str, curves: &[Curve]) -> Frame {
    let mut picture = Frame::new(WIDTH, (curves.len() * PANEL + LABEL + 2 * MARGIN).max(1));
    picture.pixels_mut().fill(255);
    let mut canvas = Canvas(&mut picture);
    let legend = [("true", TRUTH, 0), ("the policy's", PREDICTED, 8)];
    for (text, color, letters) in legend {
        write(&mut canvas, text, MARGIN + letters * LETTER, MARGIN, color);
    }
    write(&mut canvas, title, MARGIN + TITLE * LETTER, MARGIN, INK);
    for (index, curve) in curves.iter().enumerate() {
        panel(&mut canvas, curve, MARGIN + LABEL + index * PANEL);
    }
    picture
}

fn panel(canvas: &mut Canvas<'_>, curve: &Curve, top: usize) {
    let all = || curve.truth.iter().chain(&curve.predicted).copied();
    let (low, high) = (all().fold(f32::INFINITY, f32::min), all().fold(f32::NEG_INFINITY, f32::max));
    let label = format!("{}  {} .. {}", curve.name, short(low.into()), short(high.into()));
    let missing = (curve.least_span - (high - low)).max(0.0);
    let (low, high) = (low - missing / 2.0, high + missing / 2.0);
    write(canvas, &label, MARGIN, top, INK);
    let (top, height) = (top + LABEL, PANEL - LABEL - MARGIN);
    let steps = curve.truth.len().max(curve.predicted.len()).max(2) - 1;
    let place = |step: usize, value: f32| {
        let across = step as f32 / steps as f32 * (WIDTH - 2 * MARGIN) as f32;
        let down = (1.0 - (value - low) / (high - low).max(1e-9)) * height as f32;
        Point::new(MARGIN as i32 + across as i32, top as i32 + down as i32)
    };
    if low <= 0.0 && high >= 0.0 {
        line(canvas, place(0, 0.0), place(steps, 0.0), AXIS, 1);
    }
    for (values, color) in [(&curve.truth, TRUTH), (&curve.predicted, PREDICTED)] {
        for (step, pair) in values.windows(2).enumerate() {
            line(canvas, place(step, pair[0]), place(step + 1, pair[1]), color, 2);
        }
    }
}

fn line(canvas: &mut Canvas<'_>, from: Point, to: Point, color: Rgb888, width: u32) {
    let Ok(()) = Line::new(from, to).into_styled(PrimitiveStyle::with_stroke(color, width)).draw(canvas);
}

fn write(canvas: &mut Canvas<'_>, text: &str, left: usize, top: usize, color: Rgb888) {
    let style = MonoTextStyle::new(&FONT_6X10, color);
    let place = Point::new(left as i32, top as i32);
    let Ok(_) = Text::with_baseline(text, place, style, Baseline::Top).draw(canvas);
}

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
        for Pixel(Point { x, y }, color) in pixels {
            if let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y))
                && x < self.0.width()
                && y < self.0.height()
            {
                self.0.set_pixel(x, y, [color.r(), color.g(), color.b()]);
            }
        }
        Ok(())
    }
}
