//! One conversation with one node: its client, its token, its deadline, its byte allowance.

use std::{fmt, sync::atomic::AtomicUsize, time::Duration};

use jiff::Timestamp;
use plumb_fleet::{FailureKind, Node, NodeFailure, Route};
use reqwest::{
    Client, Method, Response, StatusCode, Url,
    header::{AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue},
};
use secrecy::ExposeSecret as _;
use tokio::time::{Instant, timeout_at};

use crate::{
    error::{failure, from_status, from_transport, malformed, timed_out},
    http::{
        Answerer, HttpPool, Lane, Now, Received,
        body::{self, Reading},
    },
    limits::DOCUMENT_BYTES_MAX,
    operations::PlanStep,
};

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Call<'a> {
    pub(crate) method: Method,
    /// Path and query below the node's URL.
    pub(crate) path: &'a str,
    pub(crate) body: Option<Vec<u8>>,
    pub(crate) idempotency_key: Option<&'a str>,
    /// The plan it is a step of.
    pub(crate) step: Option<PlanStep>,
    pub(crate) bytes_max: usize,
    /// Whether the token goes with it.
    pub(crate) shows_token: bool,
}

impl<'a> Call<'a> {
    pub(crate) const fn get(path: &'a str, bytes_max: usize) -> Self {
        let (method, body, idempotency_key) = (Method::GET, None, None);
        Self { method, path, body, idempotency_key, step: None, bytes_max, shows_token: true }
    }

    /// A document that is sent, to a path that is still to be named.
    pub(crate) fn posting(body: Vec<u8>) -> Self {
        Self { method: Method::POST, body: Some(body), ..Self::get("", DOCUMENT_BYTES_MAX) }
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// The node's clock.
    pub(crate) date: Option<Timestamp>,
    /// Our clock when the last byte had arrived.
    pub(crate) at: Timestamp,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    /// Held as long as the body is.
    _reading: Reading,
}

/// Whether a request that has no answer can have had an effect.
#[derive(Debug)]
pub(crate) enum SendError {
    /// It never left.
    NotSent(NodeFailure),
    /// It may have arrived.
    InDoubt(NodeFailure),
}

impl Answer {
    /// An answer that did not come from a socket.
    pub(crate) fn of(status: u16, body: &[u8], at: Timestamp) -> Self {
        Self {
            status: StatusCode::from_u16(status).expect("a status of three digits"),
            date: None,
            at,
            headers: HeaderMap::new(),
            body: body.to_vec(),
            _reading: Reading::new(std::sync::Arc::new(AtomicUsize::new(0))),
        }
    }
}

impl SendError {
    pub(crate) fn into_failure(self) -> NodeFailure {
        match self {
            Self::NotSent(failure) | Self::InDoubt(failure) => failure,
        }
    }
}

/// A node reached: ready to send.
pub(crate) struct Session<'a> {
    pool: &'a HttpPool,
    node: &'a Node,
    client: Client,
    token: Option<HeaderValue>,
    deadline: Instant,
    allowed: Duration,
    now: &'a Now,
    spent: AtomicUsize,
}

impl<'a> Session<'a> {
    /// Gets client and token ready; nothing is sent to the node yet.
    pub(crate) async fn open(
        pool: &'a HttpPool,
        node: &'a Node,
        lane: Lane,
        allowed: Duration,
        now: &'a Now,
    ) -> Result<Self, NodeFailure> {
        let deadline = Instant::now() + allowed;
        let ready = async {
            // A pool that was cut off asks no keyring either.
            pool.uplink().stands()?;
            let token = token(pool, node, now).await?;
            let client = pool.clients().get(pool, node, lane).await?;
            Ok((token, client))
        };
        let ready = async {
            tokio::select! {
                biased;
                cut = pool.uplink().ended() => Err(cut),
                ready = ready => ready,
            }
        };
        let (token, client) = timeout_at(deadline, ready).await.unwrap_or_else(|_| {
            Err(failure(
                FailureKind::Auth,
                "the credential or the route of this node was not ready in time; is the keyring locked?",
            ))
        })?;
        Ok(Self { pool, node, client, token, deadline, allowed, now, spent: AtomicUsize::new(0) })
    }

