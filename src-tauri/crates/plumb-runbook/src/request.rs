//! A request for approval as a file: everything that an approver reads and signs, on any machine.

use jiff::Timestamp;
use plumb_fleet::{Digest, PlanHash};
use plumb_trust::approval::{Acknowledged, Bound, ChangeWindow};
use serde::{Deserialize, Serialize};

use crate::{
    consent::{ConsentTerms, Evidence, bound, warnings},
    dry_run::DryRun,
    finding::Finding,
    plan::Plan,
};

/// Longest request that is read: a plan for 10,000 nodes has about 8 MB.
pub const REQUEST_BYTES_MAX: usize = 32 << 20;
const FORMAT: u32 = 2;

/// Why a file is no request for approval.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    #[error("a request of {bytes} bytes, more than the {REQUEST_BYTES_MAX} allowed")]
    TooLarge { bytes: usize },
    #[error("not a request for approval")]
    Document(#[source] serde_json::Error),
    #[error("a request of format {found}, where {FORMAT} is read; use the newer program")]
    Format { found: u32 },
    #[error("its plan takes no approvals")]
    NoTerms,
    #[error("its dry run is not the one it names")]
    Report,
    #[error("its dry run is one of another plan")]
    OtherPlan,
    #[error("the changed decisions it names are not those of its dry run")]
    OtherDecisions,
}

/// What approvers are asked. Nothing in it is believed for its own sake: what is signed is computed from
/// the plan and the evidence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovalRequest {
    pub format: u32,
    pub plan: Plan,
    pub findings: Vec<Finding>,
    pub evidence: Evidence,
    /// The report of the dry run, whose SHA-256 stands in the evidence.
    pub report: Option<String>,
    /// When the change is to begin.
    pub window: ChangeWindow,
    pub requested_at: Timestamp,
    /// The envelope in which the requester signed all this.
    pub signed: String,
}

impl ApprovalRequest {
    /// A request without its signature, which is made over [`ApprovalRequest::bound`].
    pub fn unsigned(
        plan: Plan,
        findings: Vec<Finding>,
        evidence: Evidence,
        window: ChangeWindow,
        requested_at: Timestamp,
    ) -> Self {
        let (format, report, signed) = (FORMAT, None, String::new());
        Self { format, plan, findings, evidence, report, window, requested_at, signed }
    }

    /// The same with what a dry run found, which is bound by its digest.
    #[must_use]
    pub fn with_report(mut self, report: &DryRun) -> Self {
        let bytes = report.canonical_bytes();
        self.evidence.dry_run = Some(Digest::of(&bytes));
        self.evidence.decisions = report.decisions_digest();
        self.report = Some(String::from_utf8(bytes).expect("canonical JSON is UTF-8"));
        self
    }

    /// What the dry run found that it binds; nothing where there was none.
    pub fn dry_run(&self) -> Option<Result<DryRun, RequestError>> {
        let report = self.report.as_ref()?;
        let read = serde_json::from_str::<DryRun>(report).map_err(RequestError::Document);
        Some(read.and_then(|read| {
            if read.plan != self.hash() {
                return Err(RequestError::OtherPlan);
            }
            if read.decisions_digest() != self.evidence.decisions {
                return Err(RequestError::OtherDecisions);
            }
            Ok(read)
        }))
    }

    /// Reads a request under limits.
    pub fn read(bytes: &[u8]) -> Result<Self, RequestError> {
        if bytes.len() > REQUEST_BYTES_MAX {
            return Err(RequestError::TooLarge { bytes: bytes.len() });
        }
        let request: Self = serde_json::from_slice(bytes).map_err(RequestError::Document)?;
        if request.format != FORMAT {
            return Err(RequestError::Format { found: request.format });
        }
        if request.plan.consent.is_none() {
            return Err(RequestError::NoTerms);
        }
        let report = request.report.as_ref().map(|report| Digest::of(report.as_bytes()));
        if report != request.evidence.dry_run {
            return Err(RequestError::Report);
        }
        if report.is_none() && request.evidence.decisions.is_some() {
            return Err(RequestError::OtherDecisions);
        }
        Ok(request)
    }

    /// The file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).expect("a request always serialises");
        bytes.push(b'\n');
        bytes
    }

    pub fn hash(&self) -> PlanHash {
        self.plan.hash()
    }

    /// The terms of its plan.
    pub fn terms(&self) -> Option<&ConsentTerms> {
        self.plan.consent.as_ref()
    }

    /// What a signature is about.
    pub fn bound(&self) -> Option<Bound> {
        bound(&self.plan, &self.evidence)
    }

    /// The findings that whoever approves acknowledges.
    pub fn warnings(&self) -> std::collections::BTreeSet<Acknowledged> {
        warnings(&self.findings)
    }
}
