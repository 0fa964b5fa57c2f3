//! Curves as inline SVG: letters stay readable where the chart is as narrow as a phone, and colours follow the page's, which a
//! drawing library's fixed ones would not.

mod scale;

use maud::{Markup, html};

use crate::number::short;
use scale::Scale;

// In units of the drawing, which are about pixels on a phone.
const WIDTH: f64 = 340.0;
const HEIGHT: f64 = 200.0;
const LEFT: f64 = 46.0;
const RIGHT: f64 = 332.0;
const TOP: f64 = 22.0;
const BOTTOM: f64 = 164.0;
/// Points that a curve is drawn with at most; more than there are pixels would only make the page larger.
const MAX_POINTS: usize = 300;
/// Curves of no more points show each of them.
const FEW_POINTS: usize = 40;

/// What a curve is; it has its colour and its stroke by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// What was learned from, or what is true.
    First,
    /// What was held out, or what was predicted.
    Second,
    /// What has to be beaten.
    Baseline,
}

/// A curve. A number that is none leaves a gap.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// What it is called.
    pub name: String,
    /// What it is.
    pub role: Role,
    /// Horizontal and vertical coordinate, in order of the first.
    pub points: Vec<[f64; 2]>,
}

/// Curves on common axes.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    /// What it shows.
    pub title: String,
    /// Label of the horizontal axis, such as "step".
    pub x_label: String,
    /// Label of the vertical axis, with its unit.
    pub y_label: String,
    /// The curves.
    pub series: Vec<Series>,
    /// Whether the last number of each curve is what it came to, and stands in the legend.
    pub has_result: bool,
}

impl Chart {
    /// The chart, or nothing where no curve has a number.
    pub fn to_markup(&self) -> Markup {
        let points = || self.series.iter().flat_map(|series| &series.points).filter(|point| point[1].is_finite());
        let x_scale = Scale::linear(points().map(|point| point[0]));
        let y_scale = Scale::for_curves(points().map(|point| point[1]));
        let (Some(x_scale), Some(y_scale)) = (x_scale, y_scale) else { return html! {} };
        html! {
            figure {
                h3 { (self.title) }
                svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(self.spoken()) {
                    (self.axes(&x_scale, &y_scale))
                    @for series in &self.series { (curve(series, &x_scale, &y_scale)) }
                }
                figcaption.legend {
                    @for series in &self.series { (legend(series, self.has_result)) }
                }
            }
        }
    }

    fn axes(&self, x_scale: &Scale, y_scale: &Scale) -> Markup {
        let kind = if y_scale.is_logarithmic() { "logarithmic" } else { "" };
        let y_label: Vec<&str> = [self.y_label.as_str(), kind].into_iter().filter(|text| !text.is_empty()).collect();
        html! {
            @if !y_label.is_empty() { text x="0" y="11" { (y_label.join(", ")) } }
            @for tick in y_scale.ticks() {
                @let y = y_scale.position(tick, BOTTOM, TOP);
                line.grid x1=(LEFT) x2=(RIGHT) y1=(at(y)) y2=(at(y)) {}
                text x=(LEFT - 5.0) y=(at(y + 4.0)) text-anchor="end" { (short(tick)) }
            }
            @for tick in x_scale.ticks() {
                @let x = x_scale.position(tick, LEFT, RIGHT);
                line.axis x1=(at(x)) x2=(at(x)) y1=(BOTTOM) y2=(BOTTOM + 4.0) {}
                text x=(at(x)) y=(BOTTOM + 16.0) text-anchor=(anchor(x)) { (short(tick)) }
            }
            line.axis x1=(LEFT) x2=(RIGHT) y1=(BOTTOM) y2=(BOTTOM) {}
            text x=((LEFT + RIGHT) / 2.0) y=(BOTTOM + 32.0) text-anchor="middle" { (self.x_label) }
        }
    }

    /// For who does not see it.
    fn spoken(&self) -> String {
        let ends =
            self.series.iter().filter_map(|series| Some(format!("{} ends at {}", series.name, short(last(series)?))));
        format!("{}: {}", self.title, ends.collect::<Vec<_>>().join(", "))
    }
}

