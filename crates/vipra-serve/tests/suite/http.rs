//! ViPRA's HTTP API, as its published client calls it (reference 13).

use image::{ExtendedColorType, ImageEncoder};
use serde_json::{Value, json};
use vipra_serve::Units;

use crate::clients::{get, post, post_json, ready};
use crate::made_policy::{Event, HORIZON, Made, OFFSET, SCALE};

/// An image as nested lists.
pub(crate) fn nested(level: u8, height: usize, width: usize) -> Value {
    json!(vec![vec![[level; 3]; width]; height])
}

fn jpeg(level: u8, side: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 100);
    encoder.write_image(&vec![level; (side * side * 3) as usize], side, side, ExtendedColorType::Rgb8).unwrap();
    bytes
}

/// A form's content type and body.
pub(crate) fn form(parts: &[(&str, Option<&str>, &[u8])]) -> (&'static str, Vec<u8>) {
    let mut body = Vec::new();
    for (name, file, content) in parts {
        let file = file.map_or_else(String::new, |file| format!("; filename=\"{file}\"\r\nContent-Type: image/jpeg"));
        body.extend(format!("--edge\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n").bytes());
        body.extend(*content);
        body.extend(b"\r\n");
    }
    body.extend(b"--edge--\r\n");
    ("multipart/form-data; boundary=edge", body)
}

pub(crate) fn actions(answer: &Value) -> Vec<Vec<f64>> {
    serde_json::from_value(answer["raw_actions"].clone()).unwrap()
}

/// In the model's units.
fn normalized(action: [f64; 3]) -> Vec<f64> {
    (0..3).map(|at| (action[at] - OFFSET[at]) / SCALE[at]).collect()
}

#[test]
fn the_published_clients_calls_are_answered() {
    let server = Made::new().served();
    let address = server.address();
    let (status, answer) = post_json(address, "/reset", &json!({ "task_description": "pick" }));
    assert_eq!((status, &answer["status"]), (200, &json!("success")), "{answer}");

    let images = json!([nested(10, 4, 4), nested(20, 4, 4)]);
    let (status, answer) = post_json(address, "/step", &json!({ "image": images, "task_description": null }));
    assert_eq!(status, 200, "{answer}");
    let steps = actions(&answer);
    assert_eq!(steps.len(), HORIZON);
    assert_eq!(steps[0], normalized([10.0, 20.0, 4.0]));
    assert_eq!(steps[3], normalized([13.0, 23.0, 7.0]));

    let (kind, body) = form(&[
        ("image0", Some("a.jpg"), &jpeg(100, 4)),
        ("image1", Some("b.jpg"), &jpeg(200, 4)),
        ("task_description", None, b"place it"),
    ]);
    let (status, answer) = post(address, "/step_bytes", kind, body);
    assert_eq!(status, 200, "{answer}");
    assert_eq!(actions(&answer)[0], normalized([100.0, 200.0, 8.0]));
    server.stop().unwrap();
}

#[test]
fn forms_may_be_as_long_as_any_message() {
    let server = Made::new().served();
    // What stands behind a picture's end is not looked at.
    let mut large = jpeg(100, 4);
    large.resize(3 << 20, 0);
    let (kind, body) = form(&[
        ("image0", Some("a.jpg"), &large),
        ("image1", Some("b.jpg"), &large),
        ("task_description", None, b"pick"),
    ]);
    let (status, answer) = post(server.address(), "/step_bytes", kind, body);
    assert_eq!(status, 200, "{answer}");
}

#[test]
fn a_flag_asks_for_robot_units() {
    let server = Made::new().served_with(&|options| options.http_units = Units::Robot);
    let images = json!([nested(10, 4, 4), nested(20, 4, 4)]);
    let body = json!({ "image": images, "task_description": "pick" });
    let (_, answer) = post_json(server.address(), "/step", &body);
    assert_eq!(actions(&answer)[0], [10.0, 20.0, 4.0]);
}

#[test]
fn a_task_that_is_refused_is_not_the_task_of_others() {
    let server = Made::new().served_with(&|options| options.http_units = Units::Robot);
    let address = server.address();
    let long = "x".repeat(5000);
    assert_eq!(post_json(address, "/reset", &json!({ "task_description": "a" })).0, 200);
    let step = |task: Value| {
        let body = json!({ "image": [nested(1, 4, 4), nested(2, 4, 4)], "task_description": task });
        post_json(address, "/step", &body)
    };
    let refused = json!({ "detail": "`task_description`: 5000 bytes, at most 4096 are read" });
    assert_eq!(step(json!(long)), (500, refused.clone()));
    assert_eq!(post_json(address, "/reset", &json!({ "task_description": long })), (500, refused));
    let (status, answer) = step(Value::Null);
    assert_eq!((status, &actions(&answer)[0][..]), (200, &[1.0, 2.0, 1.0][..]), "{answer}");
}

#[test]
fn another_task_begins_an_episode() {
    let policy = Made::new();
    let events = policy.events();
    let server = policy.served();
    ready(server.address());
    events.lock().unwrap().clear();
    let step = |task: Value| {
        let body = json!({ "image": [nested(1, 4, 4), nested(2, 4, 4)], "task_description": task });
        assert_eq!(post_json(server.address(), "/step", &body).0, 200);
    };
    step(json!("pick"));
    step(json!("pick"));
    step(Value::Null);
    step(json!("place"));
    assert_eq!(post_json(server.address(), "/reset", &json!({ "task_description": "place" })).0, 200);
    step(Value::Null);
    let inferred = Event::Inferred { observations: 1 };
    let expected = [Event::Reset, inferred.clone(), inferred.clone(), inferred.clone(), Event::Reset, inferred.clone()];
    let expected = [&expected[..], &[Event::Reset, inferred]].concat();
    assert_eq!(*events.lock().unwrap(), expected);
}

