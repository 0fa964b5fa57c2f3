//! What a client is told of a policy before it asks.

use serde_json::{Value as Json, json};
use vipra_control::PolicyDescription;

use crate::ServeOptions;
use crate::codec::Value;
use crate::field_names::FieldNames;

/// Keys of a WebSocket request.
pub(crate) mod keys {
    pub(crate) const IMAGE: &str = "observation/image";
    pub(crate) const PREVIOUS_IMAGE: &str = "observation/previous_image";
    pub(crate) const STATE: &str = "observation/state";
    pub(crate) const PROMPT: &str = "prompt";
    /// RoboArena's: `infer` or `reset` (interfaces a.1).
    pub(crate) const ENDPOINT: &str = "endpoint";
}

/// What a WebSocket's client calls what a policy may refuse.
pub(crate) const WEBSOCKET_NAMES: FieldNames =
    FieldNames { frames: keys::IMAGE, instruction: keys::PROMPT, proprio: keys::STATE };

/// What the server says first on a WebSocket: which keys a request has, how far apart the two frames are that the policy sees,
/// what the numbers of its actions mean, and, where it is known, how its chunks are executed and from which seed it draws.
pub fn metadata(description: &PolicyDescription, options: &ServeOptions) -> Json {
    let default_prompt = options.default_prompt.as_deref();
    let action = &description.action;
    let [height, width] = description.image_size;
    let earlier = format!(
        "the image {} s before, optional: if omitted, the server uses this connection's earlier image closest to that age",
        description.frame_interval_secs
    );
    let mut request = json!({
        keys::IMAGE: "the current image, RGB: |u1 [height, width, 3] or [3, height, width], fractions from 0 to 1, or the bytes of a JPEG or PNG file",
        keys::PREVIOUS_IMAGE: earlier,
        keys::PROMPT: if default_prompt.is_some() { "the instruction, optional" } else { "the instruction" },
    });
    if let Some(proprio) = &description.proprio {
        let (numbers, states) = (proprio.names.len(), proprio.states);
        let all = format!("or [{states}, {numbers}], one a step, up to the current one");
        let alone = format!("the robot's state in its units, [{numbers}]");
        request[keys::STATE] = json!(if states == 1 { alone } else { format!("{alone}, {all}") });
    }
    json!({
        "server": concat!("vipra ", env!("CARGO_PKG_VERSION")),
        "policy": description.policy,
        "keys": request,
        "units": "robot",
        "action_kind": action.kind,
        "action_names": action.names,
        "action_units": action.units,
        "rotation": action.rotation,
        "gripper": action.gripper,
        "action_horizon": description.horizon,
        "execution": options.execution,
        "seed": options.seed,
        "control_rate_hz": description.control_rate_hz,
        "frame_interval_secs": description.frame_interval_secs,
        "image_size": [height, width],
        "crops": description.crops,
        "state_names": description.proprio.as_ref().map(|proprio| &proprio.names),
        "states": description.proprio.as_ref().map_or(0, |proprio| proprio.states),
        "default_prompt": default_prompt,
        "fingerprints": description.fingerprints,
    })
}

/// The same as MessagePack has it.
pub(crate) fn to_value(json: &Json) -> Value<'_> {
    match json {
        Json::Null => Value::Nil,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(value), _) => Value::Int(value),
            (None, Some(value)) => Value::Unsigned(value),
            (None, None) => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::text(text.as_str()),
        Json::Array(values) => Value::List(values.iter().map(to_value).collect()),
        Json::Object(entries) => {
            Value::Map(entries.iter().map(|(key, value)| (key.as_str().into(), to_value(value))).collect())
        }
    }
}
