//! What a robot saw, until the policy asks for it.

use std::collections::VecDeque;

use vipra_data::Frame;

use crate::{Observation, PolicyDescription};

/// By how many steps the earlier frame is looked for before its age: of two frames equally near to it the older one is seen, as
/// where the policy was trained, whatever rounding does to their times.
const OLDER_STEPS: f64 = 1e-3;

/// Frames that are kept however many bytes they have: the current one, the oldest one, and one that takes its place in time.
const MIN_FRAMES: usize = 3;

/// Keeps frames and states of one robot for as long as its policy looks back.
#[derive(Debug, Clone)]
pub struct History {
    frame_age_secs: f64,
    step_secs: f64,
    states_wanted: usize,
    max_bytes: usize,
    frames: VecDeque<Timed<Frame>>,
    states: VecDeque<Timed<Vec<f32>>>,
}

#[derive(Debug, Clone)]
struct Timed<T> {
    secs: f64,
    value: T,
}

impl History {
    /// Nothing was seen yet by what `description` describes.
    pub fn new(description: &PolicyDescription) -> Self {
        let step_secs = 1.0 / description.control_rate_hz.max(1e-9);
        Self {
            frame_age_secs: description.frame_interval_secs + OLDER_STEPS * step_secs,
            step_secs,
            states_wanted: description.proprio.as_ref().map_or(0, |proprio| proprio.states),
            max_bytes: usize::MAX,
            frames: VecDeque::new(),
            states: VecDeque::new(),
        }
    }

    /// Keeps no more than so many bytes of frames, but always three frames. Of a robot that shows its frames much faster than it
    /// acts, frames in between are then forgotten: of `n` frames that fit, the earlier one is older or younger than it should be by
    /// about `1 / n` of its age (half of it for three). States are small, and all of them are kept.
    pub fn limited(mut self, max_bytes: usize) -> Self {
        self.max_bytes = max_bytes;
        self
    }

    /// Takes in what is seen at a time, in seconds of any clock that does not run backwards.
    pub fn push(&mut self, secs: f64, frame: Frame, state: Vec<f32>) {
        self.frames.push_back(Timed { secs, value: frame });
        forget_before(&mut self.frames, secs - self.frame_age_secs);
        thin_out(&mut self.frames, self.max_bytes);
        if self.states_wanted > 0 {
            self.states.push_back(Timed { secs, value: state });
            forget_before(&mut self.states, secs - self.step_secs * (self.states_wanted - 1) as f64);
        }
    }

    /// What the policy sees now: the frame nearest to the wanted age (the older of two that are equally near; the oldest one at
    /// the beginning, where there is none that old), and the states nearest to their steps.
    pub fn observe(&self, instruction: &str) -> Option<Observation> {
        let now = self.frames.back()?;
        let past = nearest(&self.frames, now.secs - self.frame_age_secs)?;
        let ages = (0..self.states_wanted).rev().map(|steps| steps as f64 * self.step_secs);
        let states = ages.filter_map(|age| nearest(&self.states, now.secs - age));
        Some(Observation {
            instruction: instruction.to_owned(),
            frames: [past.clone(), now.value.clone()],
            proprio: states.cloned().collect(),
        })
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.frames.clear();
        self.states.clear();
    }
}

/// Forgets what is not looked for at `secs` or later. The moment just before may be the nearest to it, and stays.
fn forget_before<T>(moments: &mut VecDeque<Timed<T>>, secs: f64) {
    while moments.len() > 1 && moments[1].secs <= secs {
        moments.pop_front();
    }
}

/// Forgets frames between the oldest and the current one until they fit. The one whose neighbours are nearest to each other goes
/// first, so that no gap becomes much longer than others and a frame of about every age stays.
fn thin_out(frames: &mut VecDeque<Timed<Frame>>, max_bytes: usize) {
    let mut bytes: usize = frames.iter().map(|frame| frame.value.pixels().len()).sum();
    while frames.len() > MIN_FRAMES && bytes > max_bytes {
        let gap = |at: usize| frames[at + 1].secs - frames[at - 1].secs;
        let Some(at) = (1..frames.len() - 1).min_by(|a, b| gap(*a).total_cmp(&gap(*b))) else { return };
        bytes -= frames.remove(at).map_or(0, |frame| frame.value.pixels().len());
    }
}

