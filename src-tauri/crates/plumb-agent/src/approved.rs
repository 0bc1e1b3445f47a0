//! Plans whose approvals this agent verified by itself, and which of their effects were done here.
//!
//! A plan is judged when it is handed in, by the roster that this node holds. From then on each of its
//! effects for this node may be asked for once, and content comes into force only where such a plan names it.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use axum::http::Method;
use jiff::Timestamp;
use plumb_fleet::{ContentDigest, NodeId, PlanHash};
use plumb_runbook::{
    ApprovalError, Approvals, Confirmation, Effect, Evidence, NodePlan, Plan, Rung, approve,
    approve_at_night, approve_signed, rung,
};
use plumb_trust::roster::Roster;
use plumb_wire::v1::{
    ConfigChange, ConfigValue, PinRequest, PlanSubmission, RollbackRequest, SyncRequest, path,
};
use serde::{Deserialize, Serialize};

use crate::{
    config::Governance,
    durable::write_durably,
    limits::{APPROVED_BYTES_MAX, APPROVED_MAX},
};

const APPROVED_FILE: &str = "agent-approved.json";
const FORMAT: u32 = 1;

/// Plans that were approved, newest last.
#[derive(Debug)]
pub(crate) struct Approved {
    folder: PathBuf,
    plans: Mutex<Vec<Entry>>,
}

/// What one plan may do here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    plan: PlanHash,
    accepted_at: Timestamp,
    parts: Vec<Part>,
    /// What the node ran before, and what it is to run.
    contents: BTreeSet<ContentDigest>,
}

/// One effect, on the way or on the way back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
    effect: Effect,
    done: bool,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    format: u32,
    plans: Vec<Entry>,
}

/// Why a plan was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotApproved {
    #[error("the plan does not read: {problem}")]
    Unreadable { problem: String },
    #[error("the plan is one of fleet {found}, and this node is one of {fleet}")]
    OtherFleet { found: String, fleet: String },
    #[error("the plan does nothing to {node}")]
    NotHere { node: NodeId },
    #[error("the roster expired at {at}; push the newest one")]
    RosterExpired { at: Timestamp },
    #[error(transparent)]
    Gate(#[from] ApprovalError),
    #[error("that it was approved could not be kept")]
    NotWritten(#[source] io::Error),
}

/// Why a change is not made.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NotAsked {
    /// No approval of this plan was verified here.
    Unknown,
    /// The plan asks nothing of this kind of this node.
    Otherwise,
    /// Every effect of this kind was done.
    Done,
}

impl Approved {
    /// Reads what is kept. A file that cannot be read is no reason to forget what was done.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        let path = folder.join(APPROVED_FILE);
        let plans = match fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
            Ok(it) if it.len() > APPROVED_BYTES_MAX => {
                return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is too large"));
            }
            Ok(_) => {
                let kept: Kept = serde_json::from_slice(&fs::read(&path)?)?;
                if kept.format != FORMAT {
                    let text = format!("its format is {}, not {FORMAT}", kept.format);
                    return Err(io::Error::new(io::ErrorKind::InvalidData, text));
                }
                kept.plans
            }
        };
        Ok(Self { folder: folder.to_path_buf(), plans: Mutex::new(plans) })
    }

    /// Judges a plan with its approvals, and keeps what it may do here. Blocks.
    pub(crate) fn take(
        &self,
        submission: &PlanSubmission,
        governance: &Governance,
        roster: &Roster,
        now: Timestamp,
    ) -> Result<PlanHash, NotApproved> {
        let plan = read(&submission.plan)?;
        let hash = plan.hash();
        let here = checked(&plan, governance)?;
        let mut plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        if plans.iter().any(|entry| entry.plan == hash) {
            return Ok(hash);
        }
        let entry = Entry::of(hash, here, now);
        judge(plan, submission, roster, now)?;
        let mut next = plans.clone();
        if next.len() >= APPROVED_MAX {
            next.remove(0);
        }
        next.push(entry);
        self.write(&next).map_err(NotApproved::NotWritten)?;
        *plans = next;
        Ok(hash)
    }

    /// Whether a plan asks for this request, and the place of the effect that it is.
    pub(crate) fn asks(&self, plan: PlanHash, asked: &Asked<'_>) -> Result<(), NotAsked> {
        let plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = plans.iter().find(|entry| entry.plan == plan).ok_or(NotAsked::Unknown)?;
        entry.next(asked).map(drop)
    }

    /// Marks the effect as done, durably, before it is. Blocks.
    pub(crate) fn done(&self, plan: PlanHash, asked: &Asked<'_>) -> io::Result<bool> {
        let mut plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = plans.clone();
        let Some(entry) = next.iter_mut().find(|entry| entry.plan == plan) else {
            return Ok(false);
        };
        let Ok(index) = entry.next(asked) else { return Ok(false) };
        entry.parts[index].done = true;
        self.write(&next)?;
        *plans = next;
        Ok(true)
    }

    /// Whether an approved plan names this content for this node.
    pub(crate) fn names(&self, content: ContentDigest) -> bool {
        let plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        plans.iter().any(|entry| entry.contents.contains(&content))
    }

    fn write(&self, plans: &[Entry]) -> io::Result<()> {
        let kept = Kept { format: FORMAT, plans: plans.to_vec() };
        let bytes = serde_json::to_vec(&kept).expect("plans always serialise");
        write_durably(&self.folder, APPROVED_FILE, &bytes)
    }
}

