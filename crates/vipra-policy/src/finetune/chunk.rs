//! Chunks of actions out of an episode.

use vipra_control::ActionSpace;

/// The actions from a step on, in the robot's units, and which of them the episode really has.
#[derive(Debug, Clone, PartialEq)]
pub struct Chunk {
    /// `[horizon, width]`
    pub actions: Vec<f32>,
    /// `[horizon]`
    pub is_real: Vec<bool>,
}

/// Cuts a chunk out of an episode's actions, `[length, width]`. What lies behind the end is no motion (reference 7).
pub fn cut(actions: &[f32], space: &ActionSpace, start: usize, horizon: usize) -> Chunk {
    let width = space.width().max(1);
    let real = actions.get(start * width..).unwrap_or_default();
    let mut chunk = real[..real.len().min(horizon * width)].to_vec();
    let count = chunk.len() / width;
    let last = actions.chunks_exact(width).next_back().unwrap_or_default();
    let still = space.no_motion(last);
    (count..horizon).for_each(|_| chunk.extend_from_slice(&still));
    Chunk { actions: chunk, is_real: (0..horizon).map(|step| step < count).collect() }
}

#[cfg(test)]
mod tests {
    use vipra_control::{ActionKind, Gripper, RotationForm};
    use vipra_data::normalize::Normalizer;

    use super::*;

    fn space(kind: ActionKind) -> ActionSpace {
        ActionSpace {
            kind,
            rotation: RotationForm::None,
            gripper: Some(Gripper { dimension: "gripper".into(), open: 1.0, closed: -1.0 }),
            names: vec!["x".into(), "gripper".into()],
            units: vec!["m".into(), "1".into()],
            normalizer: Normalizer { offset: vec![0.5, 0.0], scale: vec![2.0, 1.0] },
        }
    }

    const ACTIONS: [f32; 6] = [0.1, 1.0, 0.2, 1.0, 0.3, -1.0];

    #[test]
    fn behind_the_end_a_delta_stands_still_and_holds_the_gripper() {
        let chunk = cut(&ACTIONS, &space(ActionKind::DeltaEndEffector), 1, 4);
        assert_eq!(chunk.actions, [0.2, 1.0, 0.3, -1.0, 0.0, -1.0, 0.0, -1.0]);
        assert_eq!(chunk.is_real, [true, true, false, false]);
    }

    #[test]
    fn behind_the_end_an_absolute_action_is_held() {
        let chunk = cut(&ACTIONS, &space(ActionKind::Absolute), 2, 3);
        assert_eq!(chunk.actions, [0.3, -1.0, 0.3, -1.0, 0.3, -1.0]);
        assert_eq!(chunk.is_real, [true, false, false]);
    }

    #[test]
    fn a_whole_chunk_is_not_padded() {
        let chunk = cut(&ACTIONS, &space(ActionKind::Absolute), 0, 3);
        assert_eq!((chunk.actions, chunk.is_real), (ACTIONS.to_vec(), vec![true; 3]));
    }
}
