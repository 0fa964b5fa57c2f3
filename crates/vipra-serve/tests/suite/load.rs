//! Many clients at a time.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use vipra_serve::codec::encode;

use crate::clients::{Client, get, post_json, ready, request, until};
use crate::made_policy::{Event, Made};

#[test]
fn sixteen_clients_get_their_own_answers_and_fair_shares() {
    let policy = Made::new().taking(Duration::from_millis(5));
    let events = policy.events();
    let server = policy.served();
    let address = server.address();
    ready(address);
    let end = Instant::now() + Duration::from_secs(2);
    let ask = move |number: u8| {
        let mut client = Client::connect(address);
        let mut answers = 0;
        while Instant::now() < end {
            assert_eq!(client.infer(&request(number, "x")).actions[0][1], f64::from(number));
            answers += 1;
        }
        answers
    };
    let clients: Vec<_> = (0..16).map(|number| thread::spawn(move || ask(number))).collect();
    let answers: Vec<u32> = clients.into_iter().map(|client| client.join().unwrap()).collect();
    let (least, most) = (answers.iter().min().unwrap(), answers.iter().max().unwrap());
    assert!(*least > 0 && *most <= 2 * least + 4, "{answers:?}");
    // Those that wait are answered together.
    let events = events.lock().unwrap();
    let largest = events.iter().map(|event| match event {
        Event::Inferred { observations } => *observations,
        Event::Reset => 0,
    });
    assert!(largest.max().unwrap() > 4, "{events:?}");
}

#[test]
fn one_bad_observation_of_a_batch_does_not_harm_the_others() {
    let server = Made::new().served();
    let address = server.address();
    ready(address);
    let mut first = Client::connect(address);
    let mut clients: Vec<Client> = (0..4).map(|_| Client::connect(address)).collect();
    first.send(&request(1, "sleep"));
    thread::sleep(Duration::from_millis(200));
    for (number, client) in clients.iter_mut().enumerate() {
        client.send(&request(number as u8, if number == 2 { "refuse" } else { "x" }));
    }
    first.chunk();
    assert_eq!(clients[2].fails().1, 1011);
    for number in [0, 1, 3] {
        assert_eq!(clients[number].chunk().actions[0][1], number as f64);
    }
}

#[test]
fn too_many_connections_are_turned_away_with_words() {
    let server = Made::new().served_with(&|options| options.limits.connections = 2);
    let address = server.address();
    let mut held = vec![Client::connect(address), Client::connect(address)];
    let (status, text) = get(address, "/healthz");
    assert_eq!(status, 503);
    assert!(text.contains("too many connections"), "{text}");
    assert_eq!(held[0].infer(&request(1, "x")).actions[0][1], 1.0);
    held.pop();
    until("a place is free", || get(address, "/healthz").0 == 200);
}

#[test]
fn a_full_queue_is_said() {
    let server = Made::new().served_with(&|options| (options.limits.waiting, options.limits.batch) = (1, 1));
    let address = server.address();
    ready(address);
    let mut clients: Vec<Client> = (0..2).map(|_| Client::connect(address)).collect();
    for client in &mut clients {
        client.send(&request(1, "sleep"));
        thread::sleep(Duration::from_millis(200));
    }
    let body = json!({ "image": [[[[1, 1, 1]]], [[[1, 1, 1]]]], "task_description": "x" });
    let expected = json!({ "detail": "too many requests are waiting" });
    assert_eq!(post_json(address, "/step", &body), (503, expected));
    clients.iter_mut().for_each(|client| assert_eq!(client.chunk().actions[0][1], 1.0));
}

#[test]
fn clients_that_have_gone_keep_nobody_out() {
    let server = Made::new().served_with(&|options| (options.limits.waiting, options.limits.batch) = (1, 1));
    let address = server.address();
    ready(address);
    for _ in 0..3 {
        let mut client = Client::connect(address);
        client.send(&request(1, "sleep"));
        thread::sleep(Duration::from_millis(200));
    }
    let mut client = Client::connect(address);
    assert_eq!(client.infer(&request(1, "x")).actions[0][1], 1.0);
}

#[test]
fn requests_ahead_of_their_answers_have_no_more_bytes_than_one_message() {
    let one = request(1, "sleep");
    let most = encode(&one).unwrap().len() * 5 / 2;
    let server = Made::new().served_with(&|options| options.limits.message_bytes = most);
    let address = server.address();
    ready(address);
    let ask = |ahead: usize| {
        let mut client = Client::connect(address);
        (0..=ahead).for_each(|_| client.send(&one));
        client
    };
    let mut within = ask(2);
    (0..3).for_each(|_| assert_eq!(within.chunk().actions[0][1], 1.0));
    let (reason, code) = ask(3).fails();
    assert!(reason.contains("without waiting for their answers"), "{reason}");
    assert_eq!(code, 1011);
}
