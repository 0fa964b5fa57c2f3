//! States of the robot in the HTTP API. The published API has none: the field `state` is ours, for policies that want them.

use serde::Deserialize;
use vipra_control::{PolicyDescription, ProprioSpace};

use crate::failure::Failure;
use crate::state::finite_states;
use crate::{Error, Result};

/// The name of the field.
pub(super) const FIELD: &str = "state";

/// What a request says of the robot's states.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(untagged, expecting = "`state`: not numbers, [dimensions] or [states, dimensions]")]
pub(super) enum States {
    /// The current one.
    Current(Vec<f64>),
    /// One a step, the oldest first.
    All(Vec<Vec<f64>>),
}

/// The states that the policy sees: those that were sent or, for a client that sends none, the one that is assumed, if any is. A
/// policy that wants none is shown none.
pub(super) fn wanted(
    description: &PolicyDescription,
    sent: Option<States>,
    assumed: Option<&[f32]>,
) -> Result<Vec<Vec<f32>>, Failure> {
    let Some(proprio) = &description.proprio else { return Ok(Vec::new()) };
    match (sent, assumed) {
        (Some(states), _) => Ok(checked(proprio, states)?),
        (None, Some(state)) => Ok(vec![state.to_vec(); proprio.states]),
        (None, None) => Err(Failure::missing_because(FIELD, &absent(proprio))),
    }
}

/// A request is all that is known of an HTTP client: nothing can be remembered of it, so that it sends every state that is wanted.
fn checked(proprio: &ProprioSpace, states: States) -> Result<Vec<Vec<f32>>> {
    let rows = match states {
        States::Current(state) => vec![state],
        States::All(rows) => rows,
    };
    let (count, width) = (proprio.states, proprio.names.len());
    if rows.len() != count || rows.iter().any(|row| row.len() != width) {
        let numbers: usize = rows.iter().map(Vec::len).sum();
        let found = format!("{} states of {numbers} numbers together", rows.len());
        return Err(Error::refused(FIELD, format!("{found}, expected [{count}, {width}], the oldest first")));
    }
    finite_states(FIELD, &proprio.names, rows)
}

fn absent(proprio: &ProprioSpace) -> String {
    let (count, width, names) = (proprio.states, proprio.names.len(), proprio.names.join(", "));
    format!(
        "this policy sees the robot's state: send [{count}, {width}], the oldest first ({names}), or use a WebSocket, which remembers \
         them; `vipra serve --http-assume-state` answers without"
    )
}
