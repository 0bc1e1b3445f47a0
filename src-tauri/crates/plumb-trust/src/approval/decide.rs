//! Whether enough consent was given, and from whom it is still missing.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{
    Act, ApprovalRefusal, BoundField, ChangeWindow, Difference, Expected, Nonce, VerifiedApproval,
    refusal::differences, verify_approval,
};
use crate::roster::{GroupId, PersonId, Roster, Rule, filled};

/// Consent that satisfies a rule. Only [`decide`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consent {
    people: BTreeMap<PersonId, BTreeSet<GroupId>>,
    nonces: BTreeSet<Nonce>,
    window: Option<ChangeWindow>,
}

impl Consent {
    /// Who consented, and for which groups.
    pub const fn people(&self) -> &BTreeMap<PersonId, BTreeSet<GroupId>> {
        &self.people
    }

    /// What a run that uses this consent spends.
    pub const fn nonces(&self) -> &BTreeSet<Nonce> {
        &self.nonces
    }

    /// When all of them allow the change to begin; nothing where nobody had to consent.
    pub const fn window(&self) -> Option<ChangeWindow> {
        self.window
    }
}

/// A quorum that is not filled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingQuorum {
    pub groups: BTreeSet<GroupId>,
    pub count: u32,
}

/// How a plan stands with those who must consent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    Consented(Consent),
    /// Somebody who has a say said no. It is lifted only by the same person approving later.
    Refused {
        by: PersonId,
        reason: String,
    },
    /// The plan was made for another roster, or the roster knows the fleet otherwise; plan again.
    OtherRule {
        differences: Vec<Difference>,
    },
    /// Whoever is named as the requester has not signed the request.
    NotRequested,
    Missing {
        quorums: Vec<MissingQuorum>,
        /// Everybody whose consent would fill one more seat.
        may_approve: Vec<PersonId>,
    },
}

/// An envelope that does not count, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Voided {
    /// Which of the given envelopes, counted from 0.
    pub index: usize,
    pub refusal: ApprovalRefusal,
}

/// What a set of envelopes amounts to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    pub counted: Vec<VerifiedApproval>,
    pub voided: Vec<Voided>,
    pub standing: Standing,
}

/// Verifies all envelopes there are for a plan and decides. The same statement counts once, however
/// often and however written it is given; a nonce counts once too.
pub fn judge<E: AsRef<[u8]>>(
    envelopes: &[E],
    roster: &Roster,
    expected: &Expected,
    now: Timestamp,
) -> Judged {
    let (mut counted, mut voided): (Vec<VerifiedApproval>, Vec<Voided>) = (Vec::new(), Vec::new());
    let rule = match rule_of(roster, expected) {
        Ok(rule) => rule,
        Err(differences) => {
            let refusal = ApprovalRefusal::Changed { differences: differences.clone() };
            let all = 0..envelopes.len();
            voided.extend(all.map(|index| Voided { index, refusal: refusal.clone() }));
            return Judged { counted, voided, standing: Standing::OtherRule { differences } };
        }
    };
    for (index, envelope) in envelopes.iter().enumerate() {
        let verified = verify_approval(envelope.as_ref(), roster, expected, now);
        let verified = verified.and_then(|approval| binds_what_the_rule_asks(rule, approval));
        match verified {
            Ok(approval) if counted.iter().any(|other| other.payload == approval.payload) => {}
            Ok(approval) => {
                let nonce = approval.document.nonce;
                if counted.iter().any(|other| other.document.nonce == nonce) {
                    voided.push(Voided { index, refusal: ApprovalRefusal::Replayed });
                } else {
                    counted.push(approval);
                }
            }
            Err(refusal) => voided.push(Voided { index, refusal }),
        }
    }
    let standing = decide(roster, rule, &expected.bound.requester, &counted, now);
    Judged { counted, voided, standing }
}

/// The rule of the fleet's environment, if the plan was made for this roster and this environment.
fn rule_of<'r>(roster: &'r Roster, expected: &Expected) -> Result<&'r Rule, Vec<Difference>> {
    let bound = &expected.bound;
    let mut now = bound.clone();
    now.roster = roster.reference();
    let Some((name, environment)) = roster.environment_of(&bound.fleet) else {
        let (signed, now) = (bound.fleet.to_string(), "not in the roster".to_owned());
        return Err(vec![Difference { field: BoundField::Fleet, signed, now }]);
    };
    name.clone_into(&mut now.environment);
    let differences = differences(bound, &now);
    if differences.is_empty() { Ok(&environment.rule) } else { Err(differences) }
}

