//! One result that several threads write in turns of disjoint places.

use std::marker::PhantomData;

/// Numbers of which each thread may write those that are its own.
///
/// Heads of an attention lie beside each other in each token, so what one thread owns is no run of memory and cannot be
/// handed out by splitting.
pub(super) struct Shared<'a> {
    start: *mut f32,
    length: usize,
    owner: PhantomData<&'a mut [f32]>,
}

// SAFETY: the only access is `place`, whose callers promise that no two of them overlap.
unsafe impl Sync for Shared<'_> {}

impl<'a> Shared<'a> {
    pub(super) fn new(numbers: &'a mut [f32]) -> Self {
        Self { start: numbers.as_mut_ptr(), length: numbers.len(), owner: PhantomData }
    }

    /// The numbers `start..start + length`.
    ///
    /// # Safety
    /// No two places that are alive at the same time may overlap.
    #[allow(clippy::mut_from_ref)]
    #[inline(always)]
    pub(super) unsafe fn place(&self, start: usize, length: usize) -> &mut [f32] {
        assert!(start.checked_add(length).is_some_and(|end| end <= self.length), "the place is inside");
        // SAFETY: inside the borrowed numbers, as just checked; alone there, as the caller promises.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(start), length) }
    }
}