fn nearest<T>(moments: &VecDeque<Timed<T>>, secs: f64) -> Option<&T> {
    let distance = |moment: &Timed<T>| (moment.secs - secs).abs();
    moments.iter().min_by(|a, b| distance(a).total_cmp(&distance(b))).map(|moment| &moment.value)
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

    /// `vipra-policy` rounds halves of a frame up when it learns, and so does the Python client.
    #[test]
    fn the_earlier_frame_is_the_one_of_training_at_half_steps_too() {
        let numbered = |step: usize| Frame::from_pixels(1, 1, vec![(step / 256) as u8, (step % 256) as u8, 0]).unwrap();
        for (rate_hz, interval_secs) in [(5.0, 0.3), (5.0, 0.5), (3.0, 0.5), (15.0, 0.1), (15.0, 0.3)] {
            let described =
                PolicyDescription { control_rate_hz: rate_hz, frame_interval_secs: interval_secs, ..description() };
            let mut history = History::new(&described);
            let gap = (interval_secs * rate_hz).round() as usize;
            for step in 0..300_usize {
                history.push(step as f64 / rate_hz, numbered(step), vec![0.0]);
                let seen = history.observe("x").unwrap();
                let expected = numbered(step.saturating_sub(gap));
                assert_eq!(seen.frames[0], expected, "{rate_hz} Hz, {interval_secs} s, step {step}");
            }
        }
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

    /// Ages of the earlier frame, wanted is 0.4 s, where so many frames may be kept and one comes every 0.01 s.
    fn ages(max_frames: usize) -> Vec<f64> {
        let mut history = History::new(&description()).limited(max_frames * 3);
        let age = |step: u8| {
            history.push(f64::from(step) * 0.01, frame(step), vec![0.0]);
            assert!(history.frames.len() <= max_frames.max(MIN_FRAMES), "{}", history.frames.len());
            let [past, now] = history.observe("x").unwrap().frames;
            assert_eq!(now, frame(step), "the current frame is never forgotten");
            f64::from(step - past.pixels()[0]) * 0.01
        };
        (0..=255).map(age).collect()
    }

    #[test]
    fn of_too_many_bytes_frames_in_between_are_forgotten() {
        for (max_frames, tolerance_secs) in [(50, 0.001), (20, 0.03), (10, 0.06), (3, 0.21), (0, 0.21)] {
            for (step, age) in ages(max_frames).into_iter().enumerate() {
                // At the beginning there is none that old.
                let wanted = (step as f64 * 0.01).min(0.4);
                assert!((age - wanted).abs() < tolerance_secs, "{max_frames} frames, step {step}: {age} s old");
            }
        }
    }

    #[test]
    fn states_outlive_frames_that_are_forgotten() {
        let mut seven = description();
        seven.proprio.as_mut().unwrap().states = 7;
        let mut history = History::new(&seven).limited(0);
        for step in 0..20_u8 {
            history.push(f64::from(step) * 0.2, frame(step), vec![f32::from(step)]);
        }
        let states: Vec<f32> = history.observe("x").unwrap().proprio.concat();
        assert_eq!(states, [13.0, 14.0, 15.0, 16.0, 17.0, 18.0, 19.0]);
        assert!(history.states.len() <= 8, "{}", history.states.len());
    }

    proptest! {
        /// What is forgotten is never what would have been seen, and what is kept does not grow.
        #[test]
        fn forgetting_changes_nothing(gaps in prop::collection::vec(0.01_f64..1.0, 1..60)) {
            // 43 frames are as many as are ever looked for: a limit that is not reached changes nothing either.
            let mut history = History::new(&description()).limited(43 * 3);
            let (mut all, mut now) = (Vec::new(), 0.0);
            for (index, gap) in gaps.iter().enumerate() {
                now += gap;
                let level = index as u8;
                history.push(now, frame(level), vec![f32::from(level)]);
                all.push((now, level));
                // Of two that are equally near, the older one.
                let wanted = now - (0.4 + OLDER_STEPS * 0.2);
                let nearest = all.iter().min_by(|a, b| (a.0 - wanted).abs().total_cmp(&(b.0 - wanted).abs())).unwrap();
                prop_assert_eq!(&history.observe("x").unwrap().frames[0], &frame(nearest.1));
                prop_assert!(history.frames.len() <= 43 && history.states.len() <= 43);
            }
        }
    }
}
