//! The embedded tabletop, driven through the whole evaluation by a scripted expert that answers as a policy.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the message")]

mod made;

use std::collections::VecDeque;

use made::description;
use serde_json::json;
use vipra_control::{ActionChunk, ActionKind, Execution, Observation, Policy, PolicyDescription, RotationForm};
use vipra_eval::{
    Environment, Episode, EvaluateOptions, Section, TabletopEnvironment, evaluate, page, plan, splits_named, summarize,
    videos,
};
use vipra_sim::record::evaluation_seed;
use vipra_sim::{ACTION_NAMES, Expert, Scenes, Split, Tabletop, TabletopConfig};

/// Knows which episodes come, one at a time, and does each on a table of its own that goes the same way.
struct Mirror {
    description: PolicyDescription,
    coming: VecDeque<Episode>,
    table: Tabletop,
    expert: Option<Expert>,
}

impl Policy for Mirror {
    fn describe(&self) -> &PolicyDescription {
        &self.description
    }

    fn infer_batch(&mut self, observations: &[Observation]) -> Vec<vipra_control::Result<ActionChunk>> {
        let [seen] = observations else { panic!("one at a time") };
        assert_eq!(seen.instruction, self.table.instruction());
        assert_eq!(seen.frames[1], self.table.picture(), "both tables look the same");
        assert_eq!(seen.proprio, [[self.table.state()[2], self.table.state()[6]]]);
        let mut action = self.expert.as_mut().unwrap().act(&self.table);
        self.table.step(&action).unwrap();
        // In this policy's units a closed gripper is 0.
        action[6] = (action[6] + 1.0) / 2.0;
        vec![Ok(ActionChunk { actions: vec![action.to_vec()] })]
    }

    fn reset(&mut self) {
        let episode = self.coming.pop_front().unwrap();
        let split = splits_named(&episode.split).unwrap()[0];
        let seed = evaluation_seed(episode.seed, episode.number);
        self.table =
            Tabletop::new(TabletopConfig { scenes: Scenes::default().of(split), ..TabletopConfig::default() }, seed)
                .unwrap();
        self.expert = Some(Expert::new(&self.table, seed));
    }
}

fn expert_description() -> PolicyDescription {
    let mut description = description(&ACTION_NAMES, &["z_m", "gripper_open"], 1);
    description.action.gripper.as_mut().unwrap().closed = 0.0;
    description
}

#[test]
fn an_expert_succeeds_and_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(&["seen".into(), "unseen-pairs".into()], &[2], 3);
    let mut policy = Mirror {
        description: expert_description(),
        coming: plan.iter().cloned().collect(),
        table: Tabletop::new(TabletopConfig::default(), 0).unwrap(),
        expert: None,
    };
    let make = |policy: &PolicyDescription| {
        Ok(Box::new(TabletopEnvironment::new(TabletopConfig::default(), policy)?) as Box<dyn Environment>)
    };
    let options = EvaluateOptions { execution: Execution::First { actions: 1 }, parallel: 1, videos: 2 };
    let header = json!({"environment": "tabletop", "fingerprints": {"model": "abc"}}).as_object().unwrap().clone();
    let outcomes = evaluate(&mut policy, &make, &plan, &header, folder.path(), &options, &|_, _| ()).unwrap();
    assert!(outcomes.iter().all(|outcome| outcome.success_last && outcome.touched == Some(true)), "{outcomes:?}");
    assert!(outcomes.iter().all(|outcome| outcome.latencies.len() == outcome.steps));
    assert!(summarize(&outcomes).iter().all(|summary| summary.success_last.share() == 1.0));

    let videos = videos(folder.path()).unwrap();
    assert_eq!(videos.len(), 4, "two of each split");
    let html = page(&[Section { title: "Expert".into(), header, outcomes, videos }]).unwrap();
    assert_eq!(html.matches("data:image/gif;base64,").count(), 4);
    for part in ["First successes", "unseen-pairs", "100.0 % [", "model: abc", "moved another"] {
        assert!(html.contains(part), "no {part:?}");
    }
    assert!(!html.contains("First failures") && !html.contains("src=\"http"));
}

/// Every fault comes at once.
#[test]
fn a_policy_of_another_robot_is_refused() {
    let mut other = description(&["j1", "j2", "gripper"], &["x_m", "torque"], 1);
    other.action.kind = ActionKind::Absolute;
    other.control_rate_hz = 50.0;
    let error = TabletopEnvironment::new(TabletopConfig::default(), &other).err().unwrap().to_string();
    for part in ["j1, j2", "absolute", "50 times", "torque"] {
        assert!(error.contains(part), "no {part:?} in {error}");
    }
}

#[test]
fn unseen_stands_for_both_kinds() {
    assert_eq!(splits_named("unseen"), Some(vec![Split::UnseenPairs, Split::UnseenPositions]));
    assert_eq!(splits_named("seen"), Some(vec![Split::Seen]));
    assert_eq!(splits_named("everything"), None);
}

/// Rz(yaw)·Ry(pitch)·Rx(roll) as the golden vectors of SIMPLER's adapter have it (interfaces d.3).
#[test]
fn roll_pitch_and_yaw_become_a_rotation_vector() {
    let episode = Episode { split: "seen".into(), seed: 0, number: 0 };
    let turned = |form: RotationForm, rotation: [f32; 3]| {
        let mut description = expert_description();
        description.action.rotation = form;
        description.proprio.as_mut().unwrap().names = ["roll_rad", "pitch_rad", "yaw_rad"].map(str::to_owned).to_vec();
        let mut table = TabletopEnvironment::new(TabletopConfig::default(), &description).unwrap();
        table.reset(&episode).unwrap();
        let [a, b, c] = rotation;
        table.step(&[0.0, 0.0, 0.0, a, b, c, 1.0]).unwrap();
        table.observe().unwrap().1
    };
    let found = turned(RotationForm::RollPitchYaw, [0.1, 0.2, 0.3]);
    let wanted = turned(RotationForm::RotationVector, [0.068_924_61, 0.213_225_93, 0.288_748_94]);
    assert!(found.iter().zip(&wanted).all(|(a, b)| (a - b).abs() < 1e-5), "{found:?} {wanted:?}");
    let plain = turned(RotationForm::RotationVector, [0.1, 0.2, 0.3]);
    assert!(found.iter().zip(&plain).any(|(a, b)| (a - b).abs() > 1e-3), "the forms differ");
}
