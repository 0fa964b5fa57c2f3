//! The threads that kernels share.

use burn::tensor::Device;

/// Models recurse, in their kernels' threads too; a thread of the standard library has two megabytes.
const STACK_BYTES: usize = 16 << 20;

/// Starts the threads, as many as `RAYON_NUM_THREADS` says or as there are cores, with room for deep models. For programs to
/// call once, at their start; without it they start with a small stack when they are first needed.
pub fn start() {
    // Where threads run already, they stay as they are.
    let _ = rayon::ThreadPoolBuilder::new().stack_size(STACK_BYTES).build_global();
}

/// Does work on one of the threads, if it is for the CPU: the other devices have threads and streams of their own.
///
/// A kernel that is called from any other thread hands its work over and is woken when that is done, which costs as much as a
/// small kernel itself: a policy's chunk is a thousand of them. Work must not wait for another thread's, which may need
/// this one; while it waits for its own kernels, this thread may begin with other work that was handed over.
pub fn on_a_worker<T: Send>(device: &Device, work: impl FnOnce() -> T + Send) -> T {
    if *device == Device::flex() { rayon::scope(|_| work()) } else { work() }
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use burn::tensor::Device;

    use super::on_a_worker;

    #[test]
    fn work_for_the_cpu_runs_among_the_kernels_and_panics_come_back() {
        let device = Device::flex();
        assert!(rayon::current_thread_index().is_none());
        let (outer, inner) =
            on_a_worker(&device, || (rayon::current_thread_index(), on_a_worker(&device, rayon::current_thread_index)));
        assert!(outer.is_some());
        assert_eq!(outer, inner, "work within work stays where it is");
        assert!(catch_unwind(|| on_a_worker(&Device::flex(), || panic!("for the test"))).is_err());
        assert_eq!(on_a_worker(&device, || 3), 3, "others go on");
    }
}
