//! Bytes that Python wrote, and bytes that nobody should write.

use std::borrow::Cow;

use proptest::prelude::*;
use vipra_serve::codec::{Array, DType, Value, decode, encode};

/// Interfaces a.2, written by msgpack 1.2.4 and numpy 2.4.6.
const ARRAY: &str = "84 c40b5f5f6e6461727261795f5f c3 c40464617461";
const SCALAR: &str = "83 c40d5f5f6e7067656e657269635f5f c3 c40464617461";

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(pair).collect()
}

fn array(dtype: &str, shape: &[usize], data: Vec<u8>) -> Value<'static> {
    Value::Array(Array::new(dtype.parse().unwrap(), shape.to_vec(), data).unwrap())
}

fn scalar(dtype: &str, value: Value<'static>) -> Value<'static> {
    Value::Scalar(Box::new(value), dtype.parse().unwrap())
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// Value and bytes.
fn goldens() -> Vec<(Value<'static>, String)> {
    let of_array = |rest: &str| format!("{ARRAY}{rest}");
    let of_scalar = |rest: &str| format!("{SCALAR}{rest}");
    let whole = Value::map([
        ("observation/image", array("|u1", &[2, 2, 3], vec![0; 12])),
        ("observation/state", array("<f8", &[8], vec![0; 64])),
        ("prompt", Value::text("pick")),
    ]);
    let whole_bytes = format!(
        "83 b16f62736572766174696f6e2f696d616765 {ARRAY} c40c 000000000000000000000000 c4056474797065 a37c7531
         c4057368617065 93 02 02 03 b16f62736572766174696f6e2f7374617465 {ARRAY} c440 {} c4056474797065 a33c6638
         c4057368617065 91 08 a670726f6d7074 a47069636b",
        "00".repeat(64)
    );
    vec![
        (Value::Map(Vec::new()), "80".into()),
        (Value::map([("action_horizon", Value::Int(2))]), "81 ae616374696f6e5f686f72697a6f6e 02".into()),
        (Value::map([("prompt", Value::text("hi"))]), "81a670726f6d7074a26869".into()),
        (
            array("<f4", &[2, 2], floats(&[1.0, 2.0, 3.0, 4.0])),
            of_array("c410 0000803f000000400000404000008040 c4056474797065 a33c6634 c4057368617065 92 02 02"),
        ),
        (
            array("|u1", &[1, 1, 3], vec![1, 2, 3]),
            of_array("c403 010203 c4056474797065 a37c7531 c4057368617065 93 01 01 03"),
        ),
        (
            array("<f8", &[], 1.0_f64.to_le_bytes().to_vec()),
            of_array("c408 000000000000f03f c4056474797065 a33c6638 c4057368617065 90"),
        ),
        (array("|b1", &[2], vec![1, 0]), of_array("c402 0100 c4056474797065 a37c6231 c4057368617065 91 02")),
        (
            array("<i8", &[2], [1_i64, -2].iter().flat_map(|value| value.to_le_bytes()).collect()),
            of_array("c410 0100000000000000feffffffffffffff c4056474797065 a33c6938 c4057368617065 91 02"),
        ),
        (array("<f2", &[1], vec![0, 0x3c]), of_array("c402 003c c4056474797065 a33c6632 c4057368617065 91 01")),
        (
            array(">f4", &[1], 1.0_f32.to_be_bytes().to_vec()),
            of_array("c404 3f800000 c4056474797065 a33e6634 c4057368617065 91 01"),
        ),
        (
            array(
                "<U2",
                &[2],
                ["a", "b", "c", "\0"].concat().chars().flat_map(|c| u32::from(c).to_le_bytes()).collect(),
            ),
            of_array("c410 61000000 62000000 63000000 00000000 c4056474797065 a33c5532 c4057368617065 91 02"),
        ),
        (scalar("|b1", Value::Bool(true)), of_scalar("c3 c4056474797065 a37c6231")),
        (scalar("<f4", Value::Float(1.5)), of_scalar("cb3ff8000000000000 c4056474797065 a33c6634")),
        (scalar("<i8", Value::Int(7)), of_scalar("07 c4056474797065 a33c6938")),
        (Value::Float(1.5), "cb3ff8000000000000".into()),
        (Value::text("hi"), "a26869".into()),
        (Value::Bytes(Cow::Borrowed(b"ab")), "c4026162".into()),
        (Value::Bytes(vec![b'x'; 300].into()), format!("c5012c{}", "78".repeat(300))),
        (Value::List(vec![Value::Int(2), Value::Int(3)]), "92 02 03".into()),
        (Value::Int(-1), "ff".into()),
        (Value::Int(i64::MAX), "cf 7fffffffffffffff".into()),
        (Value::Unsigned(u64::MAX), "cf ffffffffffffffff".into()),
        (whole, whole_bytes),
    ]
}

#[test]
fn bytes_are_pythons() {
    for (value, hex) in goldens() {
        let bytes = unhex(&hex);
        assert_eq!(encode(&value).unwrap(), bytes, "{value:?}");
        assert_eq!(decode(&bytes).unwrap(), value, "{hex}");
    }
}

#[test]
fn the_shared_goldens_are_read_and_written_the_same() {
    let shared = std::env::var("VIPRA_SHARED").unwrap_or_else(|_| "../../../shared".to_owned());
    let path = format!("{shared}/goldens/openpi/msgpack_golden.txt");
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("skipped: no {path}");
        return;
    };
    for line in text.lines() {
        let (name, hex) = line.rsplit_once(' ').unwrap();
        let bytes = unhex(hex);
        if name.starts_with("len300") {
            // The file has the beginning of it alone.
            assert!(decode(&bytes).unwrap_err().to_string().contains("too early"), "{name}");
        } else {
            assert_eq!(encode(&decode(&bytes).unwrap()).unwrap(), bytes, "{name}");
        }
    }
}

#[test]
fn markers_are_read_as_text_too() {
    let text = unhex("84 ab5f5f6e6461727261795f5f c3 a464617461 c401 07 a56474797065 a37c7531 a57368617065 91 01");
    assert_eq!(decode(&text).unwrap(), array("|u1", &[1], vec![7]));
}

#[test]
fn what_is_no_message_is_refused() {
    let deep = [vec![0x91; 40], vec![0xc0]].concat();
    let cases: &[(&str, Vec<u8>)] = &[
        ("nothing", vec![]),
        ("more after the end", unhex("c0c0")),
        ("a list that promises four billion", unhex("dd ffffffff 01")),
        ("bytes that are not there", unhex("c6 ffffffff 00")),
        ("a text that is no UTF-8", unhex("a2 fffe")),
        ("a key that is a number", unhex("81 01 c0")),
        ("an extension", unhex("d4 01 00")),
        ("an array without data", unhex("81 c40b5f5f6e6461727261795f5f c3")),
        ("an array of objects", unhex(&format!("{ARRAY} c400 c4056474797065 a37c4f38 c4057368617065 90"))),
        ("a shape below zero", unhex(&format!("{ARRAY} c400 c4056474797065 a37c7531 c4057368617065 91 ff"))),
        (
            "a shape too large",
            unhex(&format!("{ARRAY} c400 c4056474797065 a37c7531 c4057368617065 92 cf7fffffffffffffff 02")),
        ),
        ("data that do not fit", unhex(&format!("{ARRAY} c401 00 c4056474797065 a37c7531 c4057368617065 91 02"))),
        ("too deep", deep),
        ("too many", [unhex("dd 00020000"), vec![0xc0; 0x20000]].concat()),
    ];
    for (what, bytes) in cases {
        assert!(decode(bytes).is_err(), "{what}");
    }
}

fn values() -> impl Strategy<Value = Value<'static>> {
    let number = prop::num::f64::NORMAL | prop::num::f64::ZERO | prop::num::f64::INFINITE;
    let arrays = (
        prop::sample::select(vec!["|u1", "<f4", ">f8", "<i2", "|b1", "<U3", "|S2"]),
        prop::collection::vec(0_usize..4, 0..4),
    )
        .prop_flat_map(|(name, shape)| {
            let dtype: DType = name.parse().unwrap();
            let bytes = shape.iter().product::<usize>() * dtype.bytes();
            prop::collection::vec(any::<u8>(), bytes).prop_map(move |data| array(name, &shape, data))
        });
    let plain = prop_oneof![
        Just(Value::Nil),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        (1_u64 << 63..=u64::MAX).prop_map(Value::Unsigned),
        number.prop_map(Value::Float),
        ".{0,40}".prop_map(|text| Value::Text(text.into())),
        prop::collection::vec(any::<u8>(), 0..300).prop_map(|bytes| Value::Bytes(bytes.into())),
    ];
    let scalars = plain.clone().prop_map(|value| scalar("<f4", value));
    prop_oneof![plain, arrays, scalars].prop_recursive(4, 40, 6, |inner| {
        let entries = prop::collection::vec(("[a-z/]{0,20}", inner.clone()), 0..6);
        prop_oneof![
            prop::collection::vec(inner, 0..20).prop_map(Value::List),
            entries
                .prop_map(|entries| Value::Map(entries.into_iter().map(|(key, value)| (key.into(), value)).collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(value in values()) {
        let bytes = encode(&value).unwrap();
        prop_assert_eq!(decode(&bytes).unwrap(), value);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&bytes);
    }

    /// Nearly right messages get further than noise does.
    #[test]
    fn a_changed_message_is_read_or_refused(value in values(), at in any::<prop::sample::Index>(), byte: u8, cut in any::<prop::sample::Index>()) {
        let mut bytes = encode(&value).unwrap();
        let changed = at.index(bytes.len());
        bytes[changed] = byte;
        let _ = decode(&bytes);
        bytes.truncate(cut.index(bytes.len()));
        let _ = decode(&bytes);
    }
}
