//! One request to a host that is no node: what a step of a runbook asks for, sent once.

use std::{path::Path, time::Duration};

use plumb_fleet::TlsFiles;
use reqwest::{
    Method, Url,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use secrecy::{ExposeSecret as _, SecretString};

use crate::{
    error::chain,
    escape::escape,
    http::{header_lines, plain_client},
    limits::EXCERPT_CHARS_MAX,
    uplink::Uplink,
};

/// Most that is read of an answer, in bytes.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// What is sent.
#[derive(Debug)]
pub struct PlainRequest {
    pub method: &'static str,
    pub url: String,
    /// Any of them may hold a secret.
    pub headers: Vec<(String, SecretString)>,
    pub body: Option<Vec<u8>>,
    pub deadline: Duration,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlainAnswer {
    pub status: u16,
    /// One `name: value` each, as they came.
    pub headers: Vec<String>,
    pub body: Vec<u8>,
}

/// Why nothing did.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlainError {
    /// Nothing was sent.
    #[error("the request was not sent: {message}")]
    NotSent { message: String },
    /// It may have arrived.
    #[error("no answer: {message}")]
    NoAnswer { message: String },
}

/// Sends one request, once; redirects are not followed, and proxies of the environment are not used.
pub async fn send_plain(
    request: PlainRequest,
    folder: &Path,
    uplink: &Uplink,
) -> Result<PlainAnswer, PlainError> {
    uplink.stands().map_err(|failure| PlainError::NotSent { message: failure.message })?;
    tokio::select! {
        biased;
        cut = uplink.ended() => Err(PlainError::NoAnswer { message: cut.message }),
        answer = send_while_it_stands(request, folder) => answer,
    }
}

async fn send_while_it_stands(
    request: PlainRequest,
    folder: &Path,
) -> Result<PlainAnswer, PlainError> {
    let not_sent = |message: String| PlainError::NotSent { message };
    let url: Url = request.url.parse().map_err(|_| not_sent("this is no URL".to_owned()))?;
    let mut headers = HeaderMap::new();
    for (name, value) in &request.headers {
        let odd = || not_sent(format!("the header {} cannot be sent", escape(name, 64)));
        let name: HeaderName = name.parse().map_err(|_| odd())?;
        let mut value = HeaderValue::from_str(value.expose_secret()).map_err(|_| odd())?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    let method = Method::from_bytes(request.method.as_bytes())
        .map_err(|_| not_sent("this is no method".to_owned()))?;
    let (encrypted, folder) = (url.scheme() == "https", folder.to_owned());
    let client =
        tokio::task::spawn_blocking(move || plain_client(encrypted, TlsFiles::default(), &folder))
            .await
            .map_err(|error| not_sent(error.to_string()))?
            .map_err(|failure| not_sent(failure.message))?;
    let mut sending = client.request(method, url).headers(headers);
    if let Some(body) = request.body {
        sending = sending.body(body);
    }
    let asking = async {
        let mut response = sending.send().await.map_err(|error| {
            let message = escape(&chain(&error), EXCERPT_CHARS_MAX);
            if error.is_connect() || error.is_builder() {
                PlainError::NotSent { message }
            } else {
                PlainError::NoAnswer { message }
            }
        })?;
        let (status, headers) = (response.status().as_u16(), header_lines(response.headers()));
        let mut body = Vec::new();
        let broken = |error: reqwest::Error| PlainError::NoAnswer {
            message: escape(&chain(&error), EXCERPT_CHARS_MAX),
        };
        while let Some(chunk) = response.chunk().await.map_err(broken)? {
            if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                let message = format!("the answer has more than {ANSWER_BYTES_MAX} bytes");
                return Err(PlainError::NoAnswer { message });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(PlainAnswer { status, headers, body })
    };
    match tokio::time::timeout(request.deadline, asking).await {
        Ok(answer) => answer,
        Err(_) => Err(PlainError::NoAnswer {
            message: format!("none within {} s", request.deadline.as_secs()),
        }),
    }
}
