//! What people and programs do with alerts: each question is one transaction of the store, decided by `plumb-alert`.

mod changes;
mod incidents;
mod reports;
mod sources;

use std::sync::{
    Arc,
    atomic::{AtomicU16, Ordering},
};

use jiff::{SignedDuration, Timestamp};
use plumb_alert::{
    Acknowledgement, Alert, AlertRef, Decided, Failure, Lease, Refusal, Retention, RoutingPolicy,
};
use serde::Serialize;
use tokio_util::task::TaskTracker;

pub use changes::{Changes, Since};
pub use incidents::Gate;
use reports::Reports;

use crate::{
    error::{InboxError, StoreFailure},
    store::{AlertQuery, AlertStore, Dashboard, Durability, Expiring, Rows},
};

/// Alerts in one answer.
pub const LIST_MAX: u32 = 1_000;
/// Alerts of one claim.
pub const CLAIM_MAX: u32 = 1_000;
/// Claims and pauses that are ended before one claim: more wait for the next.
const REQUEUE_MAX: u32 = 1_000;
/// Alerts that one transaction of retention removes, so that others get their turn.
const EXPIRE_STEP: u32 = 5_000;
/// Longest window anybody looks back, in minutes: ten years.
const WINDOW_MINUTES_MAX: u32 = 10 * 366 * 24 * 60;

/// Alerts and incidents of one store, under one routing policy.
#[derive(Debug, Clone)]
pub struct Inbox {
    store: Arc<dyn AlertStore>,
    policy: Arc<RoutingPolicy>,
    reports: Reports,
    tasks: TaskTracker,
}

/// Takes alerts that nobody holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimRequest {
    pub owner: String,
    /// Only alerts that were seen so recently; all where it is not said.
    pub window_minutes: Option<u32>,
    pub limit: u32,
    /// By the policy where it is not said.
    pub lock_ttl_seconds: Option<i64>,
}

/// What a claim took.
#[derive(Debug, Clone, PartialEq)]
pub struct Claimed {
    pub alerts: Vec<Decided<Alert>>,
    /// Claims and pauses of others that were over, and are new again.
    pub requeued: Vec<Decided<Alert>>,
}

/// What retention would remove.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RetentionPreview {
    /// Alerts acknowledged before this go.
    pub before: Timestamp,
    #[serde(flatten)]
    pub expiring: Expiring,
}

impl Inbox {
    /// Over a store. Must be called inside of a runtime: reports that come together are kept together by a task, which
    /// ends when [`Self::close`] is called or nobody holds the inbox any more.
    pub fn new(store: Arc<dyn AlertStore>, policy: RoutingPolicy) -> Self {
        let (policy, tasks) = (Arc::new(policy), TaskTracker::new());
        let reports = Reports::start(store.clone(), policy.clone(), &tasks);
        Self { store, policy, reports, tasks }
    }

    pub fn durability(&self) -> Durability {
        self.store.durability()
    }

    pub fn policy(&self) -> &RoutingPolicy {
        &self.policy
    }

    pub fn store(&self) -> &Arc<dyn AlertStore> {
        &self.store
    }

    /// Keeps what was handed in, takes nothing more, and closes the store.
    pub async fn close(&self) -> Result<(), StoreFailure> {
        self.reports.end();
        self.tasks.close();
        self.tasks.wait().await;
        self.store.close().await
    }

    /// The time that decides here.
    pub async fn now(&self) -> Result<Timestamp, StoreFailure> {
        self.store.read().await?.now().await
    }

    /// Alerts seen last first. A query without a window is given one by [`Self::window`].
    pub async fn list(&self, query: &AlertQuery) -> Result<Vec<Alert>, InboxError> {
        in_range("limit", query.limit.into(), 1, LIST_MAX.into())?;
        Ok(self.store.read().await?.alerts(query).await?)
    }

    /// Since when something must have been seen, to be within so many minutes; everything without them.
    pub async fn window(&self, minutes: Option<u32>) -> Result<Timestamp, InboxError> {
        match minutes {
            None => Ok(Timestamp::UNIX_EPOCH),
            Some(minutes) => since(self.now().await?, Some(minutes)),
        }
    }

    pub async fn alert(&self, alert: &AlertRef) -> Result<Alert, InboxError> {
        known(self.store.read().await?.alert(alert).await?, alert)
    }

    /// Ends claims and pauses that are over, and takes new alerts, the worst and then the oldest first. No two claims
    /// take the same alert.
    pub async fn claim(&self, request: &ClaimRequest) -> Result<Claimed, InboxError> {
        in_range("limit", request.limit.into(), 1, CLAIM_MAX.into())?;
        let by_policy = i64::from(self.policy.defaults.lock_ttl_seconds);
        let ttl_s = request.lock_ttl_seconds.unwrap_or(by_policy);
        let lease = Lease::new(&request.owner, ttl_s)?;
        let mut rows = self.store.write().await?;
        let now = rows.now().await?;
        let since = since(now, request.window_minutes)?;
        let requeued = requeue(&mut *rows, now).await?;
        let new = rows.unclaimed(since, request.limit).await?;
        let claimed: Result<Vec<_>, _> = new.iter().map(|alert| alert.claim(&lease, now)).collect();
        let claimed = claimed?;
        rows.put_alerts(&values(&claimed)).await?;
        rows.commit().await?;
        Ok(Claimed { alerts: claimed, requeued })
    }

