//! What goes to standard output, and what was left out of the data to standard error, so that it is not taken for a result.

use std::io::Write;

use anyhow::Result;
use comfy_table::{CellAlignment, Table};
use serde::Serialize;
use vipra_data::source::Skipped;

/// Prints text as it is.
///
/// # Errors
/// If standard output is closed.
pub fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

/// Prints a value as indented JSON.
///
/// # Errors
/// If standard output is closed.
pub fn print_json(value: &impl Serialize) -> Result<()> {
    print(&(serde_json::to_string_pretty(value)? + "\n"))
}

/// Names what was left out of the data.
pub fn tell_skipped<'a>(skipped: impl IntoIterator<Item = &'a Skipped>) {
    skipped.into_iter().for_each(|skipped| tracing::warn!("left out {}: {}", skipped.what, skipped.reason));
}

/// Formats a table without lines, indented by two; the columns from `first_number` on are aligned to the right.
pub fn table(header: &[&str], rows: Vec<Vec<String>>, first_number: usize) -> String {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(header);
    table.add_rows(rows);
    for column in table.column_iter_mut().skip(first_number) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let indented = table.lines().map(|line| format!(" {}\n", line.trim_end()));
    indented.collect()
}

/// Returns the name of a choice in the configuration.
pub fn name_of(choice: &impl Serialize) -> String {
    serde_json::to_value(choice).ok().and_then(|name| Some(name.as_str()?.to_owned())).unwrap_or_default()
}

/// Counts things whose name takes an s: "1 episode", "2 episodes".
pub fn plural(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// Formats a duration: "38.0 s", "15.3 min", "2.1 h".
pub fn duration(secs: f64) -> String {
    match secs {
        secs if secs < 120.0 => format!("{secs:.1} s"),
        secs if secs < 7200.0 => format!("{:.1} min", secs / 60.0),
        secs => format!("{:.1} h", secs / 3600.0),
    }
}

/// Formats a number with about five significant digits, without needless zeros.
pub fn short(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    if !value.is_finite() {
        return value.to_string();
    }
    match value.abs() {
        size if !(1e-4..1e6).contains(&size) => format!("{value:.3e}"),
        size => {
            let decimals = (4 - size.log10().floor() as i32).clamp(0, 8) as usize;
            let text = format!("{value:.decimals$}");
            if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn numbers_are_short_and_keep_five_digits() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (0.123456, "0.12346"),
            (-12.5, "-12.5"),
            (123456.0, "123456"),
            (1e-7, "1.000e-7"),
        ] {
            assert_eq!(short(value), text);
        }
    }
}
