//! The hub of a team: one client for everything it is asked.

use std::{error::Error as _, path::PathBuf, time::Duration};

use jiff::Timestamp;
use plumb_fleet::{Hub, TlsFiles, is_loopback};
use plumb_wire::hub::Problem;
use reqwest::{
    Client, Method, StatusCode, Url,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue},
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    credentials::CredentialError,
    escape::escape,
    http::{HttpPool, plain_client},
    limits::EXCERPT_CHARS_MAX,
    uplink::Uplink,
};

/// How long a hub may take for an answer; it holds back none that we ask for.
const ANSWER_WITHIN: Duration = Duration::from_mins(1);
/// Longest answer: a pack of the largest kind.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// Where a hub is, and how we prove who we are.
#[derive(Debug, Clone, Default)]
pub struct HubAccess {
    pub url: String,
    pub token: Option<SecretString>,
    pub tls: TlsFiles,
    /// Where relative PEM paths begin.
    pub folder: PathBuf,
}

/// Why a hub did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    #[error("{url:?} is no address of a hub: give one such as https://hub.example:8443")]
    Url { url: String },
    #[error("a token is not sent to {host} over plain HTTP: use https")]
    PlainText { host: String },
    #[error("{0}")]
    Client(String),
    #[error("the token for the hub: {0}")]
    Token(CredentialError),
    /// `sent` where the request may have arrived.
    #[error("no answer from the hub at {url}: {message}")]
    Unreachable { url: String, message: String, sent: bool },
    #[error("the hub refused: {detail}")]
    Refused {
        status: u16,
        detail: String,
        /// The entry of the troubleshooting help that says what to do.
        guide: Option<String>,
    },
    #[error("the hub answered {path} with an unexpected document: {message}")]
    Malformed { path: String, message: String },
}

impl HubError {
    /// The entry of the troubleshooting help that says what to do.
    pub fn guide(&self) -> Option<&str> {
        match self {
            Self::Refused { guide, .. } => guide.as_deref(),
            _ => None,
        }
    }

    /// Whether what was asked for may have been done all the same.
    pub fn is_in_doubt(&self) -> bool {
        match self {
            Self::Unreachable { sent, .. } => *sent,
            Self::Malformed { .. } => true,
            Self::Refused { status, .. } => *status >= 500,
            Self::Url { .. } | Self::PlainText { .. } | Self::Client(_) | Self::Token(_) => false,
        }
    }
}

/// A hub, ready to be asked.
#[derive(Debug, Clone)]
pub struct HubClient {
    base: Url,
    client: Client,
    authorization: Option<HeaderValue>,
    answer_within: Duration,
    uplink: Uplink,
}

impl HubClient {
    /// Reads certificates; nothing is sent yet. Blocks.
    pub fn new(access: &HubAccess) -> Result<Self, HubError> {
        let no_url = || HubError::Url { url: escape(&access.url, EXCERPT_CHARS_MAX) };
        let base: Url = access.url.trim_end_matches('/').parse().map_err(|_| no_url())?;
        let sound = matches!(base.scheme(), "http" | "https")
            && base.username().is_empty()
            && base.password().is_none()
            && base.query().is_none()
            && base.fragment().is_none()
            && base.has_host();
        if !sound {
            return Err(no_url());
        }
        if access.token.is_some() && base.scheme() == "http" && !is_loopback(&base) {
            let host = base.host_str().unwrap_or_default().to_owned();
            return Err(HubError::PlainText { host });
        }
        let client = plain_client(base.scheme() == "https", access.tls.clone(), &access.folder)
            .map_err(|failure| HubError::Client(failure.message))?;
        let authorization = access.token.as_ref().map(bearer).transpose()?;
        let (answer_within, uplink) = (ANSWER_WITHIN, Uplink::default());
        Ok(Self { base, client, authorization, answer_within, uplink })
    }

    /// The hub that a fleet file names, with the token it names. Its connections are those of the pool.
    pub async fn of(pool: &HttpPool, hub: &Hub, now: Timestamp) -> Result<Self, HubError> {
        let authorization = match &hub.credential {
            Some(credential) => {
                let token = pool.tokens().token(credential, now).await.map_err(HubError::Token)?;
                Some(bearer(&token)?)
            }
            None => None,
        };
        let encrypted = hub.url.scheme() == "https";
        let client = pool
            .clients()
            .plain(pool, encrypted, hub.tls.clone())
            .await
            .map_err(|failure| HubError::Client(failure.message))?;
        let (base, answer_within) = (hub.url.clone(), ANSWER_WITHIN);
        let uplink = pool.uplink().clone();
        Ok(Self { base, client, authorization, answer_within, uplink })
    }

    /// The same hub, given up sooner or later.
    #[must_use]
    pub fn within(self, answer_within: Duration) -> Self {
        Self { answer_within, ..self }
    }

