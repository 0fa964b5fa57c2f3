//! How a policy is served.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use subtle::ConstantTimeEq;
use vipra_control::Execution;

use crate::{Error, Result};

/// The port of ViPRA's published server.
pub const DEFAULT_PORT: u16 = 8005;

/// How a policy is served.
#[derive(Debug, Clone)]
pub struct ServeOptions {
    /// Where to listen; port 0 is any that is free.
    pub address: SocketAddr,
    /// Who may ask.
    pub access: Access,
    /// Units of the answers of the HTTP API. Those of the WebSocket are always the robot's.
    pub http_units: Units,
    /// The state, `[dimensions]`, in which the robot is assumed to stand by policies that want states where a request of the HTTP API
    /// has none, as those of ViPRA's published client; None refuses such requests.
    pub http_assumed_state: Option<Vec<f32>>,
    /// The instruction of WebSocket requests that bring none.
    pub default_prompt: Option<String>,
    /// How chunks are best executed, for clients to be told. The server puts out whole chunks.
    pub execution: Option<Execution>,
    /// The seed of what the policy draws, for clients to be told.
    pub seed: Option<u64>,
    /// What a client may send.
    pub limits: Limits,
    /// How long anything may take.
    pub timeouts: Timeouts,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], DEFAULT_PORT)),
            access: Access::Loopback,
            http_units: Units::default(),
            http_assumed_state: None,
            default_prompt: None,
            execution: None,
            seed: None,
            limits: Limits::default(),
            timeouts: Timeouts::default(),
        }
    }
}

impl ServeOptions {
    /// Refuses an address that others can reach without leave to let them, and limits below one.
    ///
    /// # Errors
    /// [`Error::Options`].
    pub fn check(&self) -> Result<()> {
        if matches!(self.access, Access::Loopback) && !self.address.ip().is_loopback() {
            let host = self.address.ip();
            return Err(Error::Options(format!(
                "others can reach {host}: require a token (--token-file), or allow anyone (--insecure)"
            )));
        }
        let Limits { message_bytes, image_side, connections, waiting, batch } = self.limits;
        if [message_bytes, image_side, connections, waiting, batch].contains(&0) {
            return Err(Error::Options("limits start at 1".to_owned()));
        }
        Ok(())
    }
}

/// Units of actions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Units {
    /// The model's: the client multiplies by a scale and adds an offset, as ViPRA's published client does.
    #[default]
    Normalized,
    /// The robot's.
    Robot,
}

/// Who may ask.
#[derive(Debug, Clone)]
pub enum Access {
    /// Whoever is on this machine.
    Loopback,
    /// Whoever reaches the address.
    Anyone,
    /// Whoever knows a token: `Authorization: Bearer …`, or `Api-Key …` as openpi's client sends it.
    Token(Token),
}

/// A secret that clients have to know.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// Reads the token that is all of a file, but for space around it.
    ///
    /// # Errors
    /// [`Error::Token`] if there is no such file, or it holds no token or more than one line.
    pub fn from_file(path: &Path) -> Result<Self> {
        let fault = |reason: String| Error::Token { reason, path: path.to_path_buf() };
        let text = std::fs::read_to_string(path).map_err(|error| fault(error.to_string()))?;
        let token = text.trim();
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(fault("the token file must hold exactly one word of ASCII".to_owned()));
        }
        Ok(Self(token.to_owned()))
    }

    /// Whether the value of an `Authorization` header has this token.
    pub(crate) fn admits(&self, header: Option<&[u8]>) -> bool {
        let Some((scheme, given)) = header.and_then(|header| std::str::from_utf8(header).ok()?.split_once(' ')) else {
            return false;
        };
        let scheme_known = scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("api-key");
        // The time that the comparison takes says nothing of the token but its length.
        scheme_known && bool::from(given.trim().as_bytes().ct_eq(self.0.as_bytes()))
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

/// What a client may send.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of a request's body or of a message.
    pub message_bytes: usize,
    /// Pixels of a row or a column of an image.
    pub image_side: usize,
    /// Connections at a time.
    pub connections: usize,
    /// Requests that wait for the model.
    pub waiting: usize,
    /// Requests that are answered in one inference.
    pub batch: usize,
}

impl Default for Limits {
    fn default() -> Self {
        // Two images of 640×480 as nested lists of JSON have 8 MB.
        Self { message_bytes: 32 << 20, image_side: 2048, connections: 64, waiting: 64, batch: 16 }
    }
}

/// How long anything may take.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// Until a request's head has come, and again until its body has.
    pub request: Duration,
    /// Between two pings of a WebSocket.
    pub ping_interval: Duration,
    /// Until a WebSocket that sends nothing, not even the answer to a ping, is given up.
    pub idle: Duration,
    /// Until requests that are being answered when the server is stopped are given up.
    pub shutdown: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        let secs = Duration::from_secs;
        Self { request: secs(10), ping_interval: secs(20), idle: secs(60), shutdown: secs(5) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_others_needs_leave() {
        let mut options = ServeOptions::default();
        assert!(options.check().is_ok());
        options.address = "0.0.0.0:8005".parse().unwrap();
        assert!(options.check().unwrap_err().to_string().contains("token"));
        options.access = Access::Token(Token("secret".into()));
        assert!(options.check().is_ok());
        options.access = Access::Anyone;
        assert!(options.check().is_ok());
        options.limits.connections = 0;
        assert!(options.check().is_err());
    }

    #[test]
    fn a_token_is_compared_whole() {
        let token = Token("secret".into());
        assert!(token.admits(Some(b"Bearer secret")));
        assert!(token.admits(Some(b"Api-Key secret")));
        for wrong in ["secret", "Bearer secre", "Bearer secrets", "Basic secret", "Bearer", "Bearer "] {
            assert!(!token.admits(Some(wrong.as_bytes())), "{wrong}");
        }
        assert!(!token.admits(None));
        assert!(!format!("{token:?}").contains("secret"));
    }
}
