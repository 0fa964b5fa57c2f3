//! From numbers to positions on an axis, and its round numbers.

/// Where the highest number is so many times the lowest, equal factors get equal lengths.
const LOGARITHMIC_FROM: f64 = 50.0;
/// Parts of an axis between ticks, at most.
const MAX_PARTS: f64 = 5.0;

/// Numbers from low to high.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scale {
    low: f64,
    high: f64,
    logarithmic: bool,
}

impl Scale {
    /// From the lowest number to the highest; None of no numbers.
    pub(super) fn linear(values: impl Iterator<Item = f64>) -> Option<Self> {
        let (low, high) = bounds(values)?;
        // Where all are one number, it lies in the middle, and zero at the bottom.
        let (low, high) = match (low == high, low == 0.0) {
            (false, _) => (low, high),
            (true, true) => (0.0, 1.0),
            (true, false) => (low - 0.1 * low.abs(), high + 0.1 * high.abs()),
        };
        Some(Self { low, high, logarithmic: false })
    }

    /// Logarithmic where numbers lie far apart, as losses do that fall.
    pub(super) fn for_curves(values: impl Iterator<Item = f64>) -> Option<Self> {
        let linear = Self::linear(values)?;
        let logarithmic = linear.low > 0.0 && linear.high / linear.low >= LOGARITHMIC_FROM;
        Some(Self { logarithmic, ..linear })
    }

    pub(super) fn is_logarithmic(&self) -> bool {
        self.logarithmic
    }

    /// Where a number lies between the positions of the lowest and the highest.
    pub(super) fn position(&self, value: f64, from: f64, to: f64) -> f64 {
        let [low, high, value] = [self.low, self.high, value].map(|of| if self.logarithmic { of.ln() } else { of });
        from + (value - low) / (high - low) * (to - from)
    }

    /// Round numbers within it.
    pub(super) fn ticks(&self) -> Vec<f64> {
        if self.logarithmic { self.powers() } else { self.multiples() }
    }

    fn multiples(&self) -> Vec<f64> {
        let step = round_step((self.high - self.low) / MAX_PARTS);
        let (first, last) = ((self.low / step - 1e-9).ceil() as i64, (self.high / step + 1e-9).floor() as i64);
        (first..=last).map(|times| times as f64 * step).collect()
    }

    /// Powers of ten; with twice and five times them where there are few.
    fn powers(&self) -> Vec<f64> {
        let decades = self.low.log10().floor() as i32..=self.high.log10().ceil() as i32;
        let factors: &[f64] = if (self.high / self.low).log10() < 3.0 { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let all = decades.flat_map(|decade| factors.iter().map(move |factor| factor * 10_f64.powi(decade)));
        let mut ticks: Vec<f64> = all.filter(|tick| (self.low..=self.high).contains(tick)).collect();
        let every = ticks.len().div_ceil(MAX_PARTS as usize + 2).max(1);
        ticks = ticks.into_iter().step_by(every).collect();
        ticks
    }
}

/// The next number up that is 1, 2 or 5 times a power of ten.
fn round_step(step: f64) -> f64 {
    let decade = 10_f64.powf(step.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * decade >= step * (1.0 - 1e-9));
    factor.unwrap_or(10.0) * decade
}

fn bounds(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.filter(|value| value.is_finite()).fold(None, |bounds, value| match bounds {
        None => Some((value, value)),
        Some((low, high)) => Some((value.min(low), value.max(high))),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Scale;

    #[test]
    fn ticks_are_round() {
        let scale = Scale::linear([20.0, 1800.0].into_iter()).unwrap();
        assert_eq!(scale.ticks(), [500.0, 1000.0, 1500.0]);
        let scale = Scale::for_curves([0.01, 7.0].into_iter()).unwrap();
        assert!(scale.is_logarithmic());
        assert!(scale.ticks().contains(&0.01), "{:?}", scale.ticks());
        assert!(Scale::for_curves([0.0, 7.0].into_iter()).is_some_and(|scale| !scale.is_logarithmic()));
    }

    #[test]
    fn one_number_lies_in_the_middle() {
        for value in [1e-12, 0.25, -3.0] {
            let scale = Scale::for_curves([value].into_iter()).unwrap();
            assert!((scale.position(value, 0.0, 100.0) - 50.0).abs() < 1e-3);
        }
        let nothing = Scale::for_curves([0.0, 0.0].into_iter()).unwrap();
        assert_eq!((nothing.position(0.0, 0.0, 100.0), nothing.ticks().last()), (0.0, Some(&1.0)));
        assert_eq!(Scale::linear([].into_iter()), None);
    }

    proptest! {
        #[test]
        fn an_axis_has_ticks_and_few(low in -1e6_f64..1e6, spread in 1e-6_f64..1e6) {
            let scale = Scale::linear([low, low + spread].into_iter()).unwrap();
            let ticks = scale.ticks();
            prop_assert!((1..=6).contains(&ticks.len()), "{:?}", ticks);
            for tick in ticks {
                prop_assert!((-1.0..=101.0).contains(&scale.position(tick, 0.0, 100.0)));
            }
        }
    }
}
