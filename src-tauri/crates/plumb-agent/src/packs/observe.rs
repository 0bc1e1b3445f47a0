//! What a fetcher tells, in metrics, history, health and alerts.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use plumb_fleet::Digest;
use plumb_wire::v1::{Fallback, ReloadRecord, Trigger};
use serde::Serialize;

use crate::{
    alerts::AlertRule,
    core::Core,
    fetch::{
        Attempt, Cause, Ended, EventSink, FetchEvent, FetchTrigger, Severity, Stage,
        VerificationReport,
    },
    keeper::Job,
    logs::printable,
    metrics::FetchOutcome,
};

/// The failure that was told last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Told {
    cause: Option<Cause>,
    digest: Option<Digest>,
}

/// What `/healthz` says of the registry.
#[derive(Debug, Serialize)]
pub(crate) struct PackHealth {
    id: String,
    /// SHA-256 of the pack in force.
    digest: Option<Digest>,
    etag: Option<String>,
    /// What vouches for it.
    carried_by: Option<String>,
    /// When the registry last offered exactly it.
    confirmed_at: Option<Timestamp>,
    /// The newest look, with the cause where it failed.
    last_look: Option<Attempt>,
    consecutive_failures: u32,
    /// Whether something newer was refused; `/healthz` says it of the whole policy.
    #[serde(skip)]
    pub(crate) fallback: bool,
}

impl Core {
    pub(crate) fn pack_health(&self) -> Option<PackHealth> {
        let status = self.packs.get()?.status();
        let active = status.active;
        Some(PackHealth {
            id: status.pack,
            digest: active.as_ref().map(|active| active.digest),
            etag: active.as_ref().and_then(|active| active.etag.clone()),
            carried_by: active.and_then(|active| active.verification.carried_by),
            confirmed_at: status.confirmed_at,
            last_look: status.last,
            consecutive_failures: status.consecutive_failures,
            fallback: status.fallback,
        })
    }

    fn verified(&self, report: &VerificationReport) {
        let now = self.now();
        for check in &report.checks {
            match check.passed {
                Some(passed) => self.pack.verified(&check.name, passed, now),
                None => self.pack.not_made(&check.name),
            }
        }
        self.pack.carried(report.carried_by.clone());
        if !report.is_trusted() {
            self.pack.refused();
        }
    }

    fn reloaded_pack(&self, took: Duration, taken: bool, trigger: FetchTrigger) {
        self.pack.reloaded(took);
        if !taken {
            return;
        }
        self.book().told = None;
        let Some(now) = self.in_force.load_full() else { return };
        let Some(pack) = now.pack() else { return };
        self.trial.end();
        let comes_back =
            matches!(trigger, FetchTrigger::Start | FetchTrigger::Restart | FetchTrigger::Rollback);
        if !comes_back {
            self.trial.begin(pack.digest, self.now(), self.traffic.decision_errors());
        }
        self.write_history(ReloadRecord {
            timestamp: self.now(),
            version: Some(now.version().to_owned()),
            success: true,
            duration_ms: milliseconds(took),
            policies_loaded: u32::try_from(now.bundle.refs.len()).unwrap_or(u32::MAX),
            error: None,
            trigger: trigger_of(trigger),
            path: Some(pack.url.clone()),
            digest: Some(now.bundle.digest.to_string()),
            content: Some(now.bundle.content.to_string()),
        });
    }

    fn looked(&self, took: Duration, attempt: &Attempt, digest: Option<Digest>) {
        let stage = attempt.cause.map(Cause::stage);
        let is_look = !matches!(
            attempt.trigger,
            FetchTrigger::Start | FetchTrigger::Rollback | FetchTrigger::Restart
        );
        if is_look {
            self.pack.fetched(took, outcome(attempt.result, stage, digest));
        }
        if let Some(cause) = attempt.cause {
            self.failed(cause, took, attempt, digest);
            return;
        }
        let confirmed = attempt.result != Ended::HeldBack || self.runs_the_pin();
        if confirmed {
            self.confirm(self.now());
        }
        self.book().told = None;
        self.alerts.look();
    }

