//! Errors as answers: problem details (RFC 9457), or the field's `{"detail": ...}`.

use axum::{
    body::Body,
    http::{HeaderValue, Response, StatusCode, header},
    response::IntoResponse,
};
use plumb_wire::v1::{PROBLEM_JSON, Problem, problem};
use serde_json::json;

/// An error on its way to the caller. The outermost layer prints it, because only that knows the
/// path, the request's id and the answer style.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    pub(crate) status: StatusCode,
    pub(crate) kind: &'static str,
    pub(crate) detail: String,
}

impl Fault {
    fn new(status: StatusCode, kind: &'static str, detail: impl Into<String>) -> Self {
        Self { status, kind, detail: detail.into() }
    }

    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, problem::BAD_REQUEST, detail)
    }
    pub(crate) fn unauthenticated(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, problem::UNAUTHENTICATED, detail)
    }
    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, problem::FORBIDDEN, detail)
    }
    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, problem::NOT_FOUND, detail)
    }
    pub(crate) fn method_not_allowed() -> Self {
        let detail = "this path has no such method";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, problem::BAD_REQUEST, detail)
    }
    pub(crate) fn no_such_bundle(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, problem::NO_SUCH_BUNDLE, detail)
    }
    pub(crate) fn ambiguous(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, problem::AMBIGUOUS_BUNDLE, detail)
    }
    pub(crate) fn refused(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, problem::BUNDLE_REFUSED, detail)
    }
    pub(crate) fn no_bundle() -> Self {
        let detail = "there is no verified bundle in force";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, problem::NO_BUNDLE, detail)
    }
    /// The registry gave no usable answer; what runs did not change.
    pub(crate) fn source(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_GATEWAY, problem::SOURCE, detail)
    }
    /// What is in force answers this elsewhere, or otherwise.
    pub(crate) fn not_here(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, problem::NOT_HERE, detail)
    }
    pub(crate) fn not_evaluated(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, problem::NOT_EVALUATED, detail)
    }
    pub(crate) fn busy(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, problem::BUSY, detail)
    }
    pub(crate) fn locked() -> Self {
        let detail =
            "another change is being made and deployment.locking is on; try again after it";
        Self::new(StatusCode::CONFLICT, problem::LOCKED, detail)
    }
    /// Another run holds the deployment lock.
    pub(crate) fn lock_held(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, problem::LOCK_HELD, detail)
    }
    /// Another run of the same plan was here first.
    pub(crate) fn plan_ran(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, problem::PLAN_RAN, detail)
    }
    pub(crate) fn not_governed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, problem::NOT_GOVERNED, detail)
    }
    pub(crate) fn not_accepted(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, problem::NOT_ACCEPTED, detail)
    }
    pub(crate) fn outdated(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, problem::OUTDATED, detail)
    }
    pub(crate) fn not_approved(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, problem::NOT_APPROVED, detail)
    }
    pub(crate) fn content_refused(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, problem::CONTENT_REFUSED, detail)
    }
    pub(crate) fn key_reused() -> Self {
        let detail = "this idempotency key was used for another request";
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, problem::KEY_REUSED, detail)
    }
    pub(crate) fn too_large() -> Self {
        let detail = "the request's body is larger than allowed here";
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, problem::TOO_LARGE, detail)
    }
    pub(crate) fn timed_out() -> Self {
        let detail = "the request took too long and was given up";
        Self::new(StatusCode::GATEWAY_TIMEOUT, problem::TIMED_OUT, detail)
    }
    pub(crate) fn state_not_written(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, problem::STATE_NOT_WRITTEN, detail)
    }
    pub(crate) fn internal(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, problem::INTERNAL, detail)
    }

    /// The answer as problem details.
    pub(crate) fn as_problem(&self, path: &str, request_id: &str) -> Response<Body> {
        let document = Problem {
            kind: self.kind.to_owned(),
            title: self.status.canonical_reason().unwrap_or("Error").to_owned(),
            status: self.status.as_u16(),
            detail: self.detail.clone(),
            instance: Some(path.to_owned()),
            request_id: Some(request_id.to_owned()),
        };
        let body = serde_json::to_vec(&document).expect("a problem always serialises");
        self.answer(body, PROBLEM_JSON)
    }

    /// The answer as the field's service words errors.
    pub(crate) fn as_detail(&self) -> Response<Body> {
        let body = json!({ "detail": self.detail }).to_string().into_bytes();
        self.answer(body, "application/json")
    }

    fn answer(&self, body: Vec<u8>, media: &'static str) -> Response<Body> {
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response<Body> {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}
