//! Random numbers of a run.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// The random numbers of step `step` of a run with this seed: a function of the two and of nothing else, so that a resumed
/// run draws what an uninterrupted one would have.
pub fn for_step(seed: u64, step: u64) -> ChaCha8Rng {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(step);
    random
}

/// The random numbers of a new model, which are those of no step, nor of the codebooks, which begin from the last stream.
pub(crate) fn for_initialization(seed: u64) -> ChaCha8Rng {
    for_step(seed, u64::MAX - 1)
}
