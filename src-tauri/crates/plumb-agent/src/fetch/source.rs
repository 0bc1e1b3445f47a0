//! Where packs come from: the port, and HTTP.

use std::{
    error::Error as _,
    fmt, fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use futures::{
    StreamExt as _,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use jiff::fmt::rfc2822;
use plumb_bundle::limits::ARCHIVE_BYTES_MAX;
use plumb_wire::packs::{CORRELATION_ID, COSIGN_BUNDLE, DIGEST, PREFER, PREFERENCE_APPLIED};
use reqwest::{
    Certificate, Client, Identity, RequestBuilder, Response, StatusCode, Url,
    header::{ACCEPT, ETAG, HeaderMap, IF_NONE_MATCH, RETRY_AFTER},
    redirect, retry,
};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::Instant;

use super::{
    config::{ClientTls, FetchConfig},
    failure::FetchFailure,
    limits::{
        ANSWER_TIMEOUT, ATTESTATION_BYTES_MAX, CONNECT_TIMEOUT, ETAG_BYTES_MAX, EVENT_SILENCE_MAX,
        HEADER_BYTES_MAX, HEADERS_MAX, READ_TIMEOUT,
    },
};
use crate::{chain::chain, config::Clock};

/// Characters of an error's body that are shown.
const EXCERPT_CHARS_MAX: usize = 120;

/// One request for a pack.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ask {
    /// ETag of what is held; without one the whole pack is wanted.
    pub etag: Option<String>,
    /// How long the registry may hold the answer back until there is something new.
    pub wait: Option<Duration>,
    /// Id of the fetch in the logs of both sides.
    pub correlation: String,
}

/// What a registry answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Pack {
        etag: Option<String>,
        digest_field: Option<String>,
        /// The attestation, where it came along.
        attestation: Option<Vec<u8>>,
        bytes: Vec<u8>,
        waited: bool,
    },
    NotModified {
        etag: Option<String>,
        digest_field: Option<String>,
        waited: bool,
    },
}

/// An attestation and the ETag it came with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attestation {
    pub etag: Option<String>,
    pub bytes: Vec<u8>,
}

/// The pieces of an event stream.
pub type Pieces = BoxStream<'static, Result<Vec<u8>, FetchFailure>>;

/// A registry. Every method ends within a bounded time, save the stream of events.
pub trait PackSource: Send + Sync + fmt::Debug {
    fn pack<'a>(&'a self, ask: &'a Ask) -> BoxFuture<'a, Result<Answer, FetchFailure>>;
    fn attestation<'a>(
        &'a self,
        correlation: &'a str,
    ) -> BoxFuture<'a, Result<Attestation, FetchFailure>>;
    fn events<'a>(&'a self, correlation: &'a str) -> BoxFuture<'a, Result<Pieces, FetchFailure>>;
}

/// Why no client could be made.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error("pack registry: reading {path}", path = path.display())]
    Read {
        path: PathBuf,
        #[source]
        error: io::Error,
    },
    #[error("pack registry: {path} holds no {what} in PEM", path = path.display())]
    Pem { path: PathBuf, what: &'static str },
    #[error("pack registry: TLS settings cannot be used: {problem}")]
    Tls { problem: String },
}

/// A client for one address that the configuration names. Reads the PEM files: blocks.
pub(crate) fn client(
    url: &Url,
    ca: Option<&Path>,
    tls: Option<&ClientTls>,
) -> Result<Client, SourceError> {
    let mut builder = Client::builder()
        .redirect(redirect::Policy::none())
        .referer(false)
        .retry(retry::never())
        // The registry is named by the configuration, not by the environment.
        .no_proxy()
        .no_gzip()
        .http1_max_headers(HEADERS_MAX)
        .http2_max_header_list_size(HEADER_BYTES_MAX)
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .user_agent(concat!("plumbline-agent/", env!("CARGO_PKG_VERSION")));
    if url.scheme() == "http" {
        // A machine without any root certificates can still speak HTTP to itself.
        builder = builder.tls_certs_only([]);
    } else if let Some(ca) = ca {
        let roots = Certificate::from_pem_bundle(&read(ca)?)
            .ok()
            .filter(|roots| !roots.is_empty())
            .ok_or_else(|| SourceError::Pem { path: ca.to_owned(), what: "certificate" })?;
        builder = builder.tls_certs_only(roots);
    }
    if let Some(tls) = tls {
        let mut pem = read(&tls.certificate)?;
        pem.push(b'\n');
        pem.extend(read(&tls.key)?);
        let identity = Identity::from_pem(&pem).map_err(|_| SourceError::Pem {
            path: tls.certificate.clone(),
            what: "certificate that goes with a key",
        })?;
        builder = builder.identity(identity);
    }
    builder.build().map_err(|error| SourceError::Tls { problem: chain(&error.without_url()) })
}