    /// Whether the connection itself proves who we are.
    pub(crate) fn shows_certificate(&self) -> bool {
        self.node.tls.as_ref().is_some_and(|tls| tls.certificate.is_some())
    }

    /// Whether anything was shown to the node that could prove who we are.
    pub(crate) fn shows_credential(&self) -> bool {
        self.token.is_some() || self.shows_certificate()
    }

    pub(crate) fn node(&self) -> &Node {
        self.node
    }

    pub(crate) fn pool(&self) -> &HttpPool {
        self.pool
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.now)()
    }

    /// A document; statuses that are no success are failures.
    pub(crate) async fn get(&self, path: &str, bytes_max: usize) -> Result<Answer, NodeFailure> {
        let answer = self.get_any(path, bytes_max).await?;
        if answer.status.is_success() {
            Ok(answer)
        } else {
            Err(from_status(path, answer.status, &answer.body))
        }
    }

    /// A document with whatever status it has.
    pub(crate) async fn get_any(
        &self,
        path: &str,
        bytes_max: usize,
    ) -> Result<Answer, NodeFailure> {
        let call = Call::get(path, bytes_max);
        match self.send(&call).await {
            // A node closes idle connections when it likes (uvicorn after 5 s) and may do so just as
            // we write. Reading again has no effect, so once more, on another connection.
            Err(SendError::InDoubt(failure)) if failure.kind == FailureKind::Refused => {
                self.send(&call).await.map_err(SendError::into_failure)
            }
            sent => sent.map_err(SendError::into_failure),
        }
    }

    /// Sends once; never retried, never redirected.
    pub(crate) async fn send(&self, call: &Call<'_>) -> Result<Answer, SendError> {
        let uplink = self.pool.uplink();
        uplink.stands().map_err(SendError::NotSent)?;
        tokio::select! {
            biased;
            cut = uplink.ended() => Err(SendError::InDoubt(cut)),
            answer = self.send_while_it_stands(call) => answer,
        }
    }

    async fn send_while_it_stands(&self, call: &Call<'_>) -> Result<Answer, SendError> {
        let request = self.request(call).map_err(SendError::NotSent)?;
        let sent = timeout_at(self.deadline, self.client.execute(request)).await;
        let response = match sent {
            Err(_) => return Err(SendError::InDoubt(timed_out(call.path, self.allowed))),
            Ok(Err(error)) if error.is_connect() || error.is_builder() => {
                return Err(SendError::NotSent(from_transport(call.path, &error)));
            }
            Ok(Err(error)) => return Err(SendError::InDoubt(from_transport(call.path, &error))),
            Ok(Ok(response)) => response,
        };
        let status = response.status();
        let headers = response.headers().clone();
        let date = date(&headers);
        let mut reading = Reading::new(self.pool.reading().clone());
        let body = self.body(response, call, &mut reading).await.map_err(SendError::InDoubt)?;
        tracing::debug!(
            node = %self.node.id, path = call.path, status = status.as_u16(), bytes = body.len(),
            "node answered"
        );
        let at = self.now();
        if let Some(tap) = self.pool.tap() {
            tap(Received {
                from: Answerer::Node(self.node.id.clone()),
                method: call.method.to_string(),
                path: call.path.to_owned(),
                at,
                status: status.as_u16(),
                headers: header_lines(&headers),
                body: body.clone(),
            });
        }
        Ok(Answer { status, date, at, headers, body, _reading: reading })
    }

    async fn body(
        &self,
        response: Response,
        call: &Call<'_>,
        reading: &mut Reading,
    ) -> Result<Vec<u8>, NodeFailure> {
        let body = body::read(response, call.path, call.bytes_max, &self.spent, reading);
        timeout_at(self.deadline, body)
            .await
            .unwrap_or_else(|_| Err(timed_out(call.path, self.allowed)))
    }

    fn request(&self, call: &Call<'_>) -> Result<reqwest::Request, NodeFailure> {
        let mut request =
            reqwest::Request::new(call.method.clone(), endpoint(&self.node.url, call.path));
        let headers = request.headers_mut();
        if let Some(token) = self.token.as_ref().filter(|_| call.shows_token) {
            headers.insert(AUTHORIZATION, token.clone());
        }
        if let Some(key) = call.idempotency_key {
            let key = HeaderValue::from_str(key).map_err(|_| {
                failure(FailureKind::Policy, "the idempotency key is not plain ASCII")
            })?;
            headers.insert(plumb_wire::v1::IDEMPOTENCY_KEY, key);
        }
        if let Some(PlanStep { plan, run }) = call.step {
            let plain = |text: String| HeaderValue::try_from(text).expect("ids are plain ASCII");
            headers.insert(plumb_wire::v1::PLAN, plain(plan.to_string()));
            headers.insert(plumb_wire::v1::RUN, plain(run.to_string()));
        }
        if let Some(body) = &call.body {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            *request.body_mut() = Some(body.clone().into());
        }
        Ok(request)
    }
}

