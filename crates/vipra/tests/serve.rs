//! `vipra serve` as a person calls it, where it has to say no.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the message")]

use std::process::Command;

fn refused(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_vipra")).arg("serve").args(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn an_address_of_others_needs_leave() {
    let text = refused(&["package", "--host", "0.0.0.0"]);
    assert!(text.contains("others can reach"), "{text}");
    let text = refused(&["package", "--host", "0.0.0.0", "--insecure", "--token-file", "token"]);
    assert!(text.contains("cannot be used with"), "{text}");
}

#[test]
fn what_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let package = folder.path().join("package");
    let text = refused(&[package.to_str().unwrap()]);
    assert!(text.contains("no such folder") && text.contains(package.to_str().unwrap()), "{text}");
    let token = folder.path().join("token");
    let text = refused(&[package.to_str().unwrap(), "--token-file", token.to_str().unwrap()]);
    assert!(text.contains(token.to_str().unwrap()), "{text}");
}
