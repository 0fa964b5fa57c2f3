//! States of the robot out of what clients send.

use crate::{Error, Result};

/// Rows of numbers, `[states][dimensions]`, as a policy reads them. `names` are those of the dimensions.
///
/// # Errors
/// [`Error::Refused`] that names a dimension whose number is none, or too large.
pub(crate) fn finite_states(field: &str, names: &[String], rows: Vec<Vec<f64>>) -> Result<Vec<Vec<f32>>> {
    let is_alone = rows.len() == 1;
    let mut states = Vec::with_capacity(rows.len());
    for (number, row) in rows.into_iter().enumerate() {
        let state: Vec<f32> = row.iter().map(|value| *value as f32).collect();
        if let Some(at) = state.iter().position(|value| !value.is_finite()) {
            let name = names.get(at).map_or("?", String::as_str);
            let of_state = if is_alone { String::new() } else { format!(" of state {number}") };
            return Err(Error::refused(field, format!("`{name}`{of_state} is {:?}", row[at])));
        }
        states.push(state);
    }
    Ok(states)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_is_none_is_named_by_its_dimension() {
        let names = ["x_m", "yaw_rad"].map(str::to_owned);
        let fault = |rows: &[[f64; 2]]| {
            let rows = rows.iter().map(|row| row.to_vec()).collect();
            finite_states("state", &names, rows).map_err(|error| error.to_string())
        };
        assert_eq!(fault(&[[1.0, -0.5]]), Ok(vec![vec![1.0, -0.5]]));
        assert_eq!(fault(&[[1.0, f64::NAN]]), Err("`state`: `yaw_rad` is NaN".to_owned()));
        assert_eq!(fault(&[[0.0, 0.0], [1e300, 0.0]]), Err("`state`: `x_m` of state 1 is 1e300".to_owned()));
    }
}
