//! Chunks of actions out of an episode.

/// The actions from a step on, in the robot's units, and which of them the episode really has.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Chunk {
    /// `[horizon, width]`
    pub(super) actions: Vec<f32>,
    /// `[horizon]`
    pub(super) is_real: Vec<bool>,
}

/// Cuts a chunk out of an episode's actions, `[length, width]`. What lies behind the end is no motion (reference 7): numbers
/// that are `held`, `[width]`, are the last ones, and others zero.
pub(super) fn cut(actions: &[f32], held: &[bool], start: usize, horizon: usize) -> Chunk {
    let width = held.len().max(1);
    let real = actions.get(start * width..).unwrap_or_default();
    let mut chunk = real[..real.len().min(horizon * width)].to_vec();
    let count = chunk.len() / width;
    let last = actions.chunks_exact(width).next_back().unwrap_or_default();
    let still = last.iter().zip(held).map(|(value, is_held)| if *is_held { *value } else { 0.0 });
    (count..horizon).for_each(|_| chunk.extend(still.clone()));
    Chunk { actions: chunk, is_real: (0..horizon).map(|step| step < count).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACTIONS: [f32; 6] = [0.1, 1.0, 0.2, 1.0, 0.3, -1.0];

    #[test]
    fn behind_the_end_there_is_no_motion_and_what_is_held_stays() {
        let chunk = cut(&ACTIONS, &[false, true], 1, 4);
        assert_eq!(chunk.actions, [0.2, 1.0, 0.3, -1.0, 0.0, -1.0, 0.0, -1.0]);
        assert_eq!(chunk.is_real, [true, true, false, false]);
    }

    #[test]
    fn behind_the_end_an_absolute_action_is_held() {
        let chunk = cut(&ACTIONS, &[true, true], 2, 3);
        assert_eq!(chunk.actions, [0.3, -1.0, 0.3, -1.0, 0.3, -1.0]);
        assert_eq!(chunk.is_real, [true, false, false]);
    }

    #[test]
    fn a_whole_chunk_is_not_padded() {
        let chunk = cut(&ACTIONS, &[true, true], 0, 3);
        assert_eq!((chunk.actions, chunk.is_real), (ACTIONS.to_vec(), vec![true; 3]));
    }
}
