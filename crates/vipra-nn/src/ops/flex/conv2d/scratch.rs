//! Memory that a thread uses again for each piece of its work.

use std::cell::RefCell;

thread_local! {
    static SCRATCH: RefCell<[Vec<f32>; 2]> = const { RefCell::new([Vec::new(), Vec::new()]) };
}

/// Two runs of numbers of these lengths, in which anything may stand. `work` must not call this itself, nor wait for other
/// work of the thread pool, which may.
pub(super) fn with_scratch<R>(lengths: [usize; 2], work: impl FnOnce([&mut [f32]; 2]) -> R) -> R {
    SCRATCH.with_borrow_mut(|[first, second]| {
        for (numbers, length) in [&mut *first, &mut *second].into_iter().zip(lengths) {
            if numbers.len() < length {
                numbers.resize(length, 0.0);
            }
        }
        work([&mut first[..lengths[0]], &mut second[..lengths[1]]])
    })
}