    /// Takes this one alert, by the time of the policy where none is given.
    pub async fn claim_one(
        &self,
        alert: &AlertRef,
        owner: &str,
        lock_ttl_seconds: Option<i64>,
    ) -> Result<Decided<Alert>, InboxError> {
        let by_policy = i64::from(self.policy.defaults.lock_ttl_seconds);
        let lease = Lease::new(owner, lock_ttl_seconds.unwrap_or(by_policy))?;
        self.settle(alert, |alert, now| alert.claim(&lease, now)).await
    }

    /// Ends claims and pauses that are over, as a claim does first.
    pub async fn requeue(&self) -> Result<Vec<Decided<Alert>>, InboxError> {
        let mut rows = self.store.write().await?;
        let now = rows.now().await?;
        let requeued = requeue(&mut *rows, now).await?;
        rows.commit().await?;
        Ok(requeued)
    }

    /// Closes an alert.
    pub async fn ack(
        &self,
        alert: &AlertRef,
        ack: &Acknowledgement,
    ) -> Result<Decided<Alert>, InboxError> {
        self.settle(alert, |alert, now| alert.ack(ack, now)).await
    }

    /// Marks a claimed alert as failed; it is new again after the pause.
    pub async fn fail(
        &self,
        alert: &AlertRef,
        failure: &Failure,
    ) -> Result<Decided<Alert>, InboxError> {
        self.settle(alert, |alert, now| alert.fail(failure, now)).await
    }

    /// Decides about one alert and keeps what comes of it.
    async fn settle(
        &self,
        alert: &AlertRef,
        decide: impl FnOnce(&Alert, Timestamp) -> Result<Decided<Alert>, Refusal>,
    ) -> Result<Decided<Alert>, InboxError> {
        let mut rows = self.store.write().await?;
        let found = known(rows.alert(alert).await?, alert)?;
        // Asked when the row is ours, so that no waiting lies between the time and what is decided with it.
        let now = rows.now().await?;
        let decided = match decide(&found, now) {
            Ok(decided) => decided,
            Err(refusal) => {
                // Nothing was changed. Whoever hears of it finds the row free again: a claim passes over
                // rows that somebody still holds.
                rows.commit().await?;
                return Err(refusal.into());
            }
        };
        rows.put_alerts(std::slice::from_ref(&decided.value)).await?;
        rows.commit().await?;
        Ok(decided)
    }

    /// Counts over so many minutes, or over everything.
    pub async fn dashboard(&self, window_minutes: Option<u32>) -> Result<Dashboard, InboxError> {
        let mut rows = self.store.read().await?;
        let now = rows.now().await?;
        Ok(rows.dashboard(since(now, window_minutes)?, now).await?)
    }

    /// What [`Self::retain`] would remove; removes nothing.
    pub async fn retention_preview(
        &self,
        retention: Retention,
    ) -> Result<RetentionPreview, InboxError> {
        let mut rows = self.store.read().await?;
        let before = retention.before(rows.now().await?);
        let expiring = rows.expiring(before).await?;
        Ok(RetentionPreview { before, expiring })
    }

    /// Removes acknowledged alerts by the policy, and says how many. What was previewed is removed with the moment of
    /// the preview, whatever the clock says by now.
    pub async fn retain(&self, before: Timestamp) -> Result<u64, InboxError> {
        let mut removed = 0;
        loop {
            let mut rows = self.store.write().await?;
            let step = rows.expire(before, EXPIRE_STEP).await?;
            rows.commit().await?;
            removed += step;
            if step < EXPIRE_STEP.into() {
                return Ok(removed);
            }
        }
    }
}

async fn requeue(rows: &mut dyn Rows, now: Timestamp) -> Result<Vec<Decided<Alert>>, StoreFailure> {
    let due = rows.due(now, REQUEUE_MAX).await?;
    let requeued: Vec<_> = due.iter().filter_map(|alert| alert.requeue(now)).collect();
    rows.put_alerts(&values(&requeued)).await?;
    Ok(requeued)
}

fn values(decided: &[Decided<Alert>]) -> Vec<Alert> {
    decided.iter().map(|decided| decided.value.clone()).collect()
}

fn known(found: Option<Alert>, alert: &AlertRef) -> Result<Alert, InboxError> {
    found.ok_or_else(|| Refusal::NoAlert { alert: alert.clone() }.into())
}

fn since(now: Timestamp, minutes: Option<u32>) -> Result<Timestamp, InboxError> {
    let Some(minutes) = minutes else { return Ok(Timestamp::UNIX_EPOCH) };
    in_range("window_minutes", minutes.into(), 1, WINDOW_MINUTES_MAX.into())?;
    let window = SignedDuration::from_mins(minutes.into());
    Ok(now.saturating_sub(window).unwrap_or(Timestamp::UNIX_EPOCH))
}

/// What makes a reference unique. Those of one millisecond sort in the order in which this program made them, as long
/// as they are fewer than 4,096.
fn unique() -> [u8; 10] {
    static MADE: AtomicU16 = AtomicU16::new(0);
    let [high, low] = MADE.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    let mut unique: [u8; 10] = rand::random();
    // The first twelve bits; the four above them say what kind of identifier it is.
    (unique[0], unique[1]) = (high & 0x0f, low);
    unique
}

fn in_range(field: &'static str, value: i64, min: i64, max: i64) -> Result<(), Refusal> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    Err(Refusal::OutOfRange { field, value, min, max })
}
