//! Where work runs.

/// Does work on one of the threads that kernels share.
///
/// A kernel that is called from any other thread hands its work over and is woken when that is done, which costs as much as a
/// small kernel itself: a policy's chunk is a thousand of them. Work must not wait for another thread's, which may need
/// this one.
pub fn on_a_worker<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    rayon::scope(|_| work())
}
