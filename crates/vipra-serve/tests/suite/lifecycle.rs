//! Starting, stopping, and who may ask.

use std::thread;
use std::time::Duration;

use serde_json::json;
use tungstenite::Message;
use tungstenite::client::IntoClientRequest;
use vipra_control::{ActionChunk, Error, Observation, Policy, PolicyDescription};
use vipra_serve::{Access, ServeOptions, Server, Token};

use crate::clients::{Client, get, http, post_json, ready, request};
use crate::made_policy::{Event, HORIZON, Made};

/// A policy that cannot do anything.
struct Broken {
    made: Made,
    answer: fn() -> vipra_control::Result<ActionChunk>,
}

impl Policy for Broken {
    fn describe(&self) -> &PolicyDescription {
        self.made.describe()
    }

    fn infer_batch(&mut self, observations: &[Observation]) -> Vec<vipra_control::Result<ActionChunk>> {
        observations.iter().map(|_| (self.answer)()).collect()
    }

    fn reset(&mut self) {}
}

#[test]
fn health_comes_after_a_first_inference() {
    let policy = Made::new().with_states(2).taking(Duration::from_secs(1));
    let events = policy.events();
    let server = policy.served();
    assert_eq!(get(server.address(), "/healthz"), (503, "starting\n".to_owned()));
    ready(server.address());
    assert_eq!(*events.lock().unwrap(), [Event::Inferred { observations: 1 }, Event::Reset]);
}

#[test]
fn a_policy_that_cannot_infer_ends_the_server() {
    type Answer = fn() -> vipra_control::Result<ActionChunk>;
    let cases: [(Answer, &str); 3] = [
        (|| Err(Error::Policy("no weights".into())), "first inference"),
        (|| Ok(ActionChunk { actions: vec![vec![f32::NAN; 3]; HORIZON] }), "NaN"),
        (
            || Ok(ActionChunk { actions: vec![vec![0.0; 3]; HORIZON + 1] }),
            "a chunk of 5 actions, and the policy says 4",
        ),
    ];
    for (answer, expected) in cases {
        let options = ServeOptions { address: "127.0.0.1:0".parse().unwrap(), ..ServeOptions::default() };
        let server = Server::start(Box::new(Broken { made: Made::new(), answer }), options).unwrap();
        let error = server.wait().unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn stopping_answers_what_was_asked_and_says_goodbye() {
    let server = Made::new().served();
    let address = server.address();
    ready(address);
    let (mut busy, mut idle) = (Client::connect(address), Client::connect(address));
    busy.send(&request(5, "sleep"));
    thread::sleep(Duration::from_millis(200));
    let client = thread::spawn(move || {
        assert_eq!(busy.chunk().actions[0][1], 5.0);
        let Message::Close(Some(frame)) = busy.receive() else { panic!("no goodbye") };
        let Message::Close(Some(of_idle)) = idle.receive() else { panic!("no goodbye") };
        // Read on, so that the goodbye is answered.
        while busy.socket.read().is_ok() || idle.socket.read().is_ok() {}
        (u16::from(frame.code), u16::from(of_idle.code))
    });
    server.stop().unwrap();
    assert_eq!(client.join().unwrap(), (1001, 1001));
    assert!(std::net::TcpStream::connect(address).is_err());
}

#[test]
fn a_token_is_asked_for() {
    let folder = std::env::temp_dir().join(format!("vipra-serve-token-{}", std::process::id()));
    std::fs::write(&folder, "s3cret\n").unwrap();
    let token = Token::from_file(&folder).unwrap();
    let server = Made::new().served_with(&|options| options.access = Access::Token(token.clone()));
    let address = server.address();
    ready(address);
    let ask = |header: Option<&str>| {
        let mut request = ureq::http::Request::post(format!("http://{address}/reset"));
        if let Some(header) = header {
            request = request.header("authorization", header);
        }
        http(request.body(br#"{"task_description": "x"}"#.to_vec()).unwrap()).0
    };
    assert_eq!((ask(None), ask(Some("Bearer wrong")), ask(Some("Bearer s3cret"))), (401, 401, 200));
    let connect = |header: Option<&str>| {
        let mut request = format!("ws://{address}/").into_client_request().unwrap();
        if let Some(header) = header {
            request.headers_mut().insert("Authorization", header.parse().unwrap());
        }
        tungstenite::connect(request).is_ok()
    };
    // As openpi's client sends it.
    assert_eq!((connect(None), connect(Some("Api-Key s3cret"))), (false, true));
    std::fs::write(&folder, "two words\n").unwrap();
    let error = Token::from_file(&folder).unwrap_err().to_string();
    assert!(error.contains("one word"), "{error}");
    std::fs::remove_file(&folder).unwrap();
    assert!(Token::from_file(&folder).unwrap_err().to_string().contains("token"), "names the file");
}

/// A page can send such a request without asking its browser, or open a WebSocket.
#[test]
fn web_pages_are_refused() {
    let server = Made::new().served();
    let address = server.address();
    ready(address);
    for origin in ["https://example.com", "null", &format!("http://{address}")] {
        let request = ureq::http::Request::post(format!("http://{address}/reset"));
        let request = request.header("content-type", "text/plain").header("origin", origin);
        let (status, answer) = http(request.body(br#"{"task_description": "x"}"#.to_vec()).unwrap());
        assert!(status == 403 && answer.contains("leave the header out"), "{origin}: {status} {answer}");
        let mut request = format!("ws://{address}/").into_client_request().unwrap();
        request.headers_mut().insert("Origin", origin.parse().unwrap());
        let Err(tungstenite::Error::Http(answer)) = tungstenite::connect(request) else { panic!("{origin} is let in") };
        assert_eq!(answer.status().as_u16(), 403, "{origin}");
    }
    let image = [[[1; 3]]];
    let (status, answer) = post_json(address, "/step", &json!({ "image": [image, image] }));
    assert_eq!(
        (status, &answer["detail"][0]["loc"][1]),
        (422, &json!("task_description")),
        "no task has begun: {answer}"
    );
    let health = ureq::http::Request::get(format!("http://{address}/healthz")).header("origin", "https://example.com");
    assert_eq!(http(health.body(Vec::new()).unwrap()).0, 200);
}

#[test]
fn an_assumed_state_that_no_robot_has_is_refused_before_anyone_asks() {
    for state in [vec![0.0; 3], vec![0.0, f32::NAN]] {
        let options = ServeOptions {
            address: "127.0.0.1:0".parse().unwrap(),
            http_assumed_state: Some(state),
            ..ServeOptions::default()
        };
        let refused = Server::start(Box::new(Made::new().with_states(2)), options).map(|_| ());
        let error = refused.unwrap_err().to_string();
        assert!(error.contains("no state of the policy's 2 dimensions"), "{error}");
    }
}

#[test]
fn an_address_in_use_is_a_named_error() {
    let server = Made::new().served();
    let options = ServeOptions { address: server.address(), ..ServeOptions::default() };
    let error = Server::start(Box::new(Made::new()), options).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains(&server.address().to_string()), "{error}");
}
