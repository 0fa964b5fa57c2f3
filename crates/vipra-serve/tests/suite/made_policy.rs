//! A policy that does what its instruction says, and whose actions tell what it saw.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use vipra_control::{
    ActionChunk, ActionKind, ActionSpace, Error, Gripper, Observation, Policy, PolicyDescription, ProprioSpace, Result,
    RotationForm,
};
use vipra_data::Frame;
use vipra_data::normalize::Normalizer;
use vipra_serve::{ServeOptions, Server, Timeouts};

pub(crate) const HORIZON: usize = 4;
pub(crate) const OFFSET: [f64; 3] = [1.0, 2.0, 3.0];
pub(crate) const SCALE: [f64; 3] = [2.0, 4.0, 8.0];
/// Between the two frames.
pub(crate) const INTERVAL_SECS: f64 = 0.3;

/// What happened to a policy.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) enum Event {
    #[default]
    Reset,
    Inferred {
        observations: usize,
    },
}

pub(crate) struct Made {
    description: PolicyDescription,
    delay: Duration,
    events: Arc<Mutex<Vec<Event>>>,
    observations: Arc<Mutex<Vec<Observation>>>,
}

impl Made {
    pub(crate) fn new() -> Self {
        let names: Vec<String> = ["past", "now", "gripper"].map(str::to_owned).to_vec();
        let action = ActionSpace {
            kind: ActionKind::DeltaEndEffector,
            rotation: RotationForm::RotationVector,
            gripper: Some(Gripper { dimension: "gripper".into(), open: 1.0, closed: -1.0 }),
            units: vec!["m".into(), "m".into(), "1".into()],
            names,
            normalizer: Normalizer { offset: OFFSET.to_vec(), scale: SCALE.to_vec() },
        };
        let description = PolicyDescription {
            policy: "made".into(),
            action,
            proprio: None,
            horizon: HORIZON,
            control_rate_hz: 5.0,
            frame_interval_secs: INTERVAL_SECS,
            image_size: [4, 4],
            crops: 1,
            fingerprints: BTreeMap::from([("tokenizer".to_owned(), "abc".to_owned())]),
        };
        Self { description, delay: Duration::ZERO, events: Arc::default(), observations: Arc::default() }
    }

    pub(crate) fn with_states(mut self, states: usize) -> Self {
        let names = vec!["x".to_owned(), "y".to_owned()];
        let normalizer = Normalizer { offset: vec![5.0, 6.0], scale: vec![1.0; 2] };
        self.description.proprio = Some(ProprioSpace { names, states, normalizer });
        self
    }

    pub(crate) fn at_rate(mut self, control_rate_hz: f64) -> Self {
        self.description.control_rate_hz = control_rate_hz;
        self
    }

    pub(crate) fn taking(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// What happens to it from now on; the warm-up and its reset come first.
    pub(crate) fn events(&self) -> Arc<Mutex<Vec<Event>>> {
        self.events.clone()
    }

    /// What it is shown from now on; the warm-up's observation comes first.
    pub(crate) fn observations(&self) -> Arc<Mutex<Vec<Observation>>> {
        self.observations.clone()
    }

    pub(crate) fn note(&self, event: Event) {
        self.events.lock().unwrap().push(event);
    }

    pub(crate) fn served(self) -> Server {
        self.served_with(&|_| {})
    }

    pub(crate) fn served_with(self, change: &dyn Fn(&mut ServeOptions)) -> Server {
        let millis = Duration::from_millis;
        // Clients of tests answer pings only while they read, and a busy machine keeps them from it: `idle` is theirs to shorten.
        let timeouts = Timeouts {
            request: millis(10_000),
            ping_interval: millis(100),
            idle: millis(30_000),
            shutdown: millis(2000),
        };
        let address = "127.0.0.1:0".parse().unwrap();
        let mut options = ServeOptions { address, timeouts, ..ServeOptions::default() };
        change(&mut options);
        Server::start(Box::new(self), options).unwrap()
    }

    fn chunk(&self, observation: &Observation) -> Result<ActionChunk> {
        let level = |frame: &Frame| f32::from(frame.pixels()[0]);
        let [past, now] = &observation.frames;
        let mut last = observation.proprio.last().map_or(observation.instruction.len() as f32, |state| state[0]);
        match observation.instruction.as_str() {
            "nan" => last = f32::NAN,
            "panic" => panic!("as asked for"),
            "refuse" => return Err(Error::observation("instruction", "is not known")),
            "refuse state" => return Err(Error::observation("proprio", "is not known")),
            "refuse image" => return Err(Error::observation("frames", "is not known")),
            "short" => return Ok(ActionChunk { actions: vec![vec![0.0; 3]; HORIZON - 1] }),
            "fail" => return Err(Error::Policy("no such file: /secret/weights".into())),
            "sleep" => std::thread::sleep(Duration::from_millis(1500)),
            "size" => return Ok(rows([now.height() as f32, now.width() as f32, past.width() as f32])),
            "states" => {
                // Zeros stand behind them.
                let state = |at: usize| observation.proprio.get(at).map_or(0.0, |state| state[0]);
                return Ok(ActionChunk { actions: (0..HORIZON).map(|at| vec![state(at); 3]).collect() });
            }
            _ => {}
        }
        Ok(rows([level(past), level(now), last]))
    }
}

fn rows(first: [f32; 3]) -> ActionChunk {
    ActionChunk { actions: (0..HORIZON).map(|step| first.map(|value| value + step as f32).to_vec()).collect() }
}

impl Policy for Made {
    fn describe(&self) -> &PolicyDescription {
        &self.description
    }

    fn infer_batch(&mut self, observations: &[Observation]) -> Vec<Result<ActionChunk>> {
        self.note(Event::Inferred { observations: observations.len() });
        self.observations.lock().unwrap().extend(observations.iter().cloned());
        std::thread::sleep(self.delay);
        observations.iter().map(|observation| self.chunk(observation)).collect()
    }

    fn reset(&mut self) {
        self.note(Event::Reset);
    }
}
