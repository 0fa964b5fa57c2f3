//! openpi's protocol (interfaces a), and what this server adds to it: two frames, states, metadata.

use std::time::Duration;

use tungstenite::{Bytes, Message};
use vipra_serve::codec::{Array, Value, decode};

use crate::clients::{Client, image, request, rows};
use crate::made_policy::{HORIZON, INTERVAL_SECS, Made};

fn entry<'a>(map: &'a Value<'a>, key: &str) -> &'a Value<'a> {
    let Value::Map(entries) = map else { panic!("{map:?}") };
    &entries.iter().find(|(found, _)| found == key).unwrap_or_else(|| panic!("no {key}")).1
}

fn state(values: [f64; 2]) -> Value<'static> {
    let data: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    Value::Array(Array::new("<f8".parse().unwrap(), vec![2], data).unwrap())
}

#[test]
fn the_server_speaks_first_and_says_what_it_wants() {
    let server = Made::new().with_states(3).served_with(&|options| options.seed = Some(u64::MAX));
    let client = Client::connect(server.address());
    let greeting = decode(&client.greeting).unwrap();
    let keys = entry(&greeting, "keys");
    for key in ["observation/image", "observation/previous_image", "observation/state", "prompt"] {
        assert!(matches!(entry(keys, key), Value::Text(_)), "{key}");
    }
    assert_eq!(entry(&greeting, "frame_interval_secs"), &Value::Float(INTERVAL_SECS));
    assert_eq!(entry(&greeting, "control_rate_hz"), &Value::Float(5.0));
    assert_eq!(entry(&greeting, "action_horizon"), &Value::Int(HORIZON as i64));
    assert_eq!(entry(&greeting, "rotation"), &Value::text("rotation-vector"));
    assert_eq!(entry(&greeting, "units"), &Value::text("robot"));
    assert_eq!(entry(&greeting, "crops"), &Value::Int(1));
    assert_eq!(entry(&greeting, "seed"), &Value::Unsigned(u64::MAX));
    assert_eq!(entry(&greeting, "execution"), &Value::Nil, "of this policy it is not known");
    let names = ["past", "now", "gripper"].map(Value::text).to_vec();
    assert_eq!(entry(&greeting, "action_names"), &Value::List(names));
    let units = ["m", "m", "1"].map(Value::text).to_vec();
    assert_eq!(entry(&greeting, "action_units"), &Value::List(units));
}

#[test]
fn answers_are_in_robot_units_with_times() {
    let server = Made::new().served();
    let mut client = Client::connect(server.address());
    let first = client.infer(&request(9, "pick"));
    assert_eq!(first.actions.len(), HORIZON);
    assert_eq!(first.actions[1], [10.0, 10.0, 5.0]);
    assert_eq!(first.times, ["policy_timing/infer_ms", "server_timing/infer_ms"]);
    let second = client.infer(&request(9, "pick"));
    assert_eq!(second.times.last().unwrap(), "server_timing/prev_total_ms");
}

#[test]
fn the_earlier_frame_is_the_one_of_that_age_of_this_connection() {
    let server = Made::new().served();
    let mut client = Client::connect(server.address());
    // The current one twice at the start.
    assert_eq!(client.infer(&request(1, "x")).actions[0][..2], [1.0, 1.0]);
    std::thread::sleep(Duration::from_secs_f64(INTERVAL_SECS));
    assert_eq!(client.infer(&request(2, "x")).actions[0][..2], [1.0, 2.0]);
    std::thread::sleep(Duration::from_secs_f64(INTERVAL_SECS));
    assert_eq!(client.infer(&request(3, "x")).actions[0][..2], [2.0, 3.0]);
    // Another connection has seen nothing, and so has a new one.
    assert_eq!(Client::connect(server.address()).infer(&request(7, "x")).actions[0][..2], [7.0, 7.0]);
    drop(client);
    assert_eq!(Client::connect(server.address()).infer(&request(8, "x")).actions[0][..2], [8.0, 8.0]);
}

#[test]
fn a_client_can_send_the_earlier_frame_itself() {
    let server = Made::new().served();
    let mut client = Client::connect(server.address());
    let own = |now: u8, past: u8| {
        Value::map([
            ("observation/image", image(now, 4, 4)),
            ("observation/previous_image", image(past, 4, 4)),
            ("prompt", Value::text("x")),
        ])
    };
    assert_eq!(client.infer(&own(5, 200)).actions[0][..2], [200.0, 5.0]);
    assert_eq!(client.infer(&own(6, 100)).actions[0][..2], [100.0, 6.0]);
}

#[test]
fn images_come_to_the_policy_as_they_were_sent() {
    let server = Made::new().served();
    let mut client = Client::connect(server.address());
    let big = Value::map([("observation/image", image(5, 48, 64)), ("prompt", Value::text("size"))]);
    assert_eq!(client.infer(&big).actions[0], [48.0, 64.0, 64.0]);
}

