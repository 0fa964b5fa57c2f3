//! What the server itself takes of the time of an answer: a policy that costs nothing, and requests that are ready to be sent.
//!
//! Usage: `cargo bench -p vipra-serve --bench overhead -- [--requests N] [--clients N]`. One client asks for each form of a request in
//! turn, images of 256×256, over the loopback; then several clients at a time ask by WebSocket. Prints one line of JSON each.

use std::collections::BTreeMap;
use std::io::{Cursor, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use image::{DynamicImage, ImageFormat, RgbImage};
use tungstenite::stream::MaybeTlsStream;
use tungstenite::{Bytes, Message, WebSocket};
use vipra_control::{
    ActionChunk, ActionKind, ActionSpace, Observation, Policy, PolicyDescription, Result, RotationForm,
};
use vipra_data::normalize::Normalizer;
use vipra_serve::codec::{Array, DType, Value, encode};
use vipra_serve::{ServeOptions, Server};

type AnyError = Box<dyn std::error::Error + Send + Sync>;

const SIDE: usize = 256;
const WARM_UP_REQUESTS: usize = 50;

/// Answers at once.
struct Nothing(PolicyDescription);

impl Nothing {
    fn new() -> Self {
        let names: Vec<String> = (0..7).map(|at| format!("a{at}")).collect();
        let normalizer = Normalizer { offset: vec![0.1; 7], scale: vec![0.5; 7] };
        let units = vec!["1".to_owned(); 7];
        Self(PolicyDescription {
            policy: "nothing".to_owned(),
            action: ActionSpace {
                kind: ActionKind::DeltaEndEffector,
                rotation: RotationForm::RotationVector,
                gripper: None,
                names,
                units,
                normalizer,
            },
            proprio: None,
            horizon: 14,
            control_rate_hz: 5.0,
            frame_interval_secs: 2.8,
            image_size: [SIDE, SIDE],
            crops: 1,
            fingerprints: BTreeMap::new(),
        })
    }
}

impl Policy for Nothing {
    fn describe(&self) -> &PolicyDescription {
        &self.0
    }

    fn infer_batch(&mut self, observations: &[Observation]) -> Vec<Result<ActionChunk>> {
        observations.iter().map(|_| Ok(ActionChunk { actions: vec![vec![0.25; 7]; 14] })).collect()
    }

    fn reset(&mut self) {}
}

/// A picture with something in it: an even one would be decoded faster than any that a camera makes.
fn picture(seed: usize) -> RgbImage {
    RgbImage::from_fn(SIDE as u32, SIDE as u32, |x, y| {
        let (x, y) = (x as usize, y as usize);
        let wave = |scale: usize| (128.0 + 100.0 * ((x * scale + y * seed) as f64 / 40.0).sin()) as u8;
        let grain = ((x * 7919 + y * 104_729) % 13) as u8;
        image::Rgb([wave(1) + grain, wave(2) + grain, wave(3) + grain])
    })
}

fn jpeg(picture: &RgbImage) -> Result<Vec<u8>, AnyError> {
    let mut bytes = Cursor::new(Vec::new());
    DynamicImage::from(picture.clone()).write_to(&mut bytes, ImageFormat::Jpeg)?;
    Ok(bytes.into_inner())
}

/// A WebSocket request with the current image, and the earlier one where there are two.
fn message(images: &[Value<'static>]) -> Result<Vec<u8>, AnyError> {
    let keys = ["observation/image", "observation/previous_image"];
    let mut entries: Vec<_> = keys.into_iter().zip(images).map(|(key, image)| (key.into(), image.clone())).collect();
    entries.push(("prompt".into(), Value::text("put carrot on plate")));
    Ok(encode(&Value::Map(entries))?)
}

fn http_request(path: &str, kind: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head =
        format!("POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

fn step_request(pictures: &[RgbImage; 2]) -> Result<Vec<u8>, AnyError> {
    let nested = |picture: &RgbImage| -> Vec<Vec<[u8; 3]>> {
        picture.rows().map(|row| row.map(|pixel| pixel.0).collect()).collect()
    };
    let images =
        serde_json::json!({ "image": pictures.each_ref().map(nested), "task_description": "put carrot on plate" });
    Ok(http_request("/step", "application/json", images.to_string().as_bytes()))
}

fn step_bytes_request(files: &[Vec<u8>; 2]) -> Vec<u8> {
    let mut body = Vec::new();
    for (at, file) in files.iter().enumerate() {
        let disposition = format!("Content-Disposition: form-data; name=\"image{at}\"; filename=\"{at}.jpg\"");
        body.extend(format!("--edge\r\n{disposition}\r\nContent-Type: image/jpeg\r\n\r\n").bytes());
        body.extend(file);
        body.extend(b"\r\n");
    }
    body.extend(b"--edge\r\nContent-Disposition: form-data; name=\"task_description\"\r\n\r\nput carrot on plate\r\n--edge--\r\n");
    http_request("/step_bytes", "multipart/form-data; boundary=edge", &body)
}

fn socket(address: SocketAddr) -> Result<WebSocket<MaybeTlsStream<TcpStream>>, AnyError> {
    let (mut socket, _) = tungstenite::connect(format!("ws://{address}"))?;
    if let MaybeTlsStream::Plain(stream) = socket.get_ref() {
        stream.set_nodelay(true)?;
    }
    socket.read()?;
    Ok(socket)
}

/// Reads an answer whose length its head says.
fn http_answer(stream: &mut TcpStream) -> Result<(), AnyError> {
    let mut answer = Vec::new();
    let mut buffer = [0; 16384];
    loop {
        let read = stream.read(&mut buffer)?;
        answer.extend(&buffer[..read]);
        let text = String::from_utf8_lossy(&answer);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        if !head.starts_with("HTTP/1.1 200") || read == 0 {
            return Err(format!("not the answer that was expected: {text}").into());
        }
        let length = head.to_lowercase().lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        if length == Some(body.len()) {
            return Ok(());
        }
    }
}

/// Times of answers.
fn measure(requests: usize, mut ask: impl FnMut() -> Result<(), AnyError>) -> Result<Vec<Duration>, AnyError> {
    for _ in 0..WARM_UP_REQUESTS {
        ask()?;
    }
    let one = |_| {
        let began = Instant::now();
        ask().map(|()| began.elapsed())
    };
    (0..requests).map(one).collect()
}

fn ask_socket(socket: &mut WebSocket<MaybeTlsStream<TcpStream>>, request: &Bytes) -> Result<(), AnyError> {
    socket.send(Message::Binary(request.clone()))?;
    while !socket.read()?.is_binary() {}
    Ok(())
}

fn report(form: &str, bytes: usize, clients: usize, mut times: Vec<Duration>) {
    times.sort();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    let (p50, p99, requests) = (at(0.5), at(0.99), times.len());
    println!(
        "{{\"form\": \"{form}\", \"request_bytes\": {bytes}, \"clients\": {clients}, \"requests\": {requests}, \
         \"p50_ms\": {p50:.3}, \"p99_ms\": {p99:.3}}}"
    );
}

fn main() -> Result<(), AnyError> {
    // `cargo bench` adds `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let value = |flag: &str, default: usize| {
        let at = arguments.iter().position(|argument| argument == flag);
        at.and_then(|at| arguments.get(at + 1)?.parse().ok()).unwrap_or(default)
    };
    let (requests, clients) = (value("--requests", 1000), value("--clients", 16));
    let options = ServeOptions { address: SocketAddr::from(([127, 0, 0, 1], 0)), ..ServeOptions::default() };
    let server = Server::start(Box::new(Nothing::new()), options)?;
    let address = server.address();

    let pictures = [picture(1), picture(5)];
    let files = [jpeg(&pictures[0])?, jpeg(&pictures[1])?];
    let raw =
        |picture: &RgbImage| Array::new(DType::U8, vec![SIDE, SIDE, 3], picture.as_raw().clone()).map(Value::Array);
    let raw = [raw(&pictures[0])?, raw(&pictures[1])?];
    let encoded = files.clone().map(|file| Value::Bytes(file.into()));
    let by_socket = [
        ("websocket, raw, one image", message(&raw[..1])?),
        ("websocket, raw, two images", message(&raw)?),
        ("websocket, jpeg, two images", message(&encoded)?),
    ];
    for (form, request) in by_socket {
        let (mut socket, request) = (socket(address)?, Bytes::from(request));
        report(form, request.len(), 1, measure(requests, || ask_socket(&mut socket, &request))?);
    }
    let by_http = [
        ("http /step_bytes, jpeg", step_bytes_request(&files)),
        ("http /step, nested lists", step_request(&pictures)?),
    ];
    for (form, request) in by_http {
        let mut stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let ask = || {
            stream.write_all(&request)?;
            http_answer(&mut stream)
        };
        report(form, request.len(), 1, measure(requests, ask)?);
    }
    let request = Bytes::from(message(&raw)?);
    let length = request.len();
    let together = (0..clients).map(|_| {
        let request = request.clone();
        std::thread::spawn(move || {
            let mut socket = socket(address)?;
            measure(requests / 4, || ask_socket(&mut socket, &request))
        })
    });
    let threads: Vec<_> = together.collect();
    let mut times = Vec::new();
    for thread in threads {
        times.extend(thread.join().map_err(|_| "a client panicked")??);
    }
    report("websocket, raw, two images", length, clients, times);
    server.stop()?;
    Ok(())
}
