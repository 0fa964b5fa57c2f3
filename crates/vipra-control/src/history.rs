//! What a robot saw, until the policy asks for it.

use std::collections::VecDeque;

use vipra_data::Frame;

use crate::{Observation, PolicyDescription};

/// Keeps frames and states of one robot for as long as its policy looks back.
#[derive(Debug, Clone)]
pub struct History {
    frame_interval_secs: f64,
    step_secs: f64,
    states: usize,
    most_bytes: usize,
    seen: VecDeque<Moment>,
}

#[derive(Debug, Clone)]
struct Moment {
    secs: f64,
    frame: Frame,
    state: Vec<f32>,
}

impl History {
    /// Nothing was seen yet by what `description` describes.
    pub fn new(description: &PolicyDescription) -> Self {
        Self {
            frame_interval_secs: description.frame_interval_secs,
            step_secs: 1.0 / description.control_rate_hz.max(1e-9),
            states: description.proprio.as_ref().map_or(0, |proprio| proprio.states),
            most_bytes: usize::MAX,
            seen: VecDeque::new(),
        }
    }

    /// Keeps no more than so many bytes of frames, but always the last two: of a robot that shows its frames much faster than
    /// it acts, the earlier frame is then younger than it should be.
    pub fn limited(mut self, most_bytes: usize) -> Self {
        self.most_bytes = most_bytes;
        self
    }

    /// Takes in what is seen at a time, in seconds of any clock that does not run backwards.
    pub fn push(&mut self, secs: f64, frame: Frame, state: Vec<f32>) {
        self.seen.push_back(Moment { secs, frame, state });
        let look_back = self.frame_interval_secs.max(self.step_secs * self.states.saturating_sub(1) as f64);
        // The moment just before the oldest that is looked for may be the nearest to it.
        while self.seen.len() > 2 && self.seen[1].secs <= secs - look_back {
            self.seen.pop_front();
        }
        let mut bytes: usize = self.seen.iter().map(|moment| moment.frame.pixels().len()).sum();
        while self.seen.len() > 2 && bytes > self.most_bytes {
            bytes -= self.seen.pop_front().map_or(0, |moment| moment.frame.pixels().len());
        }
    }

    /// What the policy sees now: the frame nearest to the wanted age (the oldest one at the beginning, where there is none
    /// that old), and the states nearest to their steps.
    pub fn observe(&self, instruction: &str) -> Option<Observation> {
        let now = self.seen.back()?;
        let past = self.nearest(now.secs - self.frame_interval_secs)?;
        let states = (0..self.states).rev();
        let proprio = states.filter_map(|steps| self.nearest(now.secs - steps as f64 * self.step_secs));
        Some(Observation {
            instruction: instruction.to_owned(),
            frames: [past.frame.clone(), now.frame.clone()],
            proprio: proprio.map(|moment| moment.state.clone()).collect(),
        })
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.seen.clear();
    }

    fn nearest(&self, secs: f64) -> Option<&Moment> {
        self.seen.iter().min_by(|a, b| (a.secs - secs).abs().total_cmp(&(b.secs - secs).abs()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use vipra_data::normalize::Normalizer;

    use super::*;
    use crate::{ActionKind, ActionSpace, ProprioSpace, RotationForm};

    fn description() -> PolicyDescription {
        let normalizer = Normalizer { offset: vec![0.0], scale: vec![1.0] };
        let names = vec!["x".to_owned()];
        let action = ActionSpace {
            kind: ActionKind::Absolute,
            rotation: RotationForm::None,
            gripper: None,
            units: vec!["m".into()],
            names: names.clone(),
            normalizer: normalizer.clone(),
        };
        PolicyDescription {
            policy: "none".into(),
            action,
            proprio: Some(ProprioSpace { names, states: 3, normalizer }),
            horizon: 14,
            control_rate_hz: 5.0,
            frame_interval_secs: 0.4,
            image_size: [2, 2],
            crops: 1,
            fingerprints: BTreeMap::new(),
        }
    }

    fn frame(level: u8) -> Frame {
        Frame::from_pixels(1, 1, vec![level; 3]).unwrap()
    }

    #[test]
    fn the_frame_nearest_to_the_wanted_age_is_seen() {
        let mut history = History::new(&description());
        assert!(history.observe("x").is_none());
        for step in 0..6_u8 {
            history.push(f64::from(step) * 0.2, frame(step), vec![f32::from(step)]);
        }
        let seen = history.observe("x").unwrap();
        assert_eq!(seen.frames, [frame(3), frame(5)]);
        assert_eq!(seen.proprio, [[3.0], [4.0], [5.0]]);
    }

    #[test]
    fn at_the_beginning_the_current_frame_comes_twice() {
        let mut history = History::new(&description());
        history.push(7.0, frame(9), vec![1.0]);
        let seen = history.observe("x").unwrap();
        assert_eq!(seen.frames, [frame(9), frame(9)]);
        assert_eq!(seen.proprio, [[1.0], [1.0], [1.0]]);
        history.clear();
        assert!(history.observe("x").is_none());
    }

    #[test]
    fn of_too_many_bytes_the_oldest_are_forgotten() {
        let mut history = History::new(&description()).limited(3 * 3);
        for step in 0..40_u8 {
            history.push(f64::from(step) * 0.01, frame(step), vec![0.0]);
        }
        assert_eq!(history.seen.len(), 3);
        assert_eq!(history.observe("x").unwrap().frames, [frame(37), frame(39)]);
        let mut tight = History::new(&description()).limited(0);
        (0..5).for_each(|step| tight.push(f64::from(step), frame(step), vec![0.0]));
        assert_eq!(tight.seen.len(), 2);
    }

    proptest! {
        /// What is forgotten is never what would have been seen, and what is kept does not grow.
        #[test]
        fn forgetting_changes_nothing(gaps in prop::collection::vec(0.01_f64..1.0, 1..60)) {
            let mut history = History::new(&description());
            let (mut all, mut now) = (Vec::new(), 0.0);
            for (index, gap) in gaps.iter().enumerate() {
                now += gap;
                let level = index as u8;
                history.push(now, frame(level), vec![f32::from(level)]);
                all.push((now, level));
                let wanted = now - 0.4;
                let nearest = all.iter().min_by(|a, b| (a.0 - wanted).abs().total_cmp(&(b.0 - wanted).abs())).unwrap();
                prop_assert_eq!(&history.observe("x").unwrap().frames[0], &frame(nearest.1));
                prop_assert!(history.seen.len() <= 42);
            }
        }
    }
}
