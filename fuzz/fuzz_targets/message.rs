//! Any bytes as a MessagePack message with NumPy arrays: an error or a value that is written as it was read, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vipra_serve::codec::{decode, encode};

fuzz_target!(|data: &[u8]| {
    let Ok(value) = decode(data) else { return };
    let Ok(bytes) = encode(&value) else { return };
    // Compared as text, for a number that is none equals nothing.
    match decode(&bytes) {
        Ok(again) => assert_eq!(format!("{again:?}"), format!("{value:?}")),
        Err(error) => panic!("{error}"),
    }
});
