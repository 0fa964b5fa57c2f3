//! Errors as FastAPI, and so the published server, writes them.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::Error;

/// An answer that is an error: `{"detail": …}`.
pub(crate) struct Failure {
    status: StatusCode,
    detail: Value,
}

impl Failure {
    /// A text.
    pub(crate) fn status(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: Value::String(detail.into()) }
    }

    /// Fields that are not there.
    pub(crate) fn missing<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let fault = |name| json!({ "type": "missing", "loc": ["body", name], "msg": "Field required" });
        Self { status: StatusCode::UNPROCESSABLE_ENTITY, detail: names.into_iter().map(fault).collect() }
    }

    /// A field that is not there, and why it has to be.
    pub(crate) fn missing_because(name: &str, message: &str) -> Self {
        let fault = json!({ "type": "missing", "loc": ["body", name], "msg": message });
        Self { status: StatusCode::UNPROCESSABLE_ENTITY, detail: json!([fault]) }
    }

    /// A body that cannot be read.
    pub(crate) fn invalid(kind: &str, message: impl Into<String>) -> Self {
        let fault = json!({ "type": kind, "loc": ["body"], "msg": message.into() });
        Self { status: StatusCode::UNPROCESSABLE_ENTITY, detail: json!([fault]) }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let status = match error {
            // Whoever asks again later may be answered; the published client does so for this status.
            Error::Busy | Error::Stopping => StatusCode::SERVICE_UNAVAILABLE,
            // The published server's only status, also for images that it cannot read.
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::status(status, error.to_string())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.status, Json(json!({ "detail": self.detail }))).into_response()
    }
}