impl fmt::Debug for Session<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("node", &self.node.id).finish_non_exhaustive()
    }
}

/// The URL of a path (and query) below a base URL.
pub(crate) fn endpoint(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    let (path, query) =
        path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    let below = base.path().trim_end_matches('/');
    if below.is_empty() {
        url.set_path(path);
    } else {
        url.set_path(&format!("{below}{path}"));
    }
    url.set_query(query);
    url
}

/// The bearer header, if the node has a credential and may be shown it.
async fn token(
    pool: &HttpPool,
    node: &Node,
    now: &Now,
) -> Result<Option<HeaderValue>, NodeFailure> {
    let Some(credential) = &node.credential else { return Ok(None) };
    if !may_carry_token(node) {
        return Err(failure(
            FailureKind::Policy,
            "the token was not sent: the node is reached over plain HTTP; use https, or set allow_plain_token = true for it in the fleet file",
        ));
    }
    let token = pool
        .tokens()
        .token(credential, now())
        .await
        .map_err(|error| failure(FailureKind::Auth, error.to_string()))?;
    let mut header = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret()))
        .map_err(|_| failure(FailureKind::Auth, "the token holds characters no header may have"))?;
    header.set_sensitive(true);
    Ok(Some(header))
}

/// A token travels only encrypted, within this machine, or where the fleet file says otherwise.
fn may_carry_token(node: &Node) -> bool {
    // Behind a proxy "localhost" is the proxy's own and the way there is open.
    let stays_here = node.is_loopback() && !matches!(node.route, Route::Proxy(_));
    node.url.scheme() == "https" || stays_here || node.allow_plain_token
}

/// Headers as lines, which is how rules that find secrets know them.
pub(crate) fn header_lines(headers: &HeaderMap) -> Vec<String> {
    let line = |(name, value): (&HeaderName, &HeaderValue)| {
        format!("{name}: {}", String::from_utf8_lossy(value.as_bytes()))
    };
    headers.iter().map(line).collect()
}

fn date(headers: &HeaderMap) -> Option<Timestamp> {
    static PARSER: jiff::fmt::rfc2822::DateTimeParser = jiff::fmt::rfc2822::DateTimeParser::new();
    PARSER.parse_timestamp(headers.get(DATE)?.as_bytes()).ok()
}

/// Reads a JSON document that is an object; a list would be read as its fields in order.
pub(crate) fn json<'a, T: serde::Deserialize<'a>>(
    path: &str,
    body: &'a [u8],
) -> Result<T, NodeFailure> {
    if body.trim_ascii_start().starts_with(b"[") {
        return Err(malformed(path, "a list where an object was expected"));
    }
    serde_json::from_slice(body).map_err(|error| malformed(path, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stand_below_the_base_url() {
        let check =
            |base: &str, path: &str| endpoint(&base.parse().expect("a URL"), path).to_string();
        assert_eq!(check("http://h:1", "/readyz"), "http://h:1/readyz");
        assert_eq!(check("http://h:1/gw/", "/v1/x?a=1"), "http://h:1/gw/v1/x?a=1");
    }
}
