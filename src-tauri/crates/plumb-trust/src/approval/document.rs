//! The statement itself: what stands in the predicate, and what in the subjects.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
};

use jiff::Timestamp;
use plumb_fleet::{BundleDigest, Digest, FleetId, NodeId, PlanHash};
use serde::{Deserialize, Serialize};

use super::{ApprovalRefusal, Bound};
use crate::{
    dsse::{Predicate, Statement, Subject},
    random::Fill,
    roster::{GroupId, PersonId, RosterRef},
};

/// Name of the subject that is the plan; the others are bundles.
const PLAN: &str = "plan";
const BUNDLE: &str = "bundle/";
/// Most bytes of a typed reason or note.
pub const REASON_BYTES_MAX: usize = 2_000;

/// What the person who signs does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Act {
    /// Asks for consent; only the requester of the plan does.
    Request,
    Approve,
    Refuse {
        reason: String,
    },
    /// Looked at what a rollback without approvals did.
    Review {
        note: String,
    },
}

impl Act {
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Approve => "approve",
            Self::Refuse { .. } => "refuse",
            Self::Review { .. } => "review",
        }
    }
}

/// How many nodes a plan touches, and SHA-256 of their sorted names, one a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Targets {
    pub count: u32,
    pub digest: Digest,
}

/// A finding that whoever approves has seen.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acknowledged {
    pub code: String,
    pub node: Option<NodeId>,
}

impl fmt::Display for Acknowledged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.node {
            Some(node) => write!(f, "{} of {node}", self.code),
            None => f.write_str(&self.code),
        }
    }
}

/// When the change may begin: from the first to the last moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeWindow {
    pub not_before: Timestamp,
    pub not_after: Timestamp,
}

/// 128 random bits that make each approval one of a kind.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Nonce([u8; 16]);

impl Nonce {
    pub fn new(fill: Fill<'_>) -> Self {
        let mut bytes = [0; 16];
        fill(&mut bytes);
        Self(bytes)
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Nonce({self})")
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// The text is not 32 hex digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a nonce has 32 hex digits")]
pub struct NonceError;

impl FromStr for Nonce {
    type Err = NonceError;
    fn from_str(text: &str) -> Result<Self, NonceError> {
        let mut bytes = [0; 16];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| NonceError)?;
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for Nonce {
    type Error = NonceError;
    fn try_from(text: String) -> Result<Self, NonceError> {
        text.parse()
    }
}

impl From<Nonce> for String {
    fn from(nonce: Nonce) -> Self {
        nonce.to_string()
    }
}

/// Version 2 of what an approval says, which binds the decisions that change. A change of any field is another version of [`Self::TYPE`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovalDocument {
    pub act: Act,
    pub person: PersonId,
    /// The group the person speaks for.
    pub role: GroupId,
    pub requester: PersonId,
    pub fleet: FleetId,
    pub environment: String,
    pub roster: RosterRef,
    pub targets: Targets,
    pub dry_run: Option<Digest>,
    pub decisions: Option<Digest>,
    /// Sorted, each once.
    pub acknowledged: Vec<Acknowledged>,
    pub readiness: BTreeMap<String, Digest>,
    pub window: ChangeWindow,
    pub issued_at: Timestamp,
    pub expires_at: Timestamp,
    pub nonce: Nonce,
    /// Stands in the subjects of the statement.
    #[serde(skip)]
    pub(super) subjects: Vec<Subject>,
}

impl Predicate for ApprovalDocument {
    const TYPE: &'static str = "urn:plumbline:approval:v2";
}

impl ApprovalDocument {
    pub(super) fn with_subjects(mut self, subjects: Vec<Subject>) -> Self {
        self.subjects = subjects;
        self
    }

    /// The plan this is about.
    pub fn plan(&self) -> PlanHash {
        self.bound().plan
    }

    /// What this is about.
    pub fn bound(&self) -> Bound {
        let plan = self.subjects.first().map(|subject| subject.digest.sha256);
        Bound {
            plan: PlanHash(plan.expect("subjects are checked before the document leaves here")),
            bundles: self.subjects.iter().skip(1).map(|s| BundleDigest(s.digest.sha256)).collect(),
            fleet: self.fleet.clone(),
            environment: self.environment.clone(),
            roster: self.roster,
            requester: self.requester.clone(),
            targets: self.targets,
            dry_run: self.dry_run,
            decisions: self.decisions,
            readiness: self.readiness.clone(),
        }
    }

    pub(super) fn acknowledges(&self, finding: &Acknowledged) -> bool {
        self.acknowledged.binary_search(finding).is_ok()
    }
}

/// Sorted, each once, so that one set has one form.
pub(super) fn is_sorted(findings: &[Acknowledged]) -> bool {
    findings.windows(2).all(|pair| pair[0] < pair[1])
}

/// The plan first, then bundles in order, each once.
pub(super) fn check_subjects(subjects: &[Subject]) -> Result<(), ApprovalRefusal> {
    let (plan, bundles) = subjects.split_first().ok_or(ApprovalRefusal::Subjects)?;
    let named = plan.name == PLAN && bundles.iter().all(|one| *one == bundle(one.digest.sha256));
    let sorted = bundles.windows(2).all(|pair| pair[0].digest.sha256 < pair[1].digest.sha256);
    if named && sorted { Ok(()) } else { Err(ApprovalRefusal::Subjects) }
}

fn bundle(digest: Digest) -> Subject {
    Subject::new(format!("{BUNDLE}{}", digest.short()), digest)
}

/// Everything that is chosen before somebody signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalDraft {
    pub bound: Bound,
    pub act: Act,
    pub person: PersonId,
    pub role: GroupId,
    pub acknowledged: BTreeSet<Acknowledged>,
    pub window: ChangeWindow,
    pub issued_at: Timestamp,
    pub expires_at: Timestamp,
}

/// Why nothing can be signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DraftError {
    #[error("say why, in 1 to {REASON_BYTES_MAX} bytes")]
    Reason,
    #[error("the window ends before it begins")]
    Window,
    #[error("it expires before it is signed")]
    Expiry,
}

impl ApprovalDraft {
    /// The statement to sign. `fill` needs a cryptographic source.
    pub fn statement(self, fill: Fill<'_>) -> Result<Statement<ApprovalDocument>, DraftError> {
        if let Act::Refuse { reason: text } | Act::Review { note: text } = &self.act
            && (text.trim().is_empty() || text.len() > REASON_BYTES_MAX)
        {
            return Err(DraftError::Reason);
        }
        if self.window.not_after < self.window.not_before {
            return Err(DraftError::Window);
        }
        if self.expires_at <= self.issued_at {
            return Err(DraftError::Expiry);
        }
        let bound = self.bound;
        let bundles = bound.bundles.iter().map(|digest| bundle(digest.0));
        let subject: Vec<Subject> =
            std::iter::once(Subject::new(PLAN, bound.plan.0)).chain(bundles).collect();
        let predicate = ApprovalDocument {
            act: self.act,
            person: self.person,
            role: self.role,
            requester: bound.requester,
            fleet: bound.fleet,
            environment: bound.environment,
            roster: bound.roster,
            targets: bound.targets,
            dry_run: bound.dry_run,
            decisions: bound.decisions,
            acknowledged: self.acknowledged.into_iter().collect(),
            readiness: bound.readiness,
            window: self.window,
            issued_at: self.issued_at,
            expires_at: self.expires_at,
            nonce: Nonce::new(fill),
            subjects: subject.clone(),
        };
        Ok(Statement { subject, predicate })
    }
}
