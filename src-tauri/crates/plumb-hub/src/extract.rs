//! Bodies and queries as handlers want them; what cannot be read is a problem that says why.

use axum::{
    body::{Body, to_bytes},
    extract::{FromRequest, FromRequestParts, Query, Request},
    http::request::Parts,
};
use serde::de::DeserializeOwned;

use crate::{limits::BODY_BYTES_MAX, problem::Problem};

/// A body that is JSON, whatever its content type says.
#[derive(Debug)]
pub(crate) struct Json<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;
    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let bytes = body(request.into_body(), BODY_BYTES_MAX).await?;
        let read = serde_json::from_slice(&bytes);
        read.map(Self).map_err(|error| Problem::bad_request(format!("the body: {error}")))
    }
}

/// What stands behind the question mark.
#[derive(Debug)]
pub(crate) struct Params<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read = Query::<T>::from_request_parts(parts, state).await;
        read.map(|Query(read)| Self(read)).map_err(|error| Problem::bad_request(error.body_text()))
    }
}

/// A whole body within a limit.
pub(crate) async fn body(body: Body, bytes_max: usize) -> Result<axum::body::Bytes, Problem> {
    to_bytes(body, bytes_max).await.map_err(|error| {
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            if cause.is::<http_body_util::LengthLimitError>() {
                return Problem::too_large(format!("the body has more than {bytes_max} bytes"));
            }
            source = cause.source();
        }
        Problem::bad_request("the body did not arrive whole")
    })
}
