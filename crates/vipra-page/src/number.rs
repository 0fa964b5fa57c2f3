//! Numbers for people.

/// A share of one as percent, with one decimal; a line does not break before the sign.
pub fn percent(share: f64) -> String {
    format!("{:.1}\u{a0}%", share * 100.0)
}

/// A number with about four significant digits, without needless zeros; a dash for what is no number.
pub fn short(value: f64) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    if value == 0.0 {
        return "0".to_owned();
    }
    if !(1e-3..1e6).contains(&value.abs()) {
        return shortened_exponent(&format!("{value:.2e}"));
    }
    let decimals = (3 - value.abs().log10().floor() as i32).clamp(0, 6) as usize;
    trimmed(&format!("{value:.decimals$}")).to_owned()
}

/// A number with two decimals; what is rounded to nothing has no sign.
pub fn two_decimals(value: f64) -> String {
    // The sum of both zeros is the one without a sign.
    format!("{:.2}", (100.0 * value).round() / 100.0 + 0.0)
}

/// "1.00e-4" is 1e-4.
fn shortened_exponent(text: &str) -> String {
    match text.split_once('e') {
        Some((digits, exponent)) => format!("{}e{exponent}", trimmed(digits)),
        None => text.to_owned(),
    }
}

fn trimmed(digits: &str) -> &str {
    if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits }
}

#[cfg(test)]
mod tests {
    use super::{percent, short, two_decimals};

    #[test]
    fn what_is_rounded_to_nothing_has_no_sign() {
        assert_eq!([-0.004, 0.004, -0.25, 0.999].map(two_decimals), ["0.00", "0.00", "-0.25", "1.00"]);
    }

    #[test]
    fn numbers_are_short() {
        let cases = [
            (0.0, "0"),
            (1.0, "1"),
            (0.123_456, "0.1235"),
            (-12.5, "-12.5"),
            (1800.0, "1800"),
            (1e-4, "1e-4"),
            (2.5e7, "2.5e7"),
        ];
        cases.iter().for_each(|(value, text)| assert_eq!(short(*value), *text));
        assert_eq!(short(f64::NAN), "–");
        assert_eq!(percent(0.2813), "28.1\u{a0}%");
    }
}
