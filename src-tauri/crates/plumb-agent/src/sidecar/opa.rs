//! The client of one OPA: status, modules, documents, questions, each bounded in bytes and time.

use std::collections::BTreeMap;

use reqwest::{Client, Method, RequestBuilder, StatusCode, header::CONTENT_TYPE, redirect, retry};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Value, value::RawValue};
use tokio::time::timeout;

use super::{
    config::SidecarConfig,
    failure::OpaFailure,
    limits::{
        ANSWER_BYTES_MAX, DOCUMENT_BYTES_MAX, MODULE_BYTES_MAX, REQUEST_TIMEOUT, STATUS_BYTES_MAX,
    },
    status::{BundleStatus, OpaFault, WireFault, read_status},
};
use crate::{chain::chain, probe_file::ProbeEntry};

pub(super) struct Opa {
    client: Client,
    url: reqwest::Url,
    token: Option<SecretString>,
}

struct Reply {
    status: StatusCode,
    body: Vec<u8>,
}

#[derive(Deserialize)]
struct ModuleDocument {
    result: ModuleResult,
}

#[derive(Deserialize)]
struct ModuleResult {
    raw: String,
    #[serde(rename = "ast")]
    _ast: Option<IgnoredAny>,
}

impl Opa {
    pub(super) fn new(config: &SidecarConfig) -> Result<Self, reqwest::Error> {
        let mut builder = Client::builder()
            .redirect(redirect::Policy::none())
            .referer(false)
            .retry(retry::never())
            // OPA is named by the configuration, not by the environment.
            .no_proxy()
            .connect_timeout(REQUEST_TIMEOUT)
            .tcp_nodelay(true)
            .user_agent(concat!("plumbline-agent/", env!("CARGO_PKG_VERSION")));
        if config.url().scheme() == "http" {
            builder = builder.tls_certs_only([]);
        }
        let client = builder.build()?;
        Ok(Self { client, url: config.url().clone(), token: config.token.clone() })
    }

    /// What OPA says about a bundle.
    pub(super) async fn status(&self, bundle: &str) -> Result<BundleStatus, OpaFailure> {
        let what = "GET /v1/status";
        let request = self.request(Method::GET, &["v1", "status"]);
        let reply = self.send(request, what, STATUS_BYTES_MAX).await?;
        match reply.status {
            StatusCode::OK => read_status(&reply.body, bundle)
                .map_err(|error| unexpected(what, &error.to_string())),
            // The same code stands for a status plugin that is not there.
            StatusCode::INTERNAL_SERVER_ERROR
                if fault(&reply.body).is_some_and(|f| f.message.contains("status plugin")) =>
            {
                Err(OpaFailure::NoStatus)
            }
            _ => Err(refused(what, &reply)),
        }
    }

    /// The text of a module; nothing when there is none of this id.
    pub(super) async fn module(&self, id: &str) -> Result<Option<String>, OpaFailure> {
        let what = format!("GET /v1/policies/{id}");
        let request = self.request(Method::GET, &at("policies", id));
        let reply = self.send(request, &what, MODULE_BYTES_MAX).await?;
        match reply.status {
            StatusCode::OK => {
                let document: ModuleDocument = read(&what, &reply.body)?;
                Ok(Some(document.result.raw))
            }
            StatusCode::NOT_FOUND if fault(&reply.body).is_some() => Ok(None),
            _ => Err(refused(&what, &reply)),
        }
    }

    pub(super) async fn put_module(&self, id: &str, text: &str) -> Result<(), OpaFailure> {
        let request = self.request(Method::PUT, &at("policies", id));
        let request = request.header(CONTENT_TYPE, "text/plain").body(text.to_owned());
        self.change(request, &format!("PUT /v1/policies/{id}")).await
    }

    pub(super) async fn delete_module(&self, id: &str) -> Result<(), OpaFailure> {
        let request = self.request(Method::DELETE, &at("policies", id));
        self.change(request, &format!("DELETE /v1/policies/{id}")).await
    }

    /// A document as JSON; nothing when there is none at this place.
    pub(super) async fn document(&self, place: &str) -> Result<Option<String>, OpaFailure> {
        let what = format!("GET /v1/data/{place}");
        let request = self.request(Method::GET, &at("data", place));
        let reply = self.send(request, &what, DOCUMENT_BYTES_MAX).await?;
        if reply.status != StatusCode::OK {
            return Err(refused(&what, &reply));
        }
        let mut document: BTreeMap<String, Box<RawValue>> = read(&what, &reply.body)?;
        Ok(document.remove("result").map(|value| value.get().to_owned()))
    }

