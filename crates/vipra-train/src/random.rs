//! Random numbers of a run.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// The random numbers of step `step` of a run with this seed. They depend on nothing else, so that a resumed run draws the
/// same as an uninterrupted one.
pub fn for_step(seed: u64, step: u64) -> ChaCha8Rng {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(step);
    random
}

/// The random numbers of a new model. Their stream is that of no step, and not the last one, from which codebooks are
/// initialised.
pub(crate) fn for_initialization(seed: u64) -> ChaCha8Rng {
    for_step(seed, u64::MAX - 1)
}
