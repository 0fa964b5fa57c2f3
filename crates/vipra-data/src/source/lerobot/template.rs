//! Path templates such as `data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet`.

use std::path::{Component, Path, PathBuf};

use crate::error::{Error, Result};

/// A value that a template asks for.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    /// `{name}` or `{name:03d}`.
    Number(u64),
    /// `{name}`.
    Text(&'a str),
}

/// Fills in the template and returns the path inside of `root`.
///
/// # Errors
/// [`Error::Metadata`] for a malformed template or a variable that is not among `values`, [`Error::PathEscapes`] if the
/// path is absolute or climbs out of `root`.
pub fn expand(template: &str, values: &[(&str, Value<'_>)], root: &Path) -> Result<PathBuf> {
    let fault = |reason: String| Error::metadata(root, format!("path template {template:?}"), reason);
    let mut expanded = String::with_capacity(template.len() + 16);
    let mut rest = template;
    while let Some(open) = rest.find('{') {
        expanded.push_str(&rest[..open]);
        let close = rest[open..].find('}').ok_or_else(|| fault("a brace is not closed".into()))? + open;
        let (name, format) = rest[open + 1..close].split_once(':').unwrap_or((&rest[open + 1..close], ""));
        let value = values.iter().find(|(known, _)| *known == name);
        let (_, value) = value.ok_or_else(|| fault(format!("unknown variable {name:?}")))?;
        match *value {
            Value::Number(number) => {
                let width = zero_padded_width(format).ok_or_else(|| fault(format!("unknown format {format:?}")))?;
                expanded.push_str(&format!("{number:0width$}"));
            }
            Value::Text(text) => expanded.push_str(text),
        }
        rest = &rest[close + 1..];
    }
    expanded.push_str(rest);

    let relative = PathBuf::from(&expanded);
    if expanded.is_empty() || !relative.components().all(|part| matches!(part, Component::Normal(_))) {
        return Err(Error::PathEscapes { expanded, root: root.to_path_buf() });
    }
    Ok(root.join(relative))
}

/// The width of `""`, `"d"`, `"03d"`, at most 20.
fn zero_padded_width(format: &str) -> Option<usize> {
    match format.strip_suffix('d').unwrap_or(format) {
        "" => Some(0),
        digits => digits.parse().ok().filter(|&width| width <= 20),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn expand_at(template: &str) -> Result<PathBuf> {
        let values = [("chunk_index", Value::Number(7)), ("video_key", Value::Text("observation.images.front"))];
        expand(template, &values, Path::new("set"))
    }

    #[test]
    fn numbers_are_padded_and_texts_are_not() {
        let path = expand_at("videos/{video_key}/chunk-{chunk_index:03d}/{chunk_index}.mp4").unwrap();
        assert_eq!(path, Path::new("set/videos/observation.images.front/chunk-007/7.mp4"));
    }

    #[test]
    fn faults_are_named() {
        for template in ["a/{nothing}", "a/{chunk_index", "a/{chunk_index:.3f}", "a/{chunk_index:099d}"] {
            assert!(matches!(expand_at(template), Err(Error::Metadata { .. })), "{template}");
        }
    }

    #[test]
    fn nothing_leads_out_of_the_dataset() {
        for template in ["../secret", "a/../../secret", "/etc/passwd", "", "./../x"] {
            assert!(matches!(expand_at(template), Err(Error::PathEscapes { .. })), "{template}");
        }
        let up = [("video_key", Value::Text("../../.."))];
        assert!(matches!(expand("videos/{video_key}/a.mp4", &up, Path::new("set")), Err(Error::PathEscapes { .. })));
    }

    proptest! {
        #[test]
        fn any_template_stays_inside_or_is_an_error(template in "[a-z./{}:0-9d_]{0,40}") {
            if let Ok(path) = expand_at(&template) {
                prop_assert!(path.starts_with("set"));
                prop_assert!(path.components().all(|part| part != Component::ParentDir));
            }
        }
    }
}
