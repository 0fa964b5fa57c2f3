//! The log: on standard error, and in a file where a command keeps one.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

use crate::progress;

/// The file; None until a command asks for one.
static FILE: Mutex<Option<File>> = Mutex::new(None);

/// Begins to log what `level` lets through, or what the variable `VIPRA_LOG` does.
pub fn init(level: &str) {
    let filter = EnvFilter::try_from_env("VIPRA_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let colors = io::stderr().is_terminal();
    let terminal = fmt::layer().with_target(false).with_ansi(colors).without_time().with_writer(|| progress::LogWriter);
    let file = fmt::layer().with_target(false).with_ansi(false).with_writer(|| FileWriter);
    tracing_subscriber::registry().with(terminal.with_filter(filter)).with(file.with_filter(LevelFilter::INFO)).init();
}

/// From here on the log also goes to the end of a file, from the level of information on.
///
/// # Errors
/// If it cannot be written.
pub fn also_to(path: &Path) -> Result<()> {
    let file = File::options().create(true).append(true).open(path);
    *file_of_log() = Some(file.with_context(|| format!("writing {}", path.display()))?);
    Ok(())
}

/// A line on standard error whatever the level, and in the file.
pub fn say(line: &str) {
    // Where nobody reads standard error, the file still does.
    let _closed = writeln!(progress::LogWriter, "{line}");
    let _full = writeln!(FileWriter, "{line}");
}

fn file_of_log() -> MutexGuard<'static, Option<File>> {
    FILE.lock().unwrap_or_else(PoisonError::into_inner)
}

struct FileWriter;

impl Write for FileWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        file_of_log().as_mut().map_or(Ok(bytes.len()), |file| file.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        file_of_log().as_mut().map_or(Ok(()), File::flush)
    }
}
