//! The server as its clients see it, with a made policy.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the message")]

mod bad_input;
mod clients;
mod codec;
mod http;
mod images;
mod lifecycle;
mod load;
mod made_policy;
mod websocket;
