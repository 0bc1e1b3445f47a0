//! The refused list as the hub of the team has it: asked for from time to time, judged like one that is handed in.

use std::{path::PathBuf, sync::Arc, time::Duration};

use plumb_fleet::is_loopback;
use plumb_trust::refused::LIST_BYTES_MAX;
use plumb_wire::v1::LogLevel;
use reqwest::{
    Client, StatusCode, Url,
    header::{ETAG, IF_NONE_MATCH},
};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::timeout;

use crate::{
    chain::chain,
    core::Core,
    error::AgentError,
    fetch::{ClientTls, SourceError, client, read_body},
    routes::take_refused,
};

/// How often a hub is asked: content that was refused stays out of a node after this.
const EVERY: Duration = Duration::from_secs(30);
/// A list is a few kilobytes.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// Where the refused list of this node's fleet is.
#[derive(Debug, Clone)]
pub struct ListSource {
    url: Url,
    pub token: Option<SecretString>,
    /// PEM certificates the hub's has to descend from, instead of the system's.
    pub ca: Option<PathBuf>,
    pub client_tls: Option<ClientTls>,
    pub every: Duration,
}

impl ListSource {
    /// A list by its whole address, as `https://hub.example:8443/v1/hub/fleets/payments-eu/refused`. The error says
    /// what is wrong with that.
    pub fn new(url: &str) -> Result<Self, String> {
        let url: Url = url.parse().map_err(|error| format!("it is no URL: {error}"))?;
        let plain = !url.username().is_empty() || url.password().is_some();
        if !matches!(url.scheme(), "http" | "https") || plain || url.fragment().is_some() {
            return Err(
                "it must be https://, or http:// on this machine, without a user".to_owned()
            );
        }
        Ok(Self { url, token: None, ca: None, client_tls: None, every: EVERY })
    }

    /// Refuses what would send a token in plain text to another machine.
    pub(crate) fn check(&self) -> Result<(), AgentError> {
        if self.url.scheme() == "http" && !is_loopback(&self.url) {
            let message =
                "the refused list of another machine is asked for by https only".to_owned();
            return Err(AgentError::Setting { message });
        }
        Ok(())
    }

    /// Reads the PEM files. Blocks.
    pub(crate) fn client(&self) -> Result<Client, SourceError> {
        client(&self.url, self.ca.as_deref(), self.client_tls.as_ref())
    }
}

/// What became of one question.
enum Heard {
    Nothing,
    List { bytes: Vec<u8>, etag: Option<String> },
}

/// Asks until the agent stops.
pub(crate) async fn follow(core: Arc<Core>, source: ListSource, client: Client) {
    let mut etag = None;
    let mut silent = false;
    loop {
        let asked = tokio::select! {
            () = core.stop.cancelled() => return,
            asked = ask(&source, &client, etag.as_deref()) => asked,
        };
        match asked {
            Ok(Heard::Nothing) => silent = false,
            Ok(Heard::List { bytes, etag: new }) => {
                silent = false;
                // One that is not taken is not asked for again until it is another: its reason is in the log.
                let _ = take_refused(&core, bytes).await;
                etag = new;
            }
            Err(problem) => {
                // Said once, until it answers again.
                if !silent {
                    let text = format!("the hub did not tell its refused list: {problem}");
                    core.log(LogLevel::Warn, &text);
                }
                silent = true;
            }
        }
        tokio::select! {
            () = core.stop.cancelled() => return,
            () = tokio::time::sleep(source.every) => {}
        }
    }
}

async fn ask(source: &ListSource, client: &Client, etag: Option<&str>) -> Result<Heard, String> {
    let mut request = client.get(source.url.clone());
    if let Some(token) = &source.token {
        request = request.bearer_auth(token.expose_secret());
    }
    if let Some(etag) = etag {
        request = request.header(IF_NONE_MATCH, etag);
    }
    let answer = match timeout(ANSWER_WITHIN, request.send()).await {
        Err(_) => return Err("it does not answer in time".to_owned()),
        Ok(Err(error)) => return Err(chain(&error.without_url())),
        Ok(Ok(answer)) => answer,
    };
    match answer.status() {
        // Nothing was refused yet.
        StatusCode::NOT_MODIFIED | StatusCode::NOT_FOUND => Ok(Heard::Nothing),
        StatusCode::OK => {
            let etag = answer.headers().get(ETAG).and_then(|etag| etag.to_str().ok());
            let etag = etag.map(str::to_owned);
            let bytes = read_body(answer, "refused list", LIST_BYTES_MAX).await;
            Ok(Heard::List { bytes: bytes.map_err(|failure| failure.to_string())?, etag })
        }
        status => Err(format!("it answers {status}")),
    }
}