#[test]
fn states_are_remembered_for_their_connection() {
    // Half a second from one to the next: what a busy machine adds to the pauses is less than half of that.
    let server = Made::new().with_states(3).at_rate(2.0).served();
    let ask = |client: &mut Client, x: f64| {
        let request = Value::map([
            ("observation/image", image(1, 4, 4)),
            ("observation/state", state([x, 0.0])),
            ("prompt", Value::text("states")),
        ]);
        client.infer(&request).actions.iter().take(3).map(|action| action[0]).collect::<Vec<_>>()
    };
    let mut client = Client::connect(server.address());
    assert_eq!(ask(&mut client, 1.0), [1.0, 1.0, 1.0]);
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(ask(&mut client, 2.0), [1.0, 1.0, 2.0]);
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(ask(&mut client, 3.0), [1.0, 2.0, 3.0]);
    assert_eq!(ask(&mut Client::connect(server.address()), 4.0), [4.0, 4.0, 4.0]);
    // A client that asks only now and then sends them all.
    let data: Vec<u8> = [7.0_f32, 0.0, 8.0, 0.0, 9.0, 0.0].iter().flat_map(|value| value.to_le_bytes()).collect();
    let all = Value::map([
        ("observation/image", image(1, 4, 4)),
        ("observation/state", Value::Array(Array::new("<f4".parse().unwrap(), vec![3, 2], data).unwrap())),
        ("prompt", Value::text("states")),
    ]);
    let seen: Vec<f64> = client.infer(&all).actions.iter().take(3).map(|action| action[0]).collect();
    assert_eq!(seen, [7.0, 8.0, 9.0]);
}

#[test]
fn roboarenas_endpoints_are_understood() {
    let server = Made::new().served();
    let mut client = Client::connect(server.address());
    let ask = |level: u8| {
        Value::map([
            ("endpoint", Value::text("infer")),
            ("observation/image", image(level, 4, 4)),
            ("prompt", Value::text("x")),
        ])
    };
    let bare = |client: &mut Client, level: u8| {
        client.send(&ask(level));
        let message = client.receive().into_data();
        let Value::Array(array) = decode(&message).unwrap() else { panic!("no array") };
        rows(&array)[0][..2].to_vec()
    };
    assert_eq!(bare(&mut client, 1), [1.0, 1.0]);
    std::thread::sleep(Duration::from_secs_f64(INTERVAL_SECS));
    client.send(&Value::map([("endpoint", Value::text("reset"))]));
    assert_eq!(client.receive(), Message::text("reset successful"));
    // What was seen before is forgotten.
    assert_eq!(bare(&mut client, 2), [2.0, 2.0]);
}

#[test]
fn a_default_prompt_stands_in() {
    let server = Made::new().served_with(&|options| options.default_prompt = Some("abc".into()));
    let mut client = Client::connect(server.address());
    let silent = Value::map([("observation/image", image(1, 4, 4))]);
    assert_eq!(client.infer(&silent).actions[0][2], 3.0);
    let as_bytes = Value::map([("observation/image", image(1, 4, 4)), ("prompt", Value::Bytes(b"four"[..].into()))]);
    assert_eq!(client.infer(&as_bytes).actions[0][2], 4.0);
    let nil = || Value::map([("observation/image", image(1, 4, 4)), ("prompt", Value::Nil)]);
    assert_eq!(client.infer(&nil()).actions[0][2], 3.0);
    let (text, _) = Client::connect(Made::new().served().address()).failure(&nil());
    assert!(text.starts_with("`prompt`: is missing, and the server has no default"), "{text}");
}

#[test]
fn pings_are_answered_while_the_policy_computes() {
    let server = Made::new().served();
    let mut client = Client::connect(server.address());
    client.send(&request(1, "sleep"));
    std::thread::sleep(Duration::from_millis(200));
    client.socket.send(Message::Ping(Bytes::from_static(b"there?"))).unwrap();
    loop {
        match client.socket.read().unwrap() {
            Message::Pong(payload) if payload == Bytes::from_static(b"there?") => break,
            Message::Ping(_) | Message::Pong(_) => {}
            other => panic!("the answer came before the pong: {other:?}"),
        }
    }
    client.chunk();
}

#[test]
fn requests_that_come_early_are_answered_in_order() {
    let server = Made::new().taking(Duration::from_millis(20)).served();
    let mut client = Client::connect(server.address());
    for level in 1..=5 {
        client.send(&request(level, "x"));
    }
    for level in 1..=5 {
        assert_eq!(client.chunk().actions[0][1], f64::from(level));
    }
}

#[test]
fn deflate_is_not_negotiated() {
    let server = Made::new().served_with(&|options| options.timeouts.idle = Duration::from_secs(1));
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13";
    let offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits";
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket";
    let head = format!("GET /x HTTP/1.1\r\nHost: a\r\n{upgrade}\r\n{key}\r\n{offer}\r\n\r\n");
    // Nothing is said after it, so that the server gives the connection up.
    let answer = crate::clients::raw(server.address(), head.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
    assert!(!answer.to_lowercase().contains("sec-websocket-extensions"), "{answer}");
}