    /// Reads a document.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, HubError> {
        parse(path, &self.send(Method::GET, path, None).await?)
    }

    /// Reads what is no JSON.
    pub async fn get_bytes(&self, path: &str) -> Result<Vec<u8>, HubError> {
        self.send(Method::GET, path, None).await
    }

    /// Sends a document, and reads the one that comes back.
    pub async fn call<T: DeserializeOwned>(
        &self,
        method: &str,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, HubError> {
        let body = serde_json::to_vec(body).expect("a request always serialises");
        parse(path, &self.send_bytes(method, path, body).await?)
    }

    /// Sends bytes as they are, and gives back what comes.
    pub async fn send_bytes(
        &self,
        method: &str,
        path: &str,
        body: Vec<u8>,
    ) -> Result<Vec<u8>, HubError> {
        let method = Method::from_bytes(method.as_bytes())
            .map_err(|_| HubError::Client(format!("{method:?} is no method")))?;
        self.send(method, path, Some(body)).await
    }

    /// Ends something by its path.
    pub async fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T, HubError> {
        parse(path, &self.send(Method::DELETE, path, None).await?)
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<Vec<u8>, HubError> {
        self.uplink.stands().map_err(|failure| HubError::Client(failure.message))?;
        tokio::select! {
            biased;
            cut = self.uplink.ended() => {
                let url = self.base.to_string();
                Err(HubError::Unreachable { url, message: cut.message, sent: true })
            }
            answer = self.send_while_it_stands(method, path, body) => answer,
        }
    }

    async fn send_while_it_stands(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<Vec<u8>, HubError> {
        let url = format!("{}{path}", self.base.as_str().trim_end_matches('/'));
        let mut request = self.client.request(method, url).timeout(self.answer_within);
        if let Some(value) = &self.authorization {
            request = request.header(AUTHORIZATION, value.clone());
        }
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json").body(body);
        }
        let mut answer = request.send().await.map_err(|error| self.unreachable(&error))?;
        let status = answer.status();
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| self.unreachable(&error))? {
            if bytes.len() + chunk.len() > ANSWER_BYTES_MAX {
                let message = format!("more than {ANSWER_BYTES_MAX} bytes");
                return Err(HubError::Malformed { path: path.to_owned(), message });
            }
            bytes.extend_from_slice(&chunk);
        }
        if status.is_success() {
            return Ok(bytes);
        }
        Err(refused(status, &bytes))
    }

    fn unreachable(&self, error: &reqwest::Error) -> HubError {
        let mut message = String::new();
        let mut source = error.source();
        while let Some(cause) = source {
            message = cause.to_string();
            source = cause.source();
        }
        if message.is_empty() {
            message = error.to_string();
        }
        let url = self.base.to_string();
        let sent = !error.is_connect() && !error.is_builder();
        HubError::Unreachable { url, message: escape(&message, EXCERPT_CHARS_MAX), sent }
    }
}

fn bearer(token: &SecretString) -> Result<HeaderValue, HubError> {
    let no_header = |_| HubError::Client("the token holds characters no header can".to_owned());
    let text = format!("Bearer {}", token.expose_secret());
    let mut value = HeaderValue::from_str(&text).map_err(no_header)?;
    value.set_sensitive(true);
    Ok(value)
}

fn refused(status: StatusCode, bytes: &[u8]) -> HubError {
    let (detail, guide) = match serde_json::from_slice::<Problem>(bytes) {
        Ok(problem) => (problem.detail, problem.guide),
        Err(_) => (String::from_utf8_lossy(bytes).into_owned(), None),
    };
    let detail = format!("{} ({})", escape(&detail, 600), status.as_u16());
    let guide = guide.map(|guide| escape(&guide, EXCERPT_CHARS_MAX));
    HubError::Refused { status: status.as_u16(), detail, guide }
}

fn parse<T: DeserializeOwned>(path: &str, bytes: &[u8]) -> Result<T, HubError> {
    // An answer without a body is that of an operation which gives nothing.
    let bytes = if bytes.is_empty() { b"null" } else { bytes };
    serde_json::from_slice(bytes).map_err(|error| HubError::Malformed {
        path: path.to_owned(),
        message: escape(&error.to_string(), EXCERPT_CHARS_MAX),
    })
}

/// A part of a path: whatever stands in it, it stays one part.
pub fn path_part(text: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"-_~".contains(&byte);
    // A dot alone would be taken for the folder.
    let dots = text.bytes().all(|byte| byte == b'.');
    text.bytes()
        .map(|byte| match byte {
            b'.' if !dots => ".".to_owned(),
            byte if keep(byte) => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_path_stays_one() {
        assert_eq!(path_part("gw-1.eu"), "gw-1.eu");
        assert_eq!(path_part("a/b?c"), "a%2Fb%3Fc");
        assert_eq!(path_part(".."), "%2E%2E");
    }

    #[test]
    fn a_token_is_not_sent_in_plain_text() {
        let mut access = HubAccess {
            url: "http://hub.example:8080".to_owned(),
            token: Some("secret".to_owned().into()),
            ..HubAccess::default()
        };
        assert!(matches!(HubClient::new(&access), Err(HubError::PlainText { .. })));
        access.url = "http://127.0.0.1:1/".to_owned();
        HubClient::new(&access).expect("on this machine it may");
        for url in ["hub", "ftp://hub", "https://user:pass@hub", "https://hub?x=1"] {
            access.url = url.to_owned();
            assert!(matches!(HubClient::new(&access), Err(HubError::Url { .. })), "{url}");
        }
    }
}
