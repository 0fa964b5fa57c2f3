//! What is wrong is a clear error to whoever sent it, and everyone else is unharmed.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;
use tungstenite::Message;
use vipra_serve::Server;
use vipra_serve::codec::{Array, Value};

use crate::clients::{Client, get, image, post, post_json, raw, ready, request, until};
use crate::http::form;
use crate::made_policy::{Event, Made};

/// Someone else, who is connected before and served after whatever happens.
struct Bystander(Client);

impl Bystander {
    fn of(server: &Server) -> Self {
        Self(Client::connect(server.address()))
    }

    fn is_unharmed(&mut self) {
        assert_eq!(self.0.infer(&request(42, "x")).actions[0][1], 42.0);
    }
}

fn with_image(value: Value<'static>) -> Value<'static> {
    Value::map([("observation/image", value), ("prompt", Value::text("x"))])
}

fn array(dtype: &str, shape: &[usize], data: Vec<u8>) -> Value<'static> {
    Value::Array(Array::new(dtype.parse().unwrap(), shape.to_vec(), data).unwrap())
}

#[test]
fn bad_messages_get_a_text_and_a_close() {
    let server = Made::new().served();
    let mut bystander = Bystander::of(&server);
    let cases: Vec<(&str, Message, &str)> = vec![
        ("no MessagePack", Message::binary(vec![0xc1, 0xff]), "MessagePack"),
        ("cut off", Message::binary(vec![0x82, 0xa1]), "MessagePack"),
        ("empty", Message::binary(Vec::new()), "too early"),
        ("no map", Message::binary(vec![0x91, 0x01]), "a map"),
        ("text", Message::text("hello"), "binary"),
    ];
    for (what, message, expected) in cases {
        let mut client = Client::connect(server.address());
        client.socket.send(message).unwrap();
        let (text, code) = client.fails();
        assert_eq!(code, 1011, "{what}");
        assert!(text.contains(expected), "{what}: {text}");
        bystander.is_unharmed();
    }
}

#[test]
fn bad_observations_are_refused_by_name() {
    let server = Made::new().with_states(4).served();
    let cases: Vec<(Value<'static>, &str)> = vec![
        (Value::map([("prompt", Value::text("x"))]), "`observation/image`: is missing; there are: prompt"),
        (with_image(array("<i4", &[1, 1, 3], vec![0; 12])), "<i4"),
        (with_image(array("|u1", &[4, 4], vec![0; 16])), "[4, 4]"),
        (with_image(array("|u1", &[0, 4, 3], vec![])), "4×0 pixels"),
        (with_image(array("|u1", &[1, 30_000, 3], vec![0; 90_000])), "30000×1 pixels"),
        (with_image(Value::Text("x".into())), "a text is no image"),
        (with_image(image(1, 4, 4)), "`observation/state`: is missing"),
        (Value::map([("endpoint", Value::text("dance")), ("prompt", Value::text("x"))]), "`endpoint`"),
    ];
    for (value, expected) in cases {
        let (text, code) = Client::connect(server.address()).failure(&value);
        assert_eq!(code, 1011);
        assert!(text.contains(expected), "{text} / {expected}");
    }
    let with_state = |state: Value<'static>| {
        let entries = [("observation/image", image(1, 4, 4)), ("observation/state", state)];
        let entries = entries.into_iter().chain([("prompt", Value::text("x"))]);
        Value::Map(entries.map(|(key, value)| (key.into(), value)).collect())
    };
    let states: Vec<(Value<'static>, &str)> = vec![
        (array("<f4", &[3], vec![0; 12]), "shape [3]; wanted are numbers, [2] or [4, 2]"),
        (array("<f4", &[3, 2], vec![0; 24]), "shape [3, 2]"),
        (array("<f4", &[4, 0], vec![]), "shape [4, 0]"),
        (array("<U1", &[2], vec![0; 8]), "<U1"),
        (Value::List(vec![Value::Float(f64::NAN), Value::Int(1)]), "`x` is NaN"),
        (Value::List(vec![Value::Float(1e300), Value::Int(1)]), "`x` is 1e300"),
        (Value::List(vec![Value::Nil, Value::Int(1)]), "a list"),
    ];
    for (state, expected) in states {
        let (text, _) = Client::connect(server.address()).failure(&with_state(state));
        assert!(text.starts_with("`observation/state`") && text.contains(expected), "{text}");
    }
}

