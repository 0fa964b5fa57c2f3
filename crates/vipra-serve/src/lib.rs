//! A policy on the network.
//!
//! [`serve`] answers ViPRA's HTTP API and openpi's WebSocket protocol on one port; [`Server`] does so beside its caller. The
//! model has a thread of its own behind a bounded queue: requests of several connections that wait are answered in one
//! inference, and the network never waits for it. [`codec`] is MessagePack with NumPy arrays.
//!
//! Web pages are refused (403): any that is open in a browser on the machine reaches its loopback addresses too, and must not move
//! a robot. Browsers mark what a page asks with an `Origin` header. Few clients of robots send it, and those can leave it
//! out (`suppress_origin=True` of Python's websocket-client).
//!
//! Of a policy it knows [`vipra_control::Policy`], and nothing of how it computes.

pub mod codec;
mod error;
mod failure;
mod field_names;
mod http;
mod metadata;
mod options;
mod picture;
mod policy_thread;
mod server;
mod state;
mod websocket;

pub use error::{Error, Result};
pub use metadata::metadata;
pub use options::{Access, DEFAULT_PORT, Limits, ServeOptions, Timeouts, Token, Units};
pub use server::{Server, serve};
