//! A result that several threads write for the first time, each its own places.

use std::marker::PhantomData;

/// Room for numbers. Nothing reads it before all are there, so it is not set to zero first.
pub(super) struct Unwritten<'a> {
    start: *mut f32,
    length: usize,
    owner: PhantomData<&'a mut Vec<f32>>,
}

// SAFETY: the only access is `write`, whose callers promise that no two of them overlap.
unsafe impl Sync for Unwritten<'_> {}

impl<'a> Unwritten<'a> {
    /// What the vector has room for behind its numbers.
    pub(super) fn behind(numbers: &'a mut Vec<f32>) -> Self {
        let room = numbers.spare_capacity_mut();
        Self { start: room.as_mut_ptr().cast(), length: room.len(), owner: PhantomData }
    }

    /// Writes `numbers`, each with `more` added, from `start` on and `step` places apart.
    ///
    /// # Safety
    /// Nobody else may write the same places at the same time.
    #[inline(always)]
    pub(super) unsafe fn write(&self, start: usize, step: usize, numbers: &[f32], more: f32) {
        let end = start + numbers.len().saturating_sub(1) * step;
        assert!(numbers.is_empty() || end < self.length, "the places are inside");
        // SAFETY: inside of the room, as just checked; nobody else is there, as the caller promises. The step of one is
        // apart because only it is done in vectors.
        unsafe {
            let to = self.start.add(start);
            if step == 1 {
                numbers.iter().enumerate().for_each(|(index, number)| to.add(index).write(number + more));
            } else {
                numbers.iter().enumerate().for_each(|(index, number)| to.add(index * step).write(number + more));
            }
        }
    }
}
