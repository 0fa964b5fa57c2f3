//! The most memory that the process held, by Linux's books.

/// Begins to measure anew, without what earlier stages left behind. Whether the system lets it.
pub fn begin() -> bool {
    vipra_nn::memory::give_back();
    // "5" sets the peak to what is held now (proc_pid_clear_refs(5)).
    cfg!(target_os = "linux") && std::fs::write("/proc/self/clear_refs", "5").is_ok()
}

/// The most since then, in MiB; None where the system does not say.
pub fn peak_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some((kib / 1024.0).round())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn a_peak_is_seen_and_forgotten() {
        const MIB: usize = 1 << 20;
        let before = peak_mib().unwrap();
        let held = std::hint::black_box(vec![1_u8; 256 * MIB]);
        assert!(peak_mib().unwrap() >= before.max(256.0));
        drop(held);
        if begin() {
            assert!(peak_mib().unwrap() < before + 200.0, "what is freed still counts");
        }
    }
}
