//! Progress bars on standard error, and a log that does not tear them.

use std::io::{self, IsTerminal, Write};
use std::sync::{LazyLock, Mutex, Once};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// All bars; hidden by itself where standard error is not a terminal.
static BARS: LazyLock<MultiProgress> = LazyLock::new(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr()));

/// Where no bar is seen, a line is logged as often as this.
const LOGGED_EVERY: Duration = Duration::from_secs(30);

/// Shows a bar among the others.
pub fn add_bar(bar: ProgressBar) -> ProgressBar {
    BARS.add(bar)
}

/// A bar that appears when the work takes longer than a second.
pub struct Progress {
    bar: ProgressBar,
    /// "encoding", "frames".
    named: [String; 2],
    began: Instant,
    shown: Once,
    logged: Mutex<Instant>,
}

impl Progress {
    /// A bar for `doing` something to a number of `units`.
    pub fn new(doing: &str, units: &str) -> Self {
        let bar = ProgressBar::hidden();
        let template = format!("{doing} [{{bar:30}}] {{pos}}/{{len}} {units}, {{eta}} left");
        if let Ok(style) = ProgressStyle::with_template(&template) {
            bar.set_style(style.progress_chars("=> "));
        }
        let (named, now) = ([doing, units].map(str::to_owned), Instant::now());
        Progress { bar, named, began: now, shown: Once::new(), logged: Mutex::new(now) }
    }

    /// Shows that `done` of `all` are done.
    pub fn set(&self, done: usize, all: usize) {
        self.bar.set_length(all as u64);
        // Threads report out of order.
        self.bar.set_position(self.bar.position().max(done as u64));
        if self.began.elapsed() > Duration::from_secs(1) {
            self.shown.call_once(|| drop(BARS.add(self.bar.clone())));
        }
        if !io::stderr().is_terminal() {
            self.log(done, all);
        }
    }

    /// A line of the log, unless there was one a short while ago.
    fn log(&self, done: usize, all: usize) {
        let Ok(mut logged) = self.logged.try_lock() else { return };
        if logged.elapsed() >= LOGGED_EVERY {
            *logged = Instant::now();
            let [doing, units] = &self.named;
            tracing::info!("{doing}: {done} of {all} {units}");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Standard error for the log: bars step aside while a line is written.
pub struct LogWriter;

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        BARS.suspend(|| io::stderr().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
