//! Alerts that an Alertmanager or a Prometheus tells when it is asked, for those that cannot send them.

use std::{path::PathBuf, sync::Arc, time::Duration};

pub use plumb_fleet::CredentialRef;
use plumb_fleet::{Node, NodeApi, NodeId, Route, TlsFiles};
pub use plumb_wire::alerts::Notification;
use plumb_wire::alerts::{GettableAlert, NotifiedAlert, PrometheusAlerts};

pub use crate::prometheus_api::QueryError;
use crate::{
    credentials::TokenSource,
    error::{from_status, malformed, words},
    escape::escape,
    http::{HttpPool, Lane, Session, json, wall_clock},
    limits::EXCERPT_CHARS_MAX,
    prometheus_api::query as query_prometheus,
};

const ALERTMANAGER: &str = "/api/v2/alerts";
const PROMETHEUS: &str = "/api/v1/alerts";
/// Some thousand alerts with their annotations.
const ALERTS_BYTES_MAX: usize = 8 << 20;
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// Who is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlertSourceKind {
    Alertmanager,
    Prometheus,
}

/// Where it is, and how it is proved to.
#[derive(Debug, Clone)]
pub struct AlertSource {
    pub kind: AlertSourceKind,
    pub url: String,
    pub credential: Option<CredentialRef>,
    /// PEM certificates its own has to descend from, instead of the system's.
    pub ca: Option<String>,
}

/// Why no alerts came.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AlertSourceError {
    #[error("{url:?} is no address: give one such as http://127.0.0.1:9093")]
    Url { url: String },
    #[error("{0}")]
    NoAnswer(String),
}

impl AlertSource {
    /// What fires there now. What is silenced or inhibited, or pending, is not told.
    pub async fn firing(&self) -> Result<Vec<NotifiedAlert>, AlertSourceError> {
        let (pool, server) = self.server()?;
        self.read(&pool, &server)
            .await
            .map_err(|failure| AlertSourceError::NoAnswer(failure.message))
    }

    /// What each query of a Prometheus comes to now, or why it has no value.
    pub async fn values(
        &self,
        queries: &[String],
    ) -> Result<Vec<Result<f64, QueryError>>, AlertSourceError> {
        let ((pool, server), now) = (self.server()?, wall_clock());
        let mut values = Vec::with_capacity(queries.len());
        for query in queries {
            values.push(query_prometheus(&pool, &server, query, ANSWER_WITHIN, &now).await);
        }
        Ok(values)
    }

    fn server(&self) -> Result<(HttpPool, Node), AlertSourceError> {
        let no_url = || AlertSourceError::Url { url: escape(&self.url, EXCERPT_CHARS_MAX) };
        let url: reqwest::Url = self.url.trim_end_matches('/').parse().map_err(|_| no_url())?;
        if !matches!(url.scheme(), "http" | "https") || url.query().is_some() {
            return Err(no_url());
        }
        let ca =
            self.ca.clone().map(|ca| Arc::new(TlsFiles { ca: Some(ca), ..TlsFiles::default() }));
        let server = Node {
            id: NodeId::new("alerts").expect("a plain word is a name"),
            // It is none of them; what is asked of it does not depend on this.
            api: NodeApi::Opa,
            url,
            labels: Arc::default(),
            credential: self.credential.clone(),
            tls: ca,
            allow_plain_token: false,
            route: Route::Direct,
            bundle_folder: None,
            bundle: None,
        };
        Ok((HttpPool::new(TokenSource::system(), PathBuf::from(".")), server))
    }

    async fn read(
        &self,
        pool: &HttpPool,
        server: &Node,
    ) -> Result<Vec<NotifiedAlert>, plumb_fleet::NodeFailure> {
        let now = wall_clock();
        let path = match self.kind {
            AlertSourceKind::Alertmanager => ALERTMANAGER,
            AlertSourceKind::Prometheus => PROMETHEUS,
        };
        let session = Session::open(pool, server, Lane::Warm, ANSWER_WITHIN, &now).await?;
        let answer = session.get_any(path, ALERTS_BYTES_MAX).await?;
        if !answer.status.is_success() {
            let mut failure = from_status(path, answer.status, &answer.body);
            // Both say in the document what is wrong.
            if let Some(said) = words(&answer.body) {
                failure.message = said;
            }
            return Err(failure);
        }
        Ok(match self.kind {
            AlertSourceKind::Alertmanager => {
                let listed: Vec<GettableAlert> = serde_json::from_slice(&answer.body)
                    .map_err(|error| malformed(path, error.to_string()))?;
                listed.into_iter().filter_map(GettableAlert::notified).collect()
            }
            AlertSourceKind::Prometheus => json::<PrometheusAlerts>(path, &answer.body)?.notified(),
        })
    }
}
