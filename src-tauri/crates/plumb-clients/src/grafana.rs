//! Dashboards of a Grafana that are put there for a while: put, found again by a tag, removed.

use std::{fmt, time::Duration};

use plumb_fleet::{Node, NodeFailure};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    error::{from_status, malformed},
    http::{Call, HttpPool, Lane, Now, SendError, Session},
    limits::DOCUMENT_BYTES_MAX,
};

/// Most dashboards of one tag that are told.
const LISTED_MAX: usize = 500;

/// A Grafana, and how long an answer of it may take.
#[derive(Clone, Copy)]
pub struct Grafana<'a> {
    pub pool: &'a HttpPool,
    pub server: &'a Node,
    pub deadline: Duration,
    pub now: &'a Now,
}

impl fmt::Debug for Grafana<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grafana").field("server", &self.server.url.as_str()).finish_non_exhaustive()
    }
}

/// A dashboard as a search tells it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct FoundDashboard {
    pub uid: String,
    #[serde(default)]
    pub title: String,
    #[serde(default)]
    pub tags: Vec<String>,
}

impl Grafana<'_> {
    /// Puts a dashboard, over the one with its uid where there is one already.
    pub async fn put(&self, dashboard: &Value, message: &str) -> Result<(), NodeFailure> {
        let body = json!({ "dashboard": dashboard, "overwrite": true, "message": message });
        let body = serde_json::to_vec(&body).expect("a document serialises");
        let call = Call { path: "/api/dashboards/db", ..Call::posting(body) };
        self.send(&call).await.map(drop)
    }

    /// Removes a dashboard; one that is gone already is as good.
    pub async fn remove(&self, uid: &str) -> Result<(), NodeFailure> {
        let path = format!("/api/dashboards/uid/{uid}");
        let call = Call { method: Method::DELETE, ..Call::get(&path, DOCUMENT_BYTES_MAX) };
        let session = self.session().await?;
        let answer = session.send(&call).await.map_err(SendError::into_failure)?;
        if answer.status.is_success() || answer.status.as_u16() == 404 {
            return Ok(());
        }
        Err(from_status(&path, answer.status, &answer.body))
    }

    /// Dashboards with a tag, a plain word.
    pub async fn tagged(&self, tag: &str) -> Result<Vec<FoundDashboard>, NodeFailure> {
        let path = format!("/api/search?type=dash-db&tag={tag}&limit={LISTED_MAX}");
        let body = self.send(&Call::get(&path, DOCUMENT_BYTES_MAX)).await?;
        let found: Vec<FoundDashboard> =
            serde_json::from_slice(&body).map_err(|error| malformed("/api/search", error))?;
        Ok(found)
    }

    async fn session(&self) -> Result<Session<'_>, NodeFailure> {
        Session::open(self.pool, self.server, Lane::Warm, self.deadline, self.now).await
    }

    async fn send(&self, call: &Call<'_>) -> Result<Vec<u8>, NodeFailure> {
        let answer = self.session().await?.send(call).await.map_err(SendError::into_failure)?;
        if answer.status.is_success() {
            return Ok(answer.body);
        }
        Err(from_status(call.path, answer.status, &answer.body))
    }
}