impl Entry {
    fn of(plan: PlanHash, here: &NodePlan, accepted_at: Timestamp) -> Self {
        let effects = here.effects.iter().chain(&here.back);
        let contents = [here.before.content, here.after.content];
        Self {
            plan,
            accepted_at,
            parts: effects.map(|effect| Part { effect: effect.clone(), done: false }).collect(),
            contents: contents.into_iter().flatten().collect(),
        }
    }

    fn next(&self, asked: &Asked<'_>) -> Result<usize, NotAsked> {
        let mut matching = false;
        for (index, part) in self.parts.iter().enumerate() {
            if asked.is(&part.effect) {
                if !part.done {
                    return Ok(index);
                }
                matching = true;
            }
        }
        Err(if matching { NotAsked::Done } else { NotAsked::Otherwise })
    }
}

/// A plan as its bytes say it; other bytes of the same meaning would have another hash.
fn read(text: &str) -> Result<Plan, NotApproved> {
    let unreadable = |problem: String| NotApproved::Unreadable { problem };
    let plan: Plan = serde_json::from_str(text).map_err(|error| unreadable(error.to_string()))?;
    if plan.canonical_bytes() != text.as_bytes() {
        return Err(unreadable("it is not canonical JSON (RFC 8785)".to_owned()));
    }
    Ok(plan)
}

fn checked<'p>(plan: &'p Plan, governance: &Governance) -> Result<&'p NodePlan, NotApproved> {
    let Governance { fleet, node, .. } = governance;
    if plan.fleet != *fleet {
        let (found, fleet) = (plan.fleet.to_string(), fleet.to_string());
        return Err(NotApproved::OtherFleet { found, fleet });
    }
    let here = plan.targets().find(|target| target.node == *node);
    here.ok_or_else(|| NotApproved::NotHere { node: node.clone() })
}

/// Passes a plan through the same gate as a console does. Findings are the console's: which warnings each
/// approval acknowledges is not judged here.
fn judge(
    plan: Plan,
    submission: &PlanSubmission,
    roster: &Roster,
    now: Timestamp,
) -> Result<(), NotApproved> {
    if roster.is_expired(now) {
        return Err(NotApproved::RosterExpired { at: roster.document().expires_at });
    }
    let unreadable = |error: serde_json::Error| NotApproved::Unreadable {
        problem: format!("what its approvals are bound to: {error}"),
    };
    let evidence: Evidence =
        serde_json::from_value(submission.evidence.clone()).map_err(unreadable)?;
    let typed = match rung(&plan) {
        Rung::Typed { phrase } => Some(phrase),
        Rung::Undo | Rung::Dialog => None,
    };
    let seen = plan.hash();
    let confirmation = Confirmation { seen, typed, operator: submission.operator.clone() };
    let rule = roster.environment_of(&plan.fleet).map(|(_, environment)| &environment.rule);
    if plan.consent.is_none() && rule.is_some_and(|rule| rule.quorums.is_empty()) {
        approve(plan, &[], &confirmation)?;
        return Ok(());
    }
    let envelopes: Vec<Vec<u8>> =
        submission.envelopes.iter().map(|envelope| envelope.as_bytes().to_vec()).collect();
    // A plan runs once here, so what was signed for it is spent by that.
    let spent = BTreeSet::new();
    let approvals =
        Approvals { roster, envelopes: &envelopes, evidence: &evidence, spent: &spent, now };
    match &submission.night_reason {
        Some(reason) => approve_at_night(plan, &[], &confirmation, &approvals, reason)?,
        None => approve_signed(plan, &[], &confirmation, &approvals)?,
    };
    Ok(())
}

/// A request that would change something.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'r> {
    pub(crate) method: &'r Method,
    pub(crate) path: &'r str,
    pub(crate) body: &'r [u8],
}

impl Asked<'_> {
    /// Whether it is what carries an effect out, and nothing more.
    fn is(&self, effect: &Effect) -> bool {
        match effect {
            Effect::Pin { version, content } => {
                let asked = self.posts::<PinRequest>(path::PIN);
                asked.is_some_and(|asked| {
                    asked.version == version.as_str()
                        && asked.content == Some(content.to_string())
                        && asked.digest.is_none()
                })
            }
            Effect::Unpin { .. } => *self.method == Method::DELETE && self.path == path::PIN,
            Effect::Sync { force } => {
                let asked = self.posts::<SyncRequest>(path::SYNC);
                asked.is_some_and(|asked| asked.force == *force)
            }
            Effect::Rollback { to } => {
                let to = to.as_ref().map(|version| version.as_str().to_owned());
                self.posts::<RollbackRequest>(path::ROLLBACK).is_some_and(|asked| asked.to == to)
            }
            Effect::Restart => *self.method == Method::POST && self.path == path::RESTART,
            Effect::SetConfig { key, value, .. } => {
                let puts = *self.method == Method::PUT && self.path == path::CONFIG;
                let asked = || serde_json::from_slice::<ConfigChange>(self.body).ok();
                puts && asked().is_some_and(|asked| asked.key == *key && says(&asked.value, value))
            }
            // What an agent is never asked by a plan.
            Effect::Verify { .. } | Effect::Reload { .. } | Effect::Serve { .. } => false,
        }
    }

    fn posts<T: serde::de::DeserializeOwned>(&self, path: &str) -> Option<T> {
        if *self.method != Method::POST || self.path != path {
            return None;
        }
        let body = self.body.trim_ascii();
        serde_json::from_slice(if body.is_empty() { b"{}" } else { body }).ok()
    }
}

fn says(value: &ConfigValue, text: &str) -> bool {
    match value {
        ConfigValue::Flag(flag) => flag.to_string() == text,
        ConfigValue::Number(number) => number.to_string() == text,
        ConfigValue::Text(own) => own == text,
    }
}