/// A registry that is asked over HTTP.
#[derive(Debug)]
pub struct HttpSource {
    client: Client,
    url: Url,
    token: Option<SecretString>,
    clock: Clock,
}

impl HttpSource {
    /// Reads the PEM files and prepares the client. Blocks.
    pub fn new(config: &FetchConfig, clock: Clock) -> Result<Self, SourceError> {
        let client = client(config.url(), config.ca.as_deref(), config.client_tls.as_ref())?;
        Ok(Self { client, url: config.url().clone(), token: config.token.clone(), clock })
    }

    fn request(&self, below: Option<&str>, correlation: &str) -> RequestBuilder {
        let mut url = self.url.clone();
        if let (Some(below), Ok(mut segments)) = (below, url.path_segments_mut()) {
            segments.push(below);
        }
        let request = self.client.get(url).header(CORRELATION_ID, correlation);
        match &self.token {
            Some(token) => request.bearer_auth(token.expose_secret()),
            None => request,
        }
    }

    /// Sends a request and waits for the head of its answer.
    async fn send(
        &self,
        request: RequestBuilder,
        within: Duration,
    ) -> Result<Response, FetchFailure> {
        match tokio::time::timeout(within, request.send()).await {
            Err(_) => Err(FetchFailure::TimedOut),
            Ok(Err(error)) if error.is_timeout() => Err(FetchFailure::TimedOut),
            Ok(Err(error)) => {
                Err(FetchFailure::RegistryDown { problem: chain(&error.without_url()) })
            }
            Ok(Ok(response)) => Ok(response),
        }
    }

    /// Makes an answer that is neither a pack nor "not modified" a failure.
    async fn refuse(&self, response: Response) -> FetchFailure {
        let status = response.status();
        if status.is_redirection() {
            return FetchFailure::Redirected { status: status.as_u16() };
        }
        let retry_after = self.retry_after(response.headers());
        let body = read_body(response, "error", 4 << 10).await.unwrap_or_default();
        let text = String::from_utf8_lossy(&body);
        let excerpt: String = text
            .trim()
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .take(EXCERPT_CHARS_MAX)
            .collect();
        let excerpt = if excerpt.is_empty() { excerpt } else { format!(": {excerpt}") };
        FetchFailure::Status { status: status.as_u16(), excerpt, retry_after }
    }

    /// Seconds, or a moment (RFC 9110, 10.2.3).
    fn retry_after(&self, headers: &HeaderMap) -> Option<Duration> {
        let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
        if let Ok(seconds) = text.parse::<u64>() {
            return Some(Duration::from_secs(seconds));
        }
        let at = rfc2822::parse(text).ok()?.timestamp();
        Duration::try_from(at.duration_since(self.clock.now())).ok()
    }

    async fn ask_pack(&self, ask: &Ask) -> Result<Answer, FetchFailure> {
        let begun = Instant::now();
        let mut request = self.request(None, &ask.correlation);
        if let Some(etag) = &ask.etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        let wait = ask.wait.unwrap_or_default();
        if !wait.is_zero() {
            request = request.header(PREFER, format!("wait={}", wait.as_secs()));
        }
        let response = self.send(request, wait + ANSWER_TIMEOUT).await?;
        let headers = response.headers();
        let applied = applied_wait(headers).map(|applied| applied.min(wait));
        let etag = field(headers, ETAG.as_str()).filter(|etag| etag.len() <= ETAG_BYTES_MAX);
        let digest_field = field(headers, DIGEST);
        match response.status() {
            StatusCode::NOT_MODIFIED => {
                // One that says so at once did not wait, whatever its header claims.
                let held = applied.unwrap_or(wait);
                let waited = !wait.is_zero() && begun.elapsed() >= held / 2;
                Ok(Answer::NotModified { etag, digest_field, waited })
            }
            StatusCode::OK => {
                let attestation = headers.get(COSIGN_BUNDLE).map(|v| v.as_bytes().to_vec());
                let bytes = read_body(response, "pack", ARCHIVE_BYTES_MAX).await?;
                let waited = applied.is_some();
                Ok(Answer::Pack { etag, digest_field, attestation, bytes, waited })
            }
            _ => Err(self.refuse(response).await),
        }
    }