#[test]
fn errors_look_like_the_published_servers() {
    let server = Made::new().served();
    let address = server.address();
    let missing = |body: Value, name: &str, path: &str| {
        let (status, answer) = post_json(address, path, &body);
        assert_eq!(status, 422, "{answer}");
        assert_eq!(answer["detail"][0]["type"], "missing");
        assert_eq!(answer["detail"][0]["loc"], json!(["body", name]));
    };
    missing(json!({}), "task_description", "/reset");
    missing(json!({ "task_description": "pick" }), "image", "/step");
    // Nobody has said yet what the task is.
    missing(json!({ "image": [nested(1, 4, 4), nested(1, 4, 4)] }), "task_description", "/step");
    let (kind, body) = form(&[("image0", Some("a.jpg"), &jpeg(1, 4))]);
    let (status, answer) = post(address, "/step_bytes", kind, body);
    assert_eq!((status, &answer["detail"][0]["loc"]), (422, &json!(["body", "image1"])), "{answer}");

    let (kind, body) = form(&[("image0", Some("a"), b"no image"), ("image1", Some("b"), b"no image")]);
    let (status, answer) = post(address, "/step_bytes", kind, body);
    assert_eq!(status, 500);
    assert!(answer["detail"].as_str().unwrap().contains("`image0`"), "{answer}");
}

#[test]
fn other_paths_and_methods_are_named_errors() {
    let server = Made::new().served();
    let address = server.address();
    ready(address);
    assert_eq!(get(address, "/healthz"), (200, "OK\n".to_owned()));
    assert_eq!(get(address, "/anything").0, 426);
    assert_eq!(get(address, "/step").0, 405);
    assert_eq!(post_json(address, "/nowhere", &json!({})), (404, json!({ "detail": "Not Found" })));
}

/// A step of a policy whose actions are the states that it sees, with a field `state` or without.
fn step_with_state(address: std::net::SocketAddr, state: Option<Value>) -> (u16, Value) {
    let mut body = json!({ "image": [nested(1, 4, 4), nested(1, 4, 4)], "task_description": "states" });
    if let Some(state) = state {
        body["state"] = state;
    }
    post_json(address, "/step", &body)
}

#[test]
fn states_travel_in_a_field_of_their_own() {
    let server = Made::new().with_states(2).served_with(&|options| options.http_units = Units::Robot);
    let address = server.address();
    let states = json!([[7.0, 0.0], [8.5, 0.0]]);
    let expected = [7.0, 8.5, 0.0, 0.0].map(|state| vec![state; 3]).to_vec();
    let (status, answer) = step_with_state(address, Some(states.clone()));
    assert_eq!((status, actions(&answer)), (200, expected.clone()), "{answer}");
    let (kind, body) = form(&[
        ("image0", Some("a.jpg"), &jpeg(1, 4)),
        ("image1", Some("b.jpg"), &jpeg(1, 4)),
        ("task_description", None, b"states"),
        ("state", None, states.to_string().as_bytes()),
    ]);
    let (status, answer) = post(address, "/step_bytes", kind, body);
    assert_eq!((status, actions(&answer)), (200, expected), "{answer}");

    let missing = step_with_state(address, None);
    assert_eq!((missing.0, &missing.1["detail"][0]["loc"]), (422, &json!(["body", "state"])));
    let text = missing.1["detail"][0]["msg"].as_str().unwrap();
    assert!(text.contains("[2, 2]") && text.contains("WebSocket") && text.contains("--http-assume-state"), "{text}");
    for (state, status, expected) in [
        (json!([1.0, 2.0]), 500, "1 states of 2 numbers"),
        (json!([[1.0], [2.0]]), 500, "expected [2, 2]"),
        (json!([[1e300, 0.0], [0.0, 0.0]]), 500, "`x` of state 0 is 1e300"),
        (json!("standing"), 422, "`state`"),
    ] {
        let (found, answer) = step_with_state(address, Some(state));
        assert!(found == status && answer.to_string().contains(expected), "{found} {answer} / {expected}");
    }
}

#[test]
fn a_single_state_may_come_alone() {
    let server = Made::new().with_states(1).served_with(&|options| options.http_units = Units::Robot);
    let (status, answer) = step_with_state(server.address(), Some(json!([4.0, 0.0])));
    assert_eq!((status, &actions(&answer)[0]), (200, &vec![4.0; 3]), "{answer}");
}

#[test]
fn a_state_is_assumed_where_the_server_is_told_to() {
    let server = Made::new().with_states(2).served_with(&|options| {
        (options.http_units, options.http_assumed_state) = (Units::Robot, Some(vec![-2.5, 0.5]));
    });
    let (status, answer) = step_with_state(server.address(), None);
    assert_eq!((status, &actions(&answer)[..2]), (200, &vec![vec![-2.5; 3]; 2][..]), "{answer}");
    let (_, answer) = step_with_state(server.address(), Some(json!([[7.0, 0.0], [8.0, 0.0]])));
    assert_eq!(actions(&answer)[..2], [vec![7.0; 3], vec![8.0; 3]]);
}