#[test]
fn failures_of_the_policy_say_nothing_of_its_insides() {
    let server = Made::new().served();
    let mut bystander = Bystander::of(&server);
    for prompt in ["fail", "nan", "panic", "short"] {
        let (text, code) = Client::connect(server.address()).failure(&request(1, prompt));
        assert_eq!((text.as_str(), code), ("the policy failed", 1011), "{prompt}");
        bystander.is_unharmed();
    }
    let body = json!({ "image": [[[[1, 1, 1]]], [[[1, 1, 1]]]], "task_description": "fail" });
    assert_eq!(post_json(server.address(), "/step", &body), (500, json!({ "detail": "the policy failed" })));
    bystander.is_unharmed();
}

#[test]
fn what_the_policy_refuses_is_called_as_its_client_calls_it() {
    let server = Made::new().served();
    for (prompt, by_websocket, by_http) in [
        ("refuse", "prompt", "task_description"),
        ("refuse state", "observation/state", "state"),
        ("refuse image", "observation/image", "image"),
    ] {
        let (text, _) = Client::connect(server.address()).failure(&request(1, prompt));
        assert_eq!(text, format!("`{by_websocket}`: is not known"));
        let body = json!({ "image": [[[[1, 1, 1]]], [[[1, 1, 1]]]], "task_description": prompt });
        let expected = json!({ "detail": format!("`{by_http}`: is not known") });
        assert_eq!(post_json(server.address(), "/step", &body), (500, expected));
    }
}

