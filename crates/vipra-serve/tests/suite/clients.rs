//! Clients: a WebSocket's, and what HTTP wants.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use tungstenite::stream::MaybeTlsStream;
use tungstenite::{Message, WebSocket};
use vipra_serve::codec::{Array, DType, Value, decode, encode};

/// Longest time that anything here is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A WebSocket, the greeting read.
pub(crate) struct Client {
    pub(crate) socket: WebSocket<MaybeTlsStream<TcpStream>>,
    pub(crate) greeting: Vec<u8>,
}

/// A parsed answer: actions, `[steps][dimensions]`, and the times by their names.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) actions: Vec<Vec<f64>>,
    pub(crate) times: Vec<String>,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let (mut socket, _) = tungstenite::connect(format!("ws://{address}/any/path")).unwrap();
        let MaybeTlsStream::Plain(stream) = socket.get_ref() else { unreachable!("no TLS here") };
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let greeting = socket.read().unwrap().into_data().to_vec();
        Self { socket, greeting }
    }

    pub(crate) fn send(&mut self, value: &Value<'_>) {
        self.socket.send(Message::binary(encode(value).unwrap())).unwrap();
    }

    /// The next message that is no ping.
    pub(crate) fn receive(&mut self) -> Message {
        loop {
            let message = self.socket.read().unwrap();
            if !message.is_ping() && !message.is_pong() {
                return message;
            }
        }
    }

    pub(crate) fn infer(&mut self, value: &Value<'_>) -> Chunk {
        self.send(value);
        self.chunk()
    }

    pub(crate) fn chunk(&mut self) -> Chunk {
        let message = self.receive();
        assert!(message.is_binary(), "{message:?}");
        chunk(&message.into_data())
    }

    /// What goes wrong: the text, and the code that the socket is closed with.
    pub(crate) fn failure(&mut self, value: &Value<'_>) -> (String, u16) {
        self.send(value);
        self.fails()
    }

    pub(crate) fn fails(&mut self) -> (String, u16) {
        let message = self.receive();
        assert!(message.is_text(), "{message:?}");
        let text = message.into_text().unwrap().to_string();
        let Message::Close(Some(frame)) = self.receive() else { panic!("no close") };
        (text, frame.code.into())
    }
}

fn chunk(bytes: &[u8]) -> Chunk {
    let Value::Map(entries) = decode(bytes).unwrap() else { panic!("no map") };
    let mut chunk = Chunk { actions: Vec::new(), times: Vec::new() };
    for (key, value) in entries {
        match value {
            Value::Array(array) if key == "actions" => chunk.actions = rows(&array),
            Value::Map(times) => chunk.times.extend(times.iter().map(|(name, time)| {
                assert!(matches!(time, Value::Float(ms) if *ms >= 0.0), "{time:?}");
                format!("{key}/{name}")
            })),
            other => panic!("{key}: {other:?}"),
        }
    }
    chunk
}

pub(crate) fn rows(array: &Array<'_>) -> Vec<Vec<f64>> {
    assert_eq!(array.dtype(), DType::F32);
    array.numbers().unwrap().chunks(array.shape()[1]).map(<[f64]>::to_vec).collect()
}

/// A grey image.
pub(crate) fn image(level: u8, height: usize, width: usize) -> Value<'static> {
    Value::Array(Array::new(DType::U8, vec![height, width, 3], vec![level; height * width * 3]).unwrap())
}

/// What a client shows: a grey image, and what to do.
pub(crate) fn request(level: u8, prompt: &'static str) -> Value<'static> {
    Value::map([("observation/image", image(level, 4, 4)), ("prompt", Value::text(prompt))])
}

/// Status and body of a request.
pub(crate) fn http(request: ureq::http::Request<Vec<u8>>) -> (u16, String) {
    let agent = ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE)).build();
    let mut response = ureq::Agent::new_with_config(agent).run(request).unwrap();
    (response.status().as_u16(), response.body_mut().read_to_string().unwrap())
}

pub(crate) fn get(address: SocketAddr, path: &str) -> (u16, String) {
    http(ureq::http::Request::get(format!("http://{address}{path}")).body(Vec::new()).unwrap())
}

pub(crate) fn post(address: SocketAddr, path: &str, kind: &str, body: impl Into<Vec<u8>>) -> (u16, serde_json::Value) {
    let request = ureq::http::Request::post(format!("http://{address}{path}")).header("content-type", kind);
    let (status, text) = http(request.body(body.into()).unwrap());
    (status, serde_json::from_str(&text).unwrap_or(serde_json::Value::String(text)))
}

pub(crate) fn post_json(address: SocketAddr, path: &str, body: &serde_json::Value) -> (u16, serde_json::Value) {
    post(address, path, "application/json", body.to_string())
}

/// Bytes on a socket of their own; what comes back until the server closes it.
pub(crate) fn raw(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// Waits until something is so.
pub(crate) fn until(what: &str, mut so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !so() {
        assert!(began.elapsed() < PATIENCE, "waited too long: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits for the end of the warm-up.
pub(crate) fn ready(address: SocketAddr) {
    until("health", || get(address, "/healthz").0 == 200);
}