fn binds_what_the_rule_asks(
    rule: &Rule,
    approval: VerifiedApproval,
) -> Result<VerifiedApproval, ApprovalRefusal> {
    let approves = *approval.act() == Act::Approve;
    if rule.dry_run && approves && approval.document.dry_run.is_none() {
        return Err(ApprovalRefusal::NoDryRun);
    }
    Ok(approval)
}

/// Decides by a rule over statements that were verified. Each person has one say: the latest, and of
/// two at the same moment the refusal.
pub fn decide(
    roster: &Roster,
    rule: &Rule,
    requester: &PersonId,
    approvals: &[VerifiedApproval],
    now: Timestamp,
) -> Standing {
    if rule.quorums.is_empty() {
        let (people, nonces) = (BTreeMap::new(), BTreeSet::new());
        return Standing::Consented(Consent { people, nonces, window: None });
    }
    let has_say = |approval: &&VerifiedApproval| {
        approval.person() != requester && rule.names(&approval.document.role)
    };
    let mut consenting: Vec<&VerifiedApproval> = Vec::new();
    for approval in approvals.iter().filter(has_say) {
        let later = approvals.iter().filter(|other| other.person() == approval.person());
        match approval.act() {
            Act::Refuse { reason } => {
                let lifted = later.filter(|other| *other.act() == Act::Approve);
                let mut lifted = lifted.filter(|other| has_say(other));
                if !lifted.any(|other| other.document.issued_at > approval.document.issued_at) {
                    let (by, reason) = (approval.person().clone(), reason.clone());
                    return Standing::Refused { by, reason };
                }
            }
            Act::Approve => consenting.push(approval),
            Act::Request | Act::Review { .. } => {}
        }
    }
    let asked = |approval: &VerifiedApproval| {
        *approval.act() == Act::Request && approval.person() == requester
    };
    if !approvals.iter().any(asked) {
        return Standing::NotRequested;
    }
    let mut people: BTreeMap<PersonId, BTreeSet<GroupId>> = BTreeMap::new();
    for approval in &consenting {
        let roles = people.entry(approval.person().clone()).or_default();
        roles.insert(approval.document.role.clone());
    }
    let taken = filled(rule, &people.iter().collect());
    let quorums: Vec<MissingQuorum> = rule
        .quorums
        .iter()
        .zip(&taken)
        .filter(|(quorum, taken)| **taken < quorum.count)
        .map(|(quorum, taken)| MissingQuorum {
            groups: quorum.of.clone(),
            count: quorum.count - taken,
        })
        .collect();
    if !quorums.is_empty() {
        let may_approve = who_may(roster, rule, requester, &people, now);
        return Standing::Missing { quorums, may_approve };
    }
    let nonces = consenting.iter().map(|approval| approval.document.nonce).collect();
    let windows = consenting.iter().map(|approval| approval.document.window);
    let window = windows.reduce(|all, one| ChangeWindow {
        not_before: all.not_before.max(one.not_before),
        not_after: all.not_after.min(one.not_after),
    });
    Standing::Consented(Consent { people, nonces, window })
}

/// Everybody with a key that counts whose consent would fill a seat that is empty now.
fn who_may(
    roster: &Roster,
    rule: &Rule,
    requester: &PersonId,
    given: &BTreeMap<PersonId, BTreeSet<GroupId>>,
    now: Timestamp,
) -> Vec<PersonId> {
    let seats = |people: &BTreeMap<&PersonId, &BTreeSet<GroupId>>| -> u32 {
        filled(rule, people).iter().sum()
    };
    let mut people: BTreeMap<&PersonId, &BTreeSet<GroupId>> = given.iter().collect();
    let before = seats(&people);
    let mut able = Vec::new();
    for (id, person) in &roster.document().people {
        let counts = person.keys.iter().any(|key| key.counts(now));
        if id == requester || !counts {
            continue;
        }
        let former = people.insert(id, &person.groups);
        if seats(&people) > before {
            able.push(id.clone());
        }
        match former {
            Some(roles) => people.insert(id, roles),
            None => people.remove(id),
        };
    }
    able
}