#[test]
fn what_json_cannot_say_is_explained() {
    let server = Made::new().with_states(1).served();
    let step = |image: &str, state: &str| {
        let body = format!(r#"{{"image": {image}, "task_description": "x", "state": {state}}}"#);
        let (status, answer) = post(server.address(), "/step", "application/json", body);
        assert_eq!(status, 422, "{answer}");
        answer["detail"][0]["msg"].as_str().unwrap().to_owned()
    };
    let (rgb, standing) = ("[[[[1,2,3]]], [[[1,2,3]]]]", "[0, 0]");
    assert_eq!(step(rgb, "[NaN, 0]"), "NaN is not valid JSON: every number has to be finite");
    assert_eq!(step(rgb, "[0, -Infinity]"), "Infinity is not valid JSON: every number has to be finite");
    assert!(step("[[[[0.5,0.25,1]]], [[[0.5,0.25,1]]]]", standing).starts_with("level 0.5 is a fraction"));
    // Two of grey levels, in two forms, and one of colours.
    for image in ["[[[1,2]], [[1,2]]]", "[[[[1],[2]]], [[[1],[2]]]]", "[[[1,2,3]],[[1,2,3]]]"] {
        let text = step(image, standing);
        assert!(
            text.starts_with("`image` is two pictures, the earlier and the current one, each [height][width][3]"),
            "{text}"
        );
    }
}

#[test]
fn bad_bodies_are_refused() {
    let server = Made::new().served_with(&|options| {
        (options.limits.message_bytes, options.limits.image_side) = (20_000, 500);
    });
    let address = server.address();
    let mut bystander = Bystander::of(&server);
    let json = |body: &str| post(address, "/step", "application/json", body);
    assert_eq!(json("{").0, 422);
    assert_eq!(json("[]").0, 422);
    assert_eq!(json(r#"{"image": [[[[1,2]]], [[[1,2,3]]]], "task_description": "x"}"#).0, 422);
    assert_eq!(json(r#"{"image": [[[[1,2,3]]]], "task_description": "x"}"#).0, 422);
    assert_eq!(json(r#"{"image": [[[[1,2,300]]], [[[1,2,3]]]], "task_description": "x"}"#).0, 422);
    let (status, answer) = json(r#"{"image": [[], []], "task_description": "x"}"#);
    assert_eq!((status, &answer), (500, &json!({ "detail": "`image`: an image of 0×0 pixels" })));
    let wide = json!({ "image": [[vec![[0; 3]; 600]], [vec![[0; 3]; 1]]], "task_description": "x" });
    let (status, answer) = post_json(address, "/step", &wide);
    assert!(status == 500 && answer["detail"].as_str().unwrap().contains("600×1"), "{answer}");
    assert_eq!(json(&" ".repeat(30_000)).0, 413);
    assert_eq!(post(address, "/step_bytes", "text/plain", "x").0, 422);
    assert_eq!(post(address, "/step_bytes", "multipart/form-data; boundary=edge", "--edge").0, 422);
    let (kind, body) = form(&[("task_description", None, b"\xff"), ("image0", None, b""), ("image1", None, b"")]);
    assert_eq!(post(address, "/step_bytes", kind, body).0, 422);
    bystander.is_unharmed();

    let mut client = Client::connect(address);
    client.socket.send(Message::binary(vec![0; 30_000])).unwrap();
    let (text, code) = client.fails();
    assert!(text.contains("20000") && code == 1011, "{text}");
    bystander.is_unharmed();
}

#[test]
fn a_client_that_dies_is_forgotten() {
    let policy = Made::new();
    let events = policy.events();
    let server = policy.served();
    ready(server.address());
    let mut first = Client::connect(server.address());
    first.send(&request(1, "sleep"));
    until("the first inference", || events.lock().unwrap().len() > 2);
    // These wait for the first one, and go away in the meantime.
    for _ in 0..3 {
        Client::connect(server.address()).send(&request(1, "x"));
    }
    drop(first);
    // In the middle of a message, and of a body.
    let mut half = TcpStream::connect(server.address()).unwrap();
    half.write_all(b"POST /step HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{").unwrap();
    drop(half);
    std::thread::sleep(Duration::from_millis(200));
    Bystander::of(&server).is_unharmed();
    let inferred: usize = events
        .lock()
        .unwrap()
        .iter()
        .map(|event| match event {
            Event::Inferred { observations } => *observations,
            Event::Reset => 0,
        })
        .sum();
    assert_eq!(inferred, 3, "the warm-up, the first, the bystander");
}

#[test]
fn a_slow_sender_is_given_up() {
    let server = Made::new().served_with(&|options| {
        (options.timeouts.request, options.timeouts.idle) = (Duration::from_millis(500), Duration::from_secs(2));
    });
    let began = Instant::now();
    let answer = raw(server.address(), b"POST /step HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{");
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    raw(server.address(), b"POST /step HT");
    Bystander::of(&server).is_unharmed();
    // A frame of a thousand bytes of which the first comes, and nothing more.
    let mut client = Client::connect(server.address());
    let tungstenite::stream::MaybeTlsStream::Plain(stream) = client.socket.get_mut() else { unreachable!() };
    stream.write_all(&[0x82, 0xfe, 0x03, 0xe8, 0, 0, 0, 0, 1]).unwrap();
    let gone = std::iter::from_fn(|| client.socket.read().ok()).all(|message| message.is_ping());
    assert!(gone && began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    Bystander::of(&server).is_unharmed();
}

#[test]
fn a_second_reset_while_inferring_harms_nobody() {
    let server = Made::new().served();
    ready(server.address());
    let mut client = Client::connect(server.address());
    client.send(&request(3, "sleep"));
    std::thread::sleep(Duration::from_millis(200));
    let asked = Instant::now();
    for task in ["a", "b"] {
        assert_eq!(post_json(server.address(), "/reset", &json!({ "task_description": task })).0, 200);
        assert_eq!(get(server.address(), "/healthz").0, 200);
    }
    assert!(asked.elapsed() < Duration::from_secs(1), "the network waited for the policy");
    let mut other = Client::connect(server.address());
    other.send(&Value::map([("endpoint", Value::text("reset"))]));
    assert_eq!(other.receive(), Message::text("reset successful"));
    assert_eq!(client.chunk().actions[0][1], 3.0);
}
