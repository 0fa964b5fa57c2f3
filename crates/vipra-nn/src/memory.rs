//! How the process treats memory.

/// Has freed memory kept for the next step in place of handed back to the system, where the C library is glibc.
///
/// A step frees its tensors and asks for the same ones again in the next. Handed back, each page costs a fault when it
/// comes again, which is an eighth of a training step of the latent action model. For programs to call once, at their
/// start; peak memory stays what it is, but other programs do not get it in between.
pub fn keep_freed() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        /// The largest that glibc accepts; larger tensors come from the system each time.
        const LARGEST_FROM_HEAP: libc::c_int = 32 << 20;
        // SAFETY: sets two numbers of the allocator. It may refuse, which changes nothing.
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, LARGEST_FROM_HEAP);
            libc::mallopt(libc::M_TRIM_THRESHOLD, libc::c_int::MAX);
        }
    }
}

/// Hands freed memory back to the system, where the C library is glibc: for programs that have kept it and now do something
/// else.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: takes no pointers, and touches only what nobody holds.
    unsafe {
        libc::malloc_trim(0);
    }
}
