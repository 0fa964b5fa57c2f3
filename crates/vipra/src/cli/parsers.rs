//! What values of flags have to look like.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};

/// A file to write, whose name says what it will be.
pub fn file_named(name: &str, extension: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(name);
    match path.extension().is_some_and(|found| found.eq_ignore_ascii_case(extension)) {
        true => Ok(path),
        false => Err(format!("its name must end in .{extension}, which is what is written")),
    }
}

/// A number of frames a second.
pub fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.001..=1000.0).contains(&rate) { Ok(rate) } else { Err("a rate is from 0.001 to 1000".to_owned()) }
}

/// Takes one of several values by its name; help lists them.
pub fn named<T, const N: usize>(all: [T; N], name: fn(T) -> &'static str) -> impl TypedValueParser<Value = T>
where
    T: Copy + Send + Sync + 'static,
{
    PossibleValuesParser::new(all.map(name)).try_map(move |text| {
        all.into_iter().find(|value| name(*value) == text).ok_or_else(|| format!("unknown: {text}"))
    })
}
