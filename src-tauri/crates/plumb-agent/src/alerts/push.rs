//! Sending alerts: in order, again after a while when the receiver is away, never in anybody's way.

use std::{sync::Arc, time::Duration};

use plumb_wire::v1::LogLevel;
use rand::RngExt as _;
use reqwest::{Client, StatusCode, Url, header::RETRY_AFTER, redirect::Policy};
use secrecy::ExposeSecret as _;
use tokio::time::{Instant, sleep, sleep_until};

use super::{
    Alert, AlertConfig, AlertKind,
    wire::{Ingest, Ingested, Posted},
};
use crate::{
    chain::chain,
    core::Core,
    limits::{ALERT_ANSWER_BYTES_MAX, ALERT_REPEAT, ALERT_RETRY_MAX, ALERT_TIMEOUT},
};

/// Why alerts were not taken.
#[derive(Debug, thiserror::Error)]
enum PushError {
    #[error("the alert receiver cannot be reached")]
    Unreachable(#[source] reqwest::Error),
    #[error("the alert receiver answers {status}")]
    Busy { status: StatusCode, retry_after: Option<Duration> },
    #[error("the alert receiver refuses the alert with {status}: {text}")]
    Refused { status: StatusCode, text: String },
}

/// One receiver.
struct Receiver {
    client: Client,
    url: Url,
    config: AlertConfig,
    node: String,
    agent_url: String,
}

/// A client for a receiver. It follows no redirect: alerts and their token go where they were sent.
fn client() -> Result<Client, reqwest::Error> {
    Client::builder().timeout(ALERT_TIMEOUT).redirect(Policy::none()).build()
}

/// Sends what waits until the agent stops.
pub(crate) async fn push(core: Arc<Core>, config: AlertConfig, url: Url, agent_url: String) {
    let client = match client() {
        Ok(client) => client,
        Err(error) => {
            let text = format!("No alert can be sent: {}", chain(&error));
            return core.log(LogLevel::Error, &text);
        }
    };
    let node = config.node.clone().unwrap_or_else(|| {
        agent_url.split_once("://").map_or(agent_url.as_str(), |(_, address)| address).to_owned()
    });
    let receiver = Receiver { client, url, config, node, agent_url };
    let mut failures: u32 = 0;
    let mut repeat_at = Instant::now() + ALERT_REPEAT;
    loop {
        let repeat = receiver.config.kind == AlertKind::Alertmanager;
        tokio::select! {
            () = core.stop.cancelled() => break,
            () = core.alerts.waiting.notified() => {}
            () = sleep_until(repeat_at), if repeat => {}
        }
        let due = repeat && Instant::now() >= repeat_at;
        if due {
            repeat_at = Instant::now() + ALERT_REPEAT;
        }
        let alerts = core.alerts.take(due);
        let Err((rest, error)) = receiver.deliver(&core, alerts).await else {
            if std::mem::take(&mut failures) > 0 {
                core.log(LogLevel::Info, "Alerts are delivered again");
            }
            continue;
        };
        core.alerts.put_back(rest);
        if failures == 0 {
            core.log(LogLevel::Warn, &format!("Alerts wait: {}", chain(&error)));
        }
        let delay = receiver.delay(failures, &error);
        failures = failures.saturating_add(1);
        tokio::select! {
            () = core.stop.cancelled() => break,
            () = sleep(delay) => core.alerts.waiting.notify_one(),
        }
    }
    let (_, waiting) = core.alerts.counts();
    if waiting > 0 {
        core.log(LogLevel::Warn, &format!("{waiting} alerts were not delivered before the stop"));
    }
}

impl Receiver {
    /// Sends alerts in order; what is left when the receiver cannot take more comes back.
    async fn deliver(
        &self,
        core: &Core,
        mut alerts: Vec<Alert>,
    ) -> Result<(), (Vec<Alert>, PushError)> {
        if self.config.kind == AlertKind::Hub {
            alerts.retain(|alert| alert.ends_at.is_none());
        }
        while !alerts.is_empty() {
            // The hub takes one call an alert, the Alertmanager all at once.
            let count = if self.config.kind == AlertKind::Hub { 1 } else { alerts.len() };
            match self.send(&alerts[..count]).await {
                Ok(()) => core.alerts.count(|counts| counts.sent += count as u64),
                Err(error @ PushError::Refused { .. }) => {
                    // Sending the same again would be refused again.
                    core.log(LogLevel::Error, &chain(&error));
                    core.alerts.count(|counts| counts.refused += count as u64);
                }
                Err(error) => return Err((alerts, error)),
            }
            alerts.drain(..count);
        }
        Ok(())
    }

    async fn send(&self, alerts: &[Alert]) -> Result<(), PushError> {
        let request = self.client.post(self.url.clone());
        let request = match self.config.kind {
            AlertKind::Alertmanager => {
                let post = |alert| Posted::new(alert, &self.node, &self.agent_url);
                request.json(&alerts.iter().map(post).collect::<Vec<_>>())
            }
            AlertKind::Hub => request.json(&Ingest::new(&alerts[0], &self.node)),
        };
        let request = match &self.config.token {
            Some(token) => request.bearer_auth(token.expose_secret()),
            None => request,
        };
        let answer = request.send().await.map_err(PushError::Unreachable)?;
        let status = answer.status();
        let again = status.is_server_error()
            || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS);
        if again {
            return Err(PushError::Busy { status, retry_after: retry_after(&answer) });
        }
        let text = beginning(answer).await;
        let accepted = status.is_success()
            && (self.config.kind == AlertKind::Alertmanager
                || serde_json::from_str::<Ingested>(&text).is_ok_and(|answer| answer.accepted));
        if accepted { Ok(()) } else { Err(PushError::Refused { status, text }) }
    }

    /// Full jitter below a bound that doubles, or what the receiver asks for when that is longer.
    fn delay(&self, failures: u32, error: &PushError) -> Duration {
        let doubled = self.config.retry_base.saturating_mul(2_u32.saturating_pow(failures));
        let bound = doubled.min(ALERT_RETRY_MAX);
        let jittered = bound.mul_f64(rand::rng().random::<f64>());
        match error {
            PushError::Busy { retry_after: Some(asked), .. } => jittered.max(*asked),
            _ => jittered,
        }
    }
}

/// Seconds only; a date would need both clocks to agree.
fn retry_after(answer: &reqwest::Response) -> Option<Duration> {
    let text = answer.headers().get(RETRY_AFTER)?.to_str().ok()?;
    let seconds: u64 = text.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(ALERT_RETRY_MAX))
}

/// The first bytes of an answer, for the log.
async fn beginning(mut answer: reqwest::Response) -> String {
    let mut bytes = Vec::new();
    while bytes.len() < ALERT_ANSWER_BYTES_MAX {
        match answer.chunk().await {
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            Ok(None) | Err(_) => break,
        }
    }
    bytes.truncate(ALERT_ANSWER_BYTES_MAX);
    String::from_utf8_lossy(&bytes).into_owned()
}
