//! What a plan asks people to consent to, and what they answered.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use plumb_fleet::{BundleDigest, Digest};
use plumb_trust::{
    approval::{
        Acknowledged, Bound, Difference, Expected, Judged, MissingQuorum, Nonce, Standing, judge,
        targets,
    },
    roster::{GroupId, PersonId, Roster, RosterRef, Rule},
};
use serde::{Deserialize, Serialize};

use crate::{
    approval::ApprovalError,
    finding::{Finding, Severity},
    plan::Plan,
};

/// Binds a plan to the roster and the rule under which people consent to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsentTerms {
    /// SHA-256 of the roster.
    pub roster: Digest,
    pub roster_version: u32,
    /// The environment of the fleet in the roster, whose rule counts.
    pub rule: String,
    /// Who asks, and therefore cannot consent.
    pub requester: PersonId,
}

impl ConsentTerms {
    /// The terms of a fleet, if the roster rules it and its rule asks for anybody.
    pub fn of(roster: &Roster, fleet: &plumb_fleet::FleetId, requester: PersonId) -> Option<Self> {
        let (rule, environment) = roster.environment_of(fleet)?;
        if environment.rule.quorums.is_empty() {
            return None;
        }
        let RosterRef { version, digest } = roster.reference();
        let rule = rule.to_owned();
        Some(Self { roster: digest, roster_version: version, rule, requester })
    }
}

/// What a plan leaves to be told: what its consent is bound to beside itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// Bundles that nodes are to load, by the digest of their bytes.
    pub bundles: BTreeSet<BundleDigest>,
    /// Digest of the report of a dry run.
    pub dry_run: Option<Digest>,
    /// Digest of what that dry run found to be answered differently.
    pub decisions: Option<Digest>,
    /// Digest of the evidence of each item of the readiness checklist.
    pub readiness: BTreeMap<String, Digest>,
}

/// Everything by which the gate decides about a plan that takes consent.
#[derive(Debug, Clone)]
pub struct Approvals<'a> {
    /// The newest roster that was seen.
    pub roster: &'a Roster,
    /// Envelopes as they came, in any order.
    pub envelopes: &'a [Vec<u8>],
    pub evidence: &'a Evidence,
    /// Nonces of approvals that runs already used.
    pub spent: &'a BTreeSet<Nonce>,
    pub now: Timestamp,
}

impl Approvals<'_> {
    /// Verifies all envelopes for a plan as it is now and decides.
    pub fn judge(&self, plan: &Plan, findings: &[Finding]) -> Result<Judged, ApprovalError> {
        let bound = bound(plan, self.evidence)
            .ok_or_else(|| ApprovalError::NoTerms { fleet: plan.fleet.clone() })?;
        let expected = Expected { bound, warnings: warnings(findings), spent: self.spent.clone() };
        Ok(judge(self.envelopes, self.roster, &expected, self.now))
    }

    /// The rule that the plan was made for, if it is the one that holds now.
    pub(crate) fn rule(&self, plan: &Plan) -> Result<&Rule, ApprovalError> {
        let no_terms = || ApprovalError::NoTerms { fleet: plan.fleet.clone() };
        let terms = plan.consent.as_ref().ok_or_else(no_terms)?;
        let now = ConsentTerms::of(self.roster, &plan.fleet, terms.requester.clone());
        if now.as_ref() != Some(terms) {
            return Err(no_terms());
        }
        let (_, environment) = self.roster.environment_of(&plan.fleet).ok_or_else(no_terms)?;
        Ok(&environment.rule)
    }
}

/// What consent to a plan is bound to; nothing where the plan takes none.
pub fn bound(plan: &Plan, evidence: &Evidence) -> Option<Bound> {
    let terms = plan.consent.as_ref()?;
    Some(Bound {
        plan: plan.hash(),
        bundles: evidence.bundles.clone(),
        fleet: plan.fleet.clone(),
        environment: terms.rule.clone(),
        roster: RosterRef { version: terms.roster_version, digest: terms.roster },
        requester: terms.requester.clone(),
        targets: targets(plan.targets().map(|target| &target.node)),
        dry_run: evidence.dry_run,
        decisions: evidence.decisions,
        readiness: evidence.readiness.clone(),
    })
}

/// The findings that each approval must acknowledge.
pub fn warnings(findings: &[Finding]) -> BTreeSet<Acknowledged> {
    let warnings = findings.iter().filter(|finding| finding.severity == Severity::Warning);
    warnings
        .map(|finding| Acknowledged {
            code: finding.code.name().to_owned(),
            node: finding.node.clone(),
        })
        .collect()
}

/// How a plan stands with its approvers, in a sentence.
pub fn standing_sentence(standing: &Standing) -> String {
    match standing {
        Standing::Consented(_) => "everybody who must consent has consented".to_owned(),
        Standing::Refused { by, reason } => format!("{by} refused: {reason}"),
        Standing::NotRequested => "whoever asks for it has not signed the request".to_owned(),
        Standing::OtherRule { differences } => {
            let all: Vec<String> = differences.iter().map(Difference::to_string).collect();
            format!("the plan was made for another roster: {}", all.join("; "))
        }
        Standing::Missing { quorums, may_approve } => {
            let missing: Vec<String> = quorums.iter().map(missing_sentence).collect();
            let who: Vec<&str> = may_approve.iter().map(PersonId::as_str).collect();
            let who = if who.is_empty() { "nobody".to_owned() } else { who.join(", ") };
            format!("missing {}; who may approve: {who}", missing.join(", and "))
        }
    }
}

fn missing_sentence(quorum: &MissingQuorum) -> String {
    let groups: Vec<&str> = quorum.groups.iter().map(GroupId::as_str).collect();
    format!("{} of {}", quorum.count, groups.join(" or "))
}
