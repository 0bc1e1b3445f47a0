//! `retention_policy.yml`: how long settled alerts and logs are kept. Without it, for ever (R149).

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    alert::{Alert, State},
    policy::{PolicyError, read},
};

const FILE: &str = "retention_policy.yml";

/// Only acknowledged alerts go: what nobody has dealt with stays, and so do incidents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    pub acked_days: u32,
}

impl Retention {
    /// What is proposed where nobody decided (R149).
    pub const PROPOSED: Self = Self { acked_days: 30 };
    /// Ten years.
    pub const DAYS_MAX: u32 = 3_650;

    /// Alerts acknowledged before this go.
    pub fn before(self, now: Timestamp) -> Timestamp {
        days_ago(self.acked_days, now)
    }

    /// Whether an alert would go now.
    pub fn expires(self, alert: &Alert, now: Timestamp) -> bool {
        matches!(&alert.life.state, State::Acked { at, .. } if *at < self.before(now))
    }
}

/// The whole file. Everything may be left out; what is left out is kept for ever.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetentionPolicy {
    /// Days that acknowledged alerts are kept.
    pub acked_days: Option<u32>,
    /// Days that a hub keeps its audit log, deployments, history of desired versions and decisions.
    pub log_days: Option<u32>,
    /// What is older goes by itself, and not only when somebody says so.
    pub automatic: bool,
}

impl RetentionPolicy {
    pub fn from_yaml(text: &str) -> Result<Self, PolicyError> {
        let policy: Self = read(FILE, text)?;
        let wrong = |problem: String| Err(PolicyError::Meaning { file: FILE, problem });
        for (name, days) in [("acked_days", policy.acked_days), ("log_days", policy.log_days)] {
            match days {
                Some(days) if days > Retention::DAYS_MAX => {
                    return wrong(format!(
                        "{name}: {days} days are more than {}; leave it out to keep everything",
                        Retention::DAYS_MAX
                    ));
                }
                Some(0) if policy.automatic => {
                    return wrong(format!("{name}: 0 days would remove everything by itself"));
                }
                _ => {}
            }
        }
        if policy.automatic && policy.acked_days.is_none() && policy.log_days.is_none() {
            return wrong("automatic removes nothing without acked_days or log_days".to_owned());
        }
        Ok(policy)
    }

    /// What goes by itself of the alerts.
    pub fn automatic_alerts(self) -> Option<Retention> {
        self.acked_days.filter(|_| self.automatic).map(|acked_days| Retention { acked_days })
    }

    /// Entries of logs from before this go by themselves.
    pub fn automatic_logs(self, now: Timestamp) -> Option<Timestamp> {
        self.log_days.filter(|_| self.automatic).map(|days| days_ago(days, now))
    }
}

fn days_ago(days: u32, now: Timestamp) -> Timestamp {
    let kept = SignedDuration::from_hours(24 * i64::from(days));
    now.saturating_sub(kept).unwrap_or(Timestamp::MIN)
}
