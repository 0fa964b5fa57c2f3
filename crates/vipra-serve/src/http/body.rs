//! Bodies of requests, read within limits.

use std::error::Error as _;

use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Request};
use axum::http::StatusCode;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use super::Failure;
use crate::server::App;

/// The whole body of a request.
pub(super) async fn bytes(app: &App, request: Request) -> Result<Bytes, Failure> {
    let limit = app.options.limits.message_bytes;
    let patience = app.options.patience.request;
    let reading = axum::body::to_bytes(request.into_body(), limit);
    let read = tokio::time::timeout(patience, reading).await;
    let read = read.map_err(|_| {
        let secs = patience.as_secs_f64();
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
            (None, _) => Failure::invalid("json_invalid", text),
        }
    })
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