    async fn ask_attestation(&self, correlation: &str) -> Result<Attestation, FetchFailure> {
        let request = self.request(Some("attestation"), correlation);
        let response = self.send(request, ANSWER_TIMEOUT).await?;
        let etag = field(response.headers(), ETAG.as_str());
        match response.status() {
            StatusCode::OK => {
                let bytes = read_body(response, "attestation", ATTESTATION_BYTES_MAX).await?;
                Ok(Attestation { etag, bytes })
            }
            // The contract's answer for an attestation that is not there.
            StatusCode::NOT_FOUND | StatusCode::SERVICE_UNAVAILABLE => Err(FetchFailure::Unsigned),
            _ => Err(self.refuse(response).await),
        }
    }

    async fn ask_events(&self, correlation: &str) -> Result<Pieces, FetchFailure> {
        let request = self.request(Some("events"), correlation).header(ACCEPT, "text/event-stream");
        let response = self.send(request, READ_TIMEOUT).await?;
        if response.status() != StatusCode::OK {
            return Err(self.refuse(response).await);
        }
        let media = field(response.headers(), "content-type").unwrap_or_default();
        if !media.starts_with("text/event-stream") {
            let problem = "is no event stream; use --pack-mode poll or long-poll".to_owned();
            return Err(FetchFailure::Unexpected { problem });
        }
        let pieces = stream::unfold(response, |mut response| async move {
            let piece = match tokio::time::timeout(EVENT_SILENCE_MAX, response.chunk()).await {
                Err(_) => Err(FetchFailure::TimedOut),
                Ok(Ok(None)) => return None,
                Ok(Ok(Some(piece))) => Ok(piece.to_vec()),
                Ok(Err(error)) => {
                    Err(FetchFailure::RegistryDown { problem: chain(&error.without_url()) })
                }
            };
            Some((piece, response))
        });
        Ok(pieces.boxed())
    }
}

impl PackSource for HttpSource {
    fn pack<'a>(&'a self, ask: &'a Ask) -> BoxFuture<'a, Result<Answer, FetchFailure>> {
        Box::pin(self.ask_pack(ask))
    }

    fn attestation<'a>(
        &'a self,
        correlation: &'a str,
    ) -> BoxFuture<'a, Result<Attestation, FetchFailure>> {
        Box::pin(self.ask_attestation(correlation))
    }

    fn events<'a>(&'a self, correlation: &'a str) -> BoxFuture<'a, Result<Pieces, FetchFailure>> {
        Box::pin(self.ask_events(correlation))
    }
}

/// How long the registry says it was willing to hold the answer back (RFC 7240).
fn applied_wait(headers: &HeaderMap) -> Option<Duration> {
    let applied = field(headers, PREFERENCE_APPLIED)?;
    let seconds = applied.split(',').find_map(|applied| applied.trim().strip_prefix("wait="))?;
    seconds.trim_matches('"').parse().ok().filter(|s| *s > 0).map(Duration::from_secs)
}

fn field(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// Reads a body that ends where its head says, within limits of size and time.
pub(crate) async fn read_body(
    mut response: Response,
    what: &'static str,
    bytes_max: usize,
) -> Result<Vec<u8>, FetchFailure> {
    let claimed = response.content_length();
    if claimed.is_some_and(|claimed| claimed > bytes_max as u64) {
        return Err(FetchFailure::TooLarge { what, max: bytes_max });
    }
    let deadline = Instant::now() + ANSWER_TIMEOUT;
    let mut bytes = Vec::new();
    loop {
        let pause = deadline.min(Instant::now() + READ_TIMEOUT);
        let piece = match tokio::time::timeout_at(pause, response.chunk()).await {
            Err(_) => return Err(FetchFailure::TimedOut),
            Ok(Err(error)) if error.is_timeout() => return Err(FetchFailure::TimedOut),
            Ok(Err(error)) => {
                let problem = error.source().map_or_else(|| error.to_string(), chain);
                return Err(FetchFailure::Truncated { found: bytes.len() as u64, problem });
            }
            Ok(Ok(None)) => break,
            Ok(Ok(Some(piece))) => piece,
        };
        if bytes.len() + piece.len() > bytes_max {
            return Err(FetchFailure::TooLarge { what, max: bytes_max });
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

fn read(path: &Path) -> Result<Vec<u8>, SourceError> {
    fs::read(path).map_err(|error| SourceError::Read { path: path.to_owned(), error })
}
