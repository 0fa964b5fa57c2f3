//! Bodies of requests, read within limits.

use std::error::Error as _;

use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Request};
use axum::http::StatusCode;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use crate::failure::Failure;
use crate::server::App;

/// The whole body of a request.
pub(super) async fn bytes(app: &App, request: Request) -> Result<Bytes, Failure> {
    let limit = app.options.limits.message_bytes;
    let longest = app.options.timeouts.request;
    let reading = axum::body::to_bytes(request.into_body(), limit);
    let read = tokio::time::timeout(longest, reading).await;
    let read = read.map_err(|_| {
        let secs = longest.as_secs_f64();
        Failure::status(StatusCode::REQUEST_TIMEOUT, format!("the body took more than {secs} s"))
    })?;
    read.map_err(|error| {
        // axum says it by a source of its error alone.
        let too_long = error.source().is_some_and(|source| source.to_string().contains("length limit"));
        if too_long {
            Failure::status(StatusCode::PAYLOAD_TOO_LARGE, format!("a body has at most {limit} bytes"))
        } else {
            Failure::status(StatusCode::BAD_REQUEST, "the body ended too early".to_owned())
        }
    })
}

/// A body of JSON, in which `required` fields have to be.
pub(super) fn json_body<T: DeserializeOwned>(bytes: &[u8], required: &[&'static str]) -> Result<T, Failure> {
    serde_json::from_slice(bytes).map_err(|error| {
        let text = error.to_string();
        let missing = required.iter().copied().find(|name| text.starts_with(&format!("missing field `{name}`")));
        match (missing, error.classify()) {
            (Some(name), _) => Failure::missing([name]),
            (None, Category::Data) => Failure::invalid("value_error", text),
            (None, _) => match no_number(bytes, &error) {
                Some(name) => {
                    Failure::invalid("json_invalid", format!("{name} is not valid JSON: every number has to be finite"))
                }
                None => Failure::invalid("json_invalid", text),
            },
        }
    })
}

/// What stands where JSON is broken, if it is what Python's `json` writes for a number that is none.
fn no_number(bytes: &[u8], error: &serde_json::Error) -> Option<&'static str> {
    let line = bytes.split(|byte| *byte == b'\n').nth(error.line().checked_sub(1)?)?;
    let broken = line.get(error.column().checked_sub(1)?..)?;
    ["NaN", "Infinity"].into_iter().find(|name| broken.starts_with(name.as_bytes()))
}

/// The fields of a form.
pub(super) struct Form(Vec<(String, Bytes)>);

impl Form {
    /// Takes a field out.
    pub(super) fn take(&mut self, name: &str) -> Option<Bytes> {
        let at = self.0.iter().position(|(field, _)| field == name)?;
        Some(self.0.swap_remove(at).1)
    }

    /// Takes a field of text out.
    pub(super) fn text(&mut self, name: &'static str) -> Result<Option<String>, Failure> {
        let text = self.take(name).map(|bytes| String::from_utf8(bytes.to_vec()));
        text.transpose().map_err(|_| Failure::invalid("value_error", format!("`{name}` is not UTF-8")))
    }
}

/// The form that is the body of a request.
pub(super) async fn form(app: &App, request: Request) -> Result<Form, Failure> {
    let headers = request.headers().clone();
    let bytes = bytes(app, request).await?;
    let mut whole = Request::new(Body::from(bytes));
    *whole.headers_mut() = headers;
    // It is all there, and not longer than it may be.
    DefaultBodyLimit::disable().apply(&mut whole);
    let fault = |text: String| Failure::invalid("form_invalid", text);
    let mut parts = Multipart::from_request(whole, &()).await.map_err(|error| fault(error.body_text()))?;
    let mut fields = Vec::new();
    while let Some(field) = parts.next_field().await.map_err(|error| fault(error.body_text()))? {
        let name = field.name().unwrap_or_default().to_owned();
        fields.push((name, field.bytes().await.map_err(|error| fault(error.body_text()))?));
    }
    Ok(Form(fields))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_are_none_are_named() {
        let found = |text: &str| {
            let error = serde_json::from_str::<Vec<Vec<f64>>>(text).unwrap_err();
            no_number(text.as_bytes(), &error)
        };
        assert_eq!(found("[[0.5, NaN]]"), Some("NaN"));
        assert_eq!(found("[[0.5],\n [1, Infinity]]"), Some("Infinity"));
        assert_eq!(found("[[-Infinity]]"), Some("Infinity"));
        assert_eq!(found("[[0.5, nan]]"), None);
        assert_eq!(found("[[0.5"), None);
        assert_eq!(found(""), None);
    }
}
