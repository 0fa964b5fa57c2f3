//! Time and memory of work that is done again and again.

use std::error::Error;
use std::time::Instant;

pub(crate) struct Timing {
    /// Of each step.
    pub(crate) seconds: Vec<f64>,
    /// Of all steps together.
    pub(crate) processor: ProcessorSeconds,
}

/// Processor time in the program itself, and in the system on its behalf (most of it for fresh memory).
pub(crate) struct ProcessorSeconds {
    pub(crate) user: f64,
    pub(crate) system: f64,
}

/// Runs `work` again and again on what it left.
pub(crate) fn time<S>(
    mut state: S,
    work: impl Fn(S) -> Result<S, Box<dyn Error>>,
    warm_up: usize,
    steps: usize,
) -> Result<Timing, Box<dyn Error>> {
    for _ in 0..warm_up {
        state = work(state)?;
    }
    let before = processor_seconds();
    let mut seconds = Vec::with_capacity(steps);
    for _ in 0..steps {
        let began = Instant::now();
        state = work(state)?;
        seconds.push(began.elapsed().as_secs_f64());
    }
    let after = processor_seconds();
    let processor = ProcessorSeconds { user: after.user - before.user, system: after.system - before.system };
    Ok(Timing { seconds, processor })
}

pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len().is_multiple_of(2) { (sorted[middle - 1] + sorted[middle]) / 2.0 } else { sorted[middle] }
}

pub(crate) fn rounded(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

/// Of this process so far; 0 where the system does not say.
fn processor_seconds() -> ProcessorSeconds {
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name in brackets may hold blanks; the two times are the twelfth and thirteenth field behind it.
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let mut times = fields.split_whitespace().skip(11).map(|ticks| ticks.parse::<f64>().unwrap_or(0.0));
    let mut seconds = || times.next().unwrap_or(0.0) / TICKS_PER_SECOND;
    ProcessorSeconds { user: seconds(), system: seconds() }
}

/// The largest resident size of this process so far; 0 where the system does not say.
pub(crate) fn peak_memory_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok()).map_or(0.0, |kib| kib / 1024.0)
}
