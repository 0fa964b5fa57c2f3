//! The numbers that a training wrote down, as curves.

use std::path::Path;

use serde_json::Value;

use crate::layout::METRICS;
use crate::read::text;
use crate::{Error, Result};

/// Whether a number is of what was learned from, or of what was held out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Train,
    Validation,
}

/// A curve: step, number. NaN where the training had none.
pub(crate) type Points = Vec<[f64; 2]>;

/// All curves of a training.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    /// In the order in which they first came.
    curves: Vec<(Kind, String, Points)>,
}

impl Metrics {
    /// Reads the metrics in the folder of a training; None where there are none.
    pub(crate) fn read(folder: &Path) -> Result<Option<Self>> {
        let file = folder.join(METRICS);
        let Some(text) = text(&file)? else { return Ok(None) };
        // A kill may have cut the last line off.
        let whole = &text[..text.rfind('\n').map_or(0, |at| at + 1)];
        let mut metrics = Self::default();
        for (at, line) in whole.lines().enumerate() {
            let fault = |reason: String| Error::content(format!("line {}: {reason}", at + 1), &file);
            let line: Value = serde_json::from_str(line).map_err(|error| fault(error.to_string()))?;
            metrics.add(&line).ok_or_else(|| fault("no step, or no kind".to_owned()))?;
        }
        Ok(Some(metrics))
    }

    fn add(&mut self, line: &Value) -> Option<()> {
        let step = line["step"].as_f64()?;
        let kind = match line["kind"].as_str()? {
            "train" => Kind::Train,
            "validation" => Kind::Validation,
            _ => return None,
        };
        for (name, value) in line.as_object()? {
            if name == "step" || name == "kind" {
                continue;
            }
            let point = [step, value.as_f64().unwrap_or(f64::NAN)];
            match self.curves.iter_mut().find(|(known, called, _)| *known == kind && called == name) {
                Some((_, _, points)) => points.push(point),
                None => self.curves.push((kind, name.clone(), vec![point])),
            }
        }
        Some(())
    }

    /// A curve; none of a number that was not written down.
    pub(crate) fn of(&self, kind: Kind, name: &str) -> Option<&Points> {
        self.curves.iter().find(|(known, called, _)| *known == kind && called == name).map(|(_, _, points)| points)
    }

    /// Names of all curves, each once.
    pub(crate) fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for (_, name, _) in &self.curves {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
        names
    }

    /// The last number of a curve.
    pub(crate) fn last(&self, kind: Kind, name: &str) -> Option<f64> {
        self.of(kind, name)?.iter().map(|point| point[1]).rfind(|value| value.is_finite())
    }

    /// The last step that was written down.
    pub(crate) fn steps(&self) -> f64 {
        self.curves.iter().flat_map(|(_, _, points)| points.last()).fold(0.0, |last, point| point[0].max(last))
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, Metrics};

    #[test]
    fn lines_become_curves_and_a_cut_line_does_not_count() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Metrics::read(folder.path()).unwrap().is_none());
        let lines = concat!(
            "{\"step\":10,\"kind\":\"train\",\"loss\":2.0}\n",
            "{\"step\":10,\"kind\":\"validation\",\"loss\":3.0}\n",
            "{\"step\":20,\"kind\":\"train\",\"loss\":null}\n",
            "{\"step\":30,\"kind\":\"tra"
        );
        let file = folder.path().join("metrics.jsonl");
        std::fs::write(&file, lines).unwrap();
        let metrics = Metrics::read(folder.path()).unwrap().unwrap();
        assert_eq!(metrics.of(Kind::Train, "loss").unwrap().len(), 2);
        assert_eq!(metrics.last(Kind::Train, "loss"), Some(2.0));
        assert_eq!((metrics.steps(), metrics.names()), (20.0, vec!["loss"]));
        std::fs::write(&file, format!("{lines}\n")).unwrap();
        let fault = Metrics::read(folder.path()).unwrap_err().to_string();
        assert!(fault.starts_with("line 4") && fault.ends_with("metrics.jsonl"), "{fault}");
    }
}
