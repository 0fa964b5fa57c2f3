//! Images come to the policy as they are sent, over every protocol.

use serde_json::{Value as Json, json};
use vipra_data::Frame;
use vipra_data::picture::to_png;
use vipra_serve::Units;
use vipra_serve::codec::{Array, DType, Value};

use crate::clients::{Client, post, post_json, ready};
use crate::http::{actions, form, nested};
use crate::made_policy::Made;

/// The policy brings frames to its size itself, and its own way.
#[test]
fn images_come_to_the_policy_as_over_a_websocket() {
    let policy = Made::new();
    let observations = policy.observations();
    let server = policy.served();
    let address = server.address();
    ready(address);
    observations.lock().unwrap().clear();
    let picture =
        |first: u8| Frame::from_pixels(16, 8, (0..16 * 8 * 3).map(|at| first.wrapping_add(at as u8)).collect());
    let [past, now] = [0, 100].map(|first| picture(first).unwrap());

    let array =
        |frame: &Frame| Array::new(DType::U8, vec![8, 16, 3], frame.pixels().to_vec()).map(Value::Array).unwrap();
    Client::connect(address).infer(&Value::map([
        ("observation/image", array(&now)),
        ("observation/previous_image", array(&past)),
        ("prompt", Value::text("x")),
    ]));
    let lists = |frame: &Frame| -> Json {
        let row = |row: &[u8]| row.chunks(3).map(<[u8]>::to_vec).collect::<Vec<_>>();
        frame.pixels().chunks(16 * 3).map(|of_row| json!(row(of_row))).collect()
    };
    let images = [lists(&past), lists(&now)];
    assert_eq!(post_json(address, "/step", &json!({ "image": images, "task_description": "x" })).0, 200);
    let files = [to_png(&past).unwrap(), to_png(&now).unwrap()];
    let (kind, body) = form(&[
        ("image0", Some("a.png"), &files[0]),
        ("image1", Some("b.png"), &files[1]),
        ("task_description", None, b"x"),
    ]);
    assert_eq!(post(address, "/step_bytes", kind, body).0, 200);

    let seen: Vec<[Frame; 2]> = observations.lock().unwrap().drain(..).map(|observation| observation.frames).collect();
    assert_eq!(seen, vec![[past, now]; 3]);
}

#[test]
fn images_of_different_sizes_are_taken() {
    let server = Made::new().served_with(&|options| options.http_units = Units::Robot);
    let images = json!([nested(10, 9, 7), nested(20, 5, 30)]);
    let (status, answer) =
        post_json(server.address(), "/step", &json!({ "image": images, "task_description": "size" }));
    assert_eq!((status, &actions(&answer)[0][..]), (200, &[5.0, 30.0, 7.0][..]), "{answer}");
}
