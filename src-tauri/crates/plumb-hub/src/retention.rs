//! What goes with age: when somebody on the hub's machine says so, or by itself where `retention_policy.yml` does.

use std::time::Duration;

use jiff::Timestamp;
use plumb_alert::RetentionPolicy;
use tokio::time::{MissedTickBehavior, interval};

use crate::{
    error::HubError,
    folder::chain,
    hub::Hub,
    state::{Change, State, StateError, topic},
};

/// Whose doing it is in the audit log.
const BY_ITSELF: &str = "retention_policy.yml";

/// Entries of one log that are older than they are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expired {
    pub log: &'static str,
    pub entries: u64,
}

/// How much of each log is older; removes nothing.
pub(crate) async fn preview(state: &State, before: Timestamp) -> Result<Vec<Expired>, StateError> {
    let mut expired = Vec::new();
    for log in topic::ALL {
        expired.push(Expired { log, entries: state.expire(log, before, false).await? });
    }
    Ok(expired)
}

/// Removes what is older, and says so in the audit log: its own entries go no other way.
pub(crate) async fn remove(
    state: &State,
    before: Timestamp,
    by: &str,
    now: Timestamp,
) -> Result<Vec<Expired>, StateError> {
    let (mut expired, mut went) = (Vec::new(), Vec::new());
    for log in topic::ALL {
        let entries = state.expire(log, before, true).await?;
        if entries > 0 {
            went.push(format!("{entries} of {log}"));
        }
        expired.push(Expired { log, entries });
    }
    if !went.is_empty() {
        let detail = format!("removed from before {before}: {}", went.join(", "));
        state.commit(&Change::default().done(by, "retention", &detail), now).await?;
    }
    Ok(expired)
}

/// Removes what the policy keeps no longer, at the start and then now and again. Hubs that share what they keep all do
/// it; what is gone is gone.
pub(crate) async fn by_itself(hub: Hub, policy: RetentionPolicy, every: Duration) {
    if !policy.automatic {
        return;
    }
    let mut every = interval(every);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = every.tick() => {}
            () = hub.stop.cancelled() => return,
        }
        if let Err(error) = once(&hub, policy).await {
            tracing::warn!(error = %chain(&error), "what is older than it is kept was not removed");
        }
    }
}

async fn once(hub: &Hub, policy: RetentionPolicy) -> Result<(), HubError> {
    let now = hub.time().await?;
    if let Some(before) = policy.automatic_logs(now) {
        remove(&hub.state, before, BY_ITSELF, now).await?;
    }
    let Some(retention) = policy.automatic_alerts() else { return Ok(()) };
    let refused = |error: plumb_inbox::InboxError| HubError::Refused(error.to_string());
    let before = hub.inbox.retention_preview(retention).await.map_err(refused)?.before;
    let alerts = hub.inbox.retain(before).await.map_err(refused)?;
    if alerts > 0 {
        let detail = format!("removed {alerts} alerts that were acknowledged before {before}");
        hub.state.commit(&Change::default().done(BY_ITSELF, "retention", &detail), now).await?;
    }
    Ok(())
}
