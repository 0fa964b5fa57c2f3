//! A progress bar for training: loss, speed, time left.

use indicatif::{ProgressBar, ProgressStyle};
use vipra_train::{Progress, Scalars};

use crate::output::short;
use crate::progress::add_bar;

/// The bar of one training run.
pub struct TrainingProgress {
    bar: ProgressBar,
    name: &'static str,
}

impl TrainingProgress {
    /// A bar for a run of `steps` steps.
    pub fn new(name: &'static str, steps: u64) -> Self {
        let bar = add_bar(ProgressBar::new(steps));
        let template = "{prefix} [{bar:30}] {pos}/{len} steps, {per_sec}, {eta} left, {msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_prefix(name);
        Self { bar, name }
    }

    /// Shows what happens.
    pub fn show(&mut self, event: Progress<'_>) {
        match event {
            Progress::Resumed(step) => {
                tracing::info!("{}: going on after step {step}", self.name);
                self.bar.set_position(step);
                // What an earlier process did says nothing about the speed of this one.
                self.bar.reset_eta();
            }
            Progress::Stepped { step, loss } => {
                self.bar.set_position(step);
                self.bar.set_message(format!("loss {}", short(loss)));
            }
            Progress::Skipped(_) => {}
            Progress::Logged(step, scalars) => self.log("train", step, scalars),
            Progress::Validated(step, scalars) => self.log("validation", step, scalars),
            Progress::Saved(path) => tracing::info!("{}: wrote {}", self.name, path.display()),
        }
    }

    fn log(&self, kind: &str, step: u64, scalars: &Scalars) {
        let plain = scalars.iter().filter(|(name, _)| !name.contains('/'));
        let numbers: Vec<String> = plain.map(|(name, value)| format!("{name} {}", short(*value))).collect();
        tracing::info!("{}: step {step}, {kind}: {}", self.name, numbers.join(", "));
    }
}

impl Drop for TrainingProgress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