    pub(super) async fn put_document(&self, place: &str, text: &str) -> Result<(), OpaFailure> {
        let request = self.request(Method::PUT, &at("data", place));
        let request = request.header(CONTENT_TYPE, "application/json").body(text.to_owned());
        self.change(request, &format!("PUT /v1/data/{place}")).await
    }

    pub(super) async fn delete_document(&self, place: &str) -> Result<(), OpaFailure> {
        let request = self.request(Method::DELETE, &at("data", place));
        self.change(request, &format!("DELETE /v1/data/{place}")).await
    }

    /// The answer to a probe; nothing is undefined.
    pub(super) async fn ask(&self, probe: &ProbeEntry) -> Result<Option<Value>, OpaFailure> {
        let what = format!("POST /v1/data/{}", probe.path);
        let mut url = self.address(&at("data", &probe.path));
        url.set_query(Some("explain=off"));
        let question = serde_json::json!({ "input": probe.input });
        let request = self.request_to(Method::POST, url).json(&question);
        let reply = self.send(request, &what, ANSWER_BYTES_MAX).await?;
        if reply.status != StatusCode::OK {
            return Err(refused(&what, &reply));
        }
        let mut answer: serde_json::Map<String, Value> = read(&what, &reply.body)?;
        Ok(answer.remove("result"))
    }

    fn address(&self, path: &[&str]) -> reqwest::Url {
        let mut url = self.url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.clear().extend(path);
        }
        url
    }

    fn request(&self, method: Method, path: &[&str]) -> RequestBuilder {
        self.request_to(method, self.address(path))
    }

    fn request_to(&self, method: Method, url: reqwest::Url) -> RequestBuilder {
        let request = self.client.request(method, url);
        match &self.token {
            Some(token) => request.bearer_auth(token.expose_secret()),
            None => request,
        }
    }

    async fn change(&self, request: RequestBuilder, what: &str) -> Result<(), OpaFailure> {
        let reply = self.send(request, what, ANSWER_BYTES_MAX).await?;
        match reply.status {
            StatusCode::OK | StatusCode::NO_CONTENT => Ok(()),
            _ => Err(refused(what, &reply)),
        }
    }

    async fn send(
        &self,
        request: RequestBuilder,
        what: &str,
        bytes_max: usize,
    ) -> Result<Reply, OpaFailure> {
        let whole = async {
            let away = |error: reqwest::Error| OpaFailure::Unreachable {
                problem: chain(&error.without_url()),
            };
            let mut response = request.send().await.map_err(away)?;
            let status = response.status();
            let mut body = Vec::new();
            while let Some(piece) = response.chunk().await.map_err(away)? {
                if body.len() + piece.len() > bytes_max {
                    return Err(unexpected(what, &format!("more than {bytes_max} bytes")));
                }
                body.extend_from_slice(&piece);
            }
            Ok(Reply { status, body })
        };
        timeout(REQUEST_TIMEOUT, whole)
            .await
            .unwrap_or_else(|_| Err(OpaFailure::Late { what: what.to_owned() }))
    }
}

/// The parts of an address below `/v1`.
fn at<'a>(kind: &'a str, place: &'a str) -> Vec<&'a str> {
    ["v1", kind].into_iter().chain(place.split('/')).collect()
}

fn read<'a, T: Deserialize<'a>>(what: &str, body: &'a [u8]) -> Result<T, OpaFailure> {
    serde_json::from_slice(body).map_err(|error| unexpected(what, &error.to_string()))
}

fn fault(body: &[u8]) -> Option<OpaFault> {
    serde_json::from_slice::<WireFault>(body).ok()?.fault()
}

fn unexpected(what: &str, problem: &str) -> OpaFailure {
    OpaFailure::Unexpected { what: what.to_owned(), problem: problem.to_owned() }
}

/// Makes an answer that is none a failure.
fn refused(what: &str, reply: &Reply) -> OpaFailure {
    let what = what.to_owned();
    let status = reply.status.as_u16();
    match (reply.status, fault(&reply.body)) {
        (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _) => OpaFailure::Unauthorized { what },
        _ if matches!(status, 429 | 502..=504) => OpaFailure::Busy { what, status },
        (_, Some(fault)) => OpaFailure::Refused { what, status, fault: Box::new(fault) },
        (_, None) => unexpected(&what, &format!("status {status}")),
    }
}
