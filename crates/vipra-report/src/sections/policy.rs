//! Finetuning: its curves, and actions beside those of demonstrations.

use std::path::Path;

use maud::{Markup, html};
use serde::Deserialize;
use vipra_page::{Chart, Role, Series, short, table};

use super::{absent, left_out, training};
use crate::curves::{self, remaining};
use crate::metrics::Metrics;
use crate::read::{files, json};
use crate::{Error, Result, layout};

/// Episodes whose curves are shown.
const MAX_EPISODES: usize = 4;

/// What `vipra policy open-loop` writes beside its picture.
#[derive(Deserialize)]
struct OpenLoop {
    episode: String,
    instruction: String,
    fps: f64,
    dimensions: Vec<Dimension>,
}

#[derive(Deserialize)]
struct Dimension {
    dimension: String,
    /// Root mean squared error.
    error: f64,
    /// Standard deviation of the true actions.
    spread: f64,
    truth: Vec<Option<f64>>,
    predicted: Vec<Option<f64>>,
}

pub(super) fn body(run: &Path) -> Result<Option<Markup>> {
    let folder = run.join(layout::POLICY);
    if !folder.is_dir() {
        return Ok(None);
    }
    let metrics = Metrics::read(&folder)?;
    let compared = files(&run.join(layout::OPEN_LOOP), "json")?;
    let mut shown = Vec::new();
    for file in compared.iter().take(MAX_EPISODES) {
        let open_loop: OpenLoop = serde_json::from_value(json(file)?).map_err(|error| Error::content(error, file))?;
        shown.push(open_loop);
    }
    Ok(Some(html! {
        (training(metrics.as_ref(), curves::POLICY, "vipra finetune"))
        @if let Some(metrics) = &metrics { (remaining(metrics, &[curves::POLICY])) }
        h3 { "Open loop" }
        @if shown.is_empty() { (absent("No episode was looked at", "vipra policy open-loop")) }
        @else {
            p {
                "The policy looks at each moment of a demonstration and says what it would do; what the demonstration did "
                "stands beside it. Units are the robot's."
            }
            @for open_loop in &shown { (open_loop.to_markup()) }
            (left_out(shown.len(), compared.len(), layout::OPEN_LOOP))
        }
    }))
}

impl OpenLoop {
    fn to_markup(&self) -> Markup {
        let rows = self.dimensions.iter().map(|of| {
            // 1 for a policy that always does the mean action; nothing to compare with where nothing varies.
            let share = if of.spread > 0.0 { short((of.error / of.spread).powi(2)) } else { "–".to_owned() };
            [of.dimension.clone(), short(of.error), short(of.spread), share]
                .into_iter()
                .map(|cell| html! { (cell) })
                .collect()
        });
        html! {
            h4 { "Episode " (self.episode) ": " (self.instruction) }
            div.charts { @for of in &self.dimensions { (self.chart(of).to_markup()) } }
            (table(&["action", "error", "spread", "error² / spread²"], &rows.collect::<Vec<_>>()))
        }
    }

    fn chart(&self, of: &Dimension) -> Chart {
        let points = |values: &[Option<f64>]| {
            let values = values.iter().enumerate();
            values.map(|(at, value)| [at as f64 / self.fps, value.unwrap_or(f64::NAN)]).collect()
        };
        let series = [("true", Role::First, &of.truth), ("the policy's", Role::Second, &of.predicted)];
        let series = series.map(|(name, role, values)| Series { name: name.to_owned(), role, points: points(values) });
        Chart {
            title: of.dimension.replace('_', " "),
            x_label: "seconds".to_owned(),
            y_label: String::new(),
            series: series.into_iter().collect(),
            has_result: false,
        }
    }
}