    fn failed(&self, cause: Cause, took: Duration, attempt: &Attempt, digest: Option<Digest>) {
        self.pack.failed(cause);
        if cause == Cause::TakenBack && attempt.trigger == FetchTrigger::Rollback {
            // What was taken back is the last one that anybody should return to.
            self.book().durable.last_known_good = None;
        }
        let asked = matches!(
            attempt.trigger,
            FetchTrigger::Request | FetchTrigger::Sync | FetchTrigger::Rollback
        );
        let told = Told { cause: Some(cause), digest };
        // A registry that is down for an hour is one line and not sixty.
        let known = self.book().told.replace(told) == Some(told);
        let detail = attempt.text.clone().unwrap_or_default();
        let text = printable(&format!("{}: {detail}", cause.as_str()));
        if cause.severity() == Severity::Security {
            self.alerts.happened(AlertRule::PackRefused, text.clone(), attempt.at);
        }
        let is_reload = cause.stage() != Stage::Fetch;
        if is_reload && attempt.trigger != FetchTrigger::Start {
            self.alerts.happened(AlertRule::ReloadFailed, text.clone(), attempt.at);
        }
        if asked || !known {
            let error = match cause {
                Cause::Unsigned | Cause::BadSignature | Cause::WrongIdentity | Cause::Expired => {
                    format!("Bundle verification failed: {text}")
                }
                _ => text,
            };
            let trigger = match attempt.trigger {
                FetchTrigger::Start => Trigger::Start,
                FetchTrigger::Restart => Trigger::Restart,
                _ if !is_reload => Trigger::Fetch,
                other => trigger_of(other),
            };
            self.write_history(ReloadRecord {
                timestamp: attempt.at,
                version: None,
                success: false,
                duration_ms: milliseconds(took),
                policies_loaded: 0,
                error: Some(error),
                trigger,
                path: Some(self.packs_url()),
                digest: digest.map(Digest::to_hex),
                content: None,
            });
        }
        self.alerts.look();
    }

    fn pack_fallback(&self, active: bool) {
        if !active {
            return self.settled();
        }
        let reason = self.packs.get().and_then(|packs| packs.status().last);
        let reason = reason.and_then(|attempt| {
            Some(format!("{}: {}", attempt.cause?.as_str(), attempt.text.unwrap_or_default()))
        });
        let reason = reason.unwrap_or_else(|| {
            // At a start the door to the fetcher is not open yet.
            let cause = self.book().told.and_then(|told| told.cause).map_or("start", Cause::as_str);
            format!("{cause}: the active pack could not be used")
        });
        self.fall_back(Fallback { since: self.now(), reason: printable(&reason) });
    }

    fn write_history(&self, record: ReloadRecord) {
        let line = self.book().history.add(record);
        if self.state_dir.is_some() {
            self.keep(Job::Line(line));
        }
        self.alerts.look();
    }

    /// Where packs come from; empty where none do.
    pub(crate) fn packs_url(&self) -> String {
        let config = self.config.packs.as_ref();
        config.map(|packs| packs.config.url().to_string()).unwrap_or_default()
    }
}

/// Hands every event on to the agent, and to whoever else counts.
pub(crate) fn observer(core: &Arc<Core>, also: EventSink) -> EventSink {
    let core = Arc::clone(core);
    Arc::new(move |event| {
        match event {
            FetchEvent::Looked { took, attempt, digest } => core.looked(took, attempt, digest),
            FetchEvent::Verified(report) => core.verified(report),
            FetchEvent::Reloaded { took, taken, trigger } => {
                core.reloaded_pack(took, taken, trigger);
            }
            FetchEvent::Fallback(active) => core.pack_fallback(active),
        }
        also(event);
    })
}

fn outcome(result: Ended, stage: Option<Stage>, digest: Option<Digest>) -> FetchOutcome {
    match (result, stage) {
        (Ended::Activated | Ended::HeldBack, _) => FetchOutcome::Fresh,
        (Ended::Current, _) => FetchOutcome::Unchanged,
        // It came, and something else was wrong with it.
        (Ended::Failed, Some(Stage::Store | Stage::Activate)) if digest.is_some() => {
            FetchOutcome::Fresh
        }
        (Ended::Failed, _) => FetchOutcome::Failed,
    }
}

fn trigger_of(trigger: FetchTrigger) -> Trigger {
    match trigger {
        FetchTrigger::Start => Trigger::Start,
        FetchTrigger::Poll | FetchTrigger::LongPoll | FetchTrigger::Push => Trigger::Poll,
        FetchTrigger::Request => Trigger::Request,
        FetchTrigger::Sync => Trigger::Sync,
        FetchTrigger::Rollback => Trigger::Rollback,
        FetchTrigger::Restart => Trigger::Restart,
    }
}

fn milliseconds(took: Duration) -> f64 {
    (took.as_secs_f64() * 1e5).round() / 100.0
}