fn curve(series: &Series, x_scale: &Scale, y_scale: &Scale) -> Markup {
    let class = class(series.role);
    let position =
        |point: &[f64; 2]| (x_scale.position(point[0], LEFT, RIGHT), y_scale.position(point[1], BOTTOM, TOP));
    let points = thinned(&series.points);
    let mut path = String::new();
    let mut is_drawing = false;
    for point in &points {
        if point[1].is_finite() {
            let (x, y) = position(point);
            path.push_str(&format!("{}{} {}", if is_drawing { 'L' } else { 'M' }, at(x), at(y)));
        }
        is_drawing = point[1].is_finite();
    }
    let dots = if series.role == Role::Second && points.len() <= FEW_POINTS { points.as_slice() } else { &[] };
    html! {
        path class=(class) d=(path) stroke-width="1.6" stroke-linejoin="round" {}
        @for (x, y) in dots.iter().filter(|point| point[1].is_finite()).map(position) {
            circle.dot cx=(at(x)) cy=(at(y)) r="2.2" {}
        }
    }
}

/// The curve's name, and its last number where that is a result.
fn legend(series: &Series, has_result: bool) -> Markup {
    html! {
        @if let Some(last) = last(series) {
            span {
                svg viewBox="0 0 24 10" aria-hidden="true" {
                    line class=(class(series.role)) x1="0" x2="24" y1="5" y2="5" stroke-width="2" {}
                    @if series.role == Role::Second { circle.dot cx="12" cy="5" r="3" {} }
                }
                " " (series.name) @if has_result { " " strong { (short(last)) } }
            }
        }
    }
}

/// Means of neighbours, where there are more points than can be seen.
fn thinned(points: &[[f64; 2]]) -> Vec<[f64; 2]> {
    let averaged = points.len().div_ceil(MAX_POINTS).max(1);
    let mean = |points: &[[f64; 2]], of: usize| points.iter().map(|point| point[of]).sum::<f64>() / points.len() as f64;
    points.chunks(averaged).map(|points| [mean(points, 0), mean(points, 1)]).collect()
}

fn last(series: &Series) -> Option<f64> {
    series.points.iter().map(|point| point[1]).rfind(|value| value.is_finite())
}

fn class(role: Role) -> &'static str {
    match role {
        Role::First => "first",
        Role::Second => "second",
        Role::Baseline => "third",
    }
}

/// Text at the ends stays within the drawing.
fn anchor(x: f64) -> &'static str {
    if x > RIGHT - 12.0 { "end" } else { "middle" }
}

/// A coordinate, to a tenth of a pixel.
fn at(coordinate: f64) -> String {
    format!("{coordinate:.1}")
}

#[cfg(test)]
mod tests {
    use super::{Chart, Role, Series, thinned};

    fn chart(points: Vec<[f64; 2]>) -> String {
        let series = vec![Series { name: "held out".into(), role: Role::Second, points }];
        Chart { title: "Loss".into(), x_label: "step".into(), y_label: "nats".into(), series, has_result: true }
            .to_markup()
            .into_string()
    }

    #[test]
    fn a_curve_goes_from_corner_to_corner() {
        let drawn = chart(vec![[0.0, 0.0], [10.0, 5.0], [20.0, 10.0]]);
        assert!(drawn.contains("M46.0 164.0L189.0 93.0L332.0 22.0"), "{drawn}");
        assert!(drawn.contains("held out <strong>10</strong>") && drawn.matches("circle").count() >= 3, "{drawn}");
    }

    #[test]
    fn what_is_no_number_is_a_gap() {
        let drawn = chart(vec![[0.0, 1.0], [1.0, 2.0], [2.0, f64::NAN], [3.0, 1.0], [4.0, 2.0]]);
        assert_eq!(drawn.matches('M').count(), 2, "{drawn}");
        assert!(!drawn.contains("NaN"), "{drawn}");
        assert_eq!(chart(vec![[0.0, f64::NAN]]), "");
        assert_eq!(chart(vec![]), "");
    }

    #[test]
    fn a_long_curve_keeps_its_mean() {
        let points: Vec<[f64; 2]> = (0..3000).map(|at| [f64::from(at), f64::from(at % 2)]).collect();
        let thin = thinned(&points);
        assert!(thin.len() == 300 && thin.iter().all(|point| point[1] == 0.5));
    }
}
