//! Why something was not done, as an answer.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use plumb_alert::{Denied, Entitlement, Refusal};
use plumb_wire::{
    alerts::guides,
    hub::{self, problem as kind},
};

use serde_json::Value;

use crate::{access::Refused, folder::chain, state::StateError};

/// Media type of an error (RFC 9457).
const PROBLEM_JSON: &str = "application/problem+json";

/// An error on its way to a caller.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    kind: &'static str,
    title: &'static str,
    detail: String,
    guide: Option<&'static str>,
    retry_after_s: Option<u64>,
    /// What a caller of this operation looks for, beside the problem.
    more: Option<Box<(&'static str, Value)>>,
}

macro_rules! problems {
    ($($name:ident = $status:ident, $kind:ident, $title:literal;)*) => {
        impl Problem {
            $(pub(crate) fn $name(detail: impl Into<String>) -> Self {
                Self::new(StatusCode::$status, kind::$kind, $title, detail)
            })*
        }
    };
}

problems! {
    bad_request = BAD_REQUEST, BAD_REQUEST, "the request cannot be read";
    unauthenticated = UNAUTHORIZED, UNAUTHENTICATED, "no identity";
    forbidden = FORBIDDEN, FORBIDDEN, "the identity may not do this";
    not_found = NOT_FOUND, NOT_FOUND, "not found";
    method = METHOD_NOT_ALLOWED, METHOD, "method not allowed";
    conflict = CONFLICT, CONFLICT, "what is there does not allow it";
    gone = GONE, GONE, "not there any more";
    too_large = PAYLOAD_TOO_LARGE, TOO_LARGE, "too large";
    refused = UNPROCESSABLE_ENTITY, REFUSED, "not acceptable";
    not_now = SERVICE_UNAVAILABLE, NOT_NOW, "not now";
}

impl Problem {
    fn new(
        status: StatusCode,
        kind: &'static str,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        let detail = detail.into();
        Self { status, kind, title, detail, guide: None, retry_after_s: None, more: None }
    }

    pub(crate) fn too_many(detail: impl Into<String>) -> Self {
        let mut problem =
            Self::new(StatusCode::TOO_MANY_REQUESTS, kind::TOO_MANY, "too many requests", detail);
        problem.retry_after_s = Some(1);
        problem
    }

    /// The same with the entry of the help that says what to do.
    pub(crate) fn guided(mut self, guide: &'static str) -> Self {
        self.guide = Some(guide);
        self
    }

    /// The same with one field more.
    pub(crate) fn with(mut self, name: &'static str, value: Value) -> Self {
        self.more = Some(Box::new((name, value)));
        self
    }

    /// Whether the caller may not do it, whatever it sends.
    pub(crate) fn is_forbidden(&self) -> bool {
        self.status == StatusCode::FORBIDDEN
    }

    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    /// Something of ours broke: told in the log, and not to the caller.
    pub(crate) fn internal(error: &dyn std::error::Error) -> Self {
        tracing::error!(error = %chain(error), "request not carried out");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            kind::INTERNAL,
            "an error inside the hub",
            "the hub could not do it: its log says why",
        )
    }

    pub(crate) fn document(&self) -> hub::Problem {
        hub::Problem {
            kind: self.kind.to_owned(),
            title: self.title.to_owned(),
            status: self.status.as_u16(),
            detail: self.detail.clone(),
            error: self.detail.clone(),
            guide: self.guide.map(str::to_owned),
        }
    }
}

impl From<StateError> for Problem {
    fn from(error: StateError) -> Self {
        match error {
            StateError::Conflict { .. } => Self::conflict(error.to_string()),
            StateError::Server(failure) if failure.trouble.passes() => {
                tracing::error!(error = %chain(&failure), "the hub's database");
                Self::not_now("the database of the hub does not answer: try again")
            }
            error => Self::internal(&error),
        }
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        let problem = Self::forbidden(denied.to_string());
        match denied.entitlement {
            Entitlement::Ingest => problem.guided(guides::INGEST_DENIED),
            Entitlement::Claim => problem.guided(guides::CLAIM_DENIED),
            _ => problem,
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let detail = refusal.to_string();
        match refusal {
            Refusal::NoAlert { .. } => Self::not_found(detail).guided(guides::NOT_FOUND),
            Refusal::NoIncident { .. } => Self::not_found(detail),
            Refusal::Settled { .. }
            | Refusal::Held { .. }
            | Refusal::NotClaimed { .. }
            | Refusal::StaleClaim { .. }
            | Refusal::Transition { .. }
            | Refusal::Closed { .. } => Self::conflict(detail),
            Refusal::NoReason { .. }
            | Refusal::NoIncidentForBypass { .. }
            | Refusal::OutOfRange { .. }
            | Refusal::Text(_) => Self::refused(detail),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut document =
            serde_json::to_value(self.document()).expect("a problem always serialises");
        if let Some((name, value)) = self.more.map(|more| *more) {
            document[name] = value;
        }
        let mut answer = (self.status, Json(document)).into_response();
        if self.status == StatusCode::FORBIDDEN {
            answer.extensions_mut().insert(Refused(self.detail));
        }
        let fields = answer.headers_mut();
        fields.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if self.status == StatusCode::UNAUTHORIZED {
            fields.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after_s {
            fields.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        answer
    }
}
