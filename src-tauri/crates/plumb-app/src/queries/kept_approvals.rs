//! The approvals on record, and which of them would stop verifying without a key.

use std::collections::BTreeSet;

use plumb_trust::{approval::signed_by_a_person, dsse::KeyId, roster::Roster};

use crate::{
    actions::rosters::{fleet_id, signers},
    app::App,
    error::{AppError, chain},
};

/// Envelopes looked at, the newest first: years of approvals.
const APPROVALS_MAX: usize = 10_000;

/// What retiring a key would do to the approvals of a fleet.
#[derive(Debug, Default)]
pub struct RetiredApprovals {
    /// Whose the key is, as the roster says.
    pub retired: Vec<String>,
    /// Verified today, and no longer afterwards.
    pub broken: Vec<AffectedApproval>,
    /// Not verified today either.
    pub failing: Vec<AffectedApproval>,
    /// How many would go on verifying.
    pub unaffected: usize,
}

/// An envelope on record, and what is or would be wrong with it.
#[derive(Debug)]
pub struct AffectedApproval {
    pub person: String,
    /// `approve`, `refuse`, `request` or `review`.
    pub act: String,
    pub plan: String,
    pub problem: String,
}

impl App {
    /// Judges every approval on record by the roster of its fleet, as it is and without these keys.
    pub async fn approvals_without(
        &self,
        fleet: &str,
        keys: &BTreeSet<KeyId>,
    ) -> Result<RetiredApprovals, AppError> {
        let fleet = fleet_id(fleet)?;
        let Some(roster) = self.roster_of(&fleet).await? else {
            return Ok(RetiredApprovals::default());
        };
        let mut conn = self.record().read().await?;
        let kept = plumb_store::rosters::newest(&mut conn, &fleet).await?;
        let envelope = kept.map(|kept| kept.envelope).unwrap_or_default();
        let kept = plumb_store::approvals::of_fleet(&mut conn, &fleet, APPROVALS_MAX).await?;
        let mut found = RetiredApprovals { retired: owners(&roster, keys), ..Default::default() };
        let roster_falls = without_roots(&roster, &envelope, keys);
        let now = self.now();
        for one in kept {
            let affected = |problem: String| AffectedApproval {
                person: one.person.clone(),
                act: one.act.clone(),
                plan: one.plan.to_string(),
                problem,
            };
            match signed_by_a_person(&one.envelope, &roster, now) {
                Err(refusal) => found.failing.push(affected(chain(&refusal))),
                Ok(verified) if keys.contains(&verified.key()) => {
                    let problem = format!("{} signed it with this key", verified.person());
                    found.broken.push(affected(problem));
                }
                Ok(_) => match &roster_falls {
                    Some(problem) => found.broken.push(affected(problem.clone())),
                    None => found.unaffected += 1,
                },
            }
        }
        Ok(found)
    }
}

fn owners(roster: &Roster, keys: &BTreeSet<KeyId>) -> Vec<String> {
    let people = roster.keys().filter(|(_, key)| keys.contains(&key.key.id()));
    let people = people.map(|(person, key)| format!("key {} of {person}", key.key.id().short()));
    let roots = roster.document().roots.keys.iter().filter(|root| keys.contains(&root.key.id()));
    let roots =
        roots.map(|root| format!("root key {} {} of the roster", root.key.id().short(), root.name));
    people.chain(roots).collect()
}

/// Why the roster itself would not count any more.
fn without_roots(roster: &Roster, envelope: &[u8], keys: &BTreeSet<KeyId>) -> Option<String> {
    let signed = signers(envelope, roster.document());
    let left = signed.difference(keys).count();
    let needed = roster.document().roots.threshold;
    let falls = left < signed.len() && usize::try_from(needed).is_ok_and(|needed| left < needed);
    falls
        .then(|| format!("the roster would be signed by {left} of the {needed} root keys it needs"))
}
