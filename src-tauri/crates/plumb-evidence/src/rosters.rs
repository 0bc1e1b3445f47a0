//! Rosters that ruled a fleet before the newest one: whoever signed under one of them is judged by it.

use std::io::BufReader;

use jiff::Timestamp;
use plumb_fleet::Digest;
use plumb_trust::{
    approval::{ApprovalRefusal, VerifiedApproval, signed_by_a_person},
    dsse::PublicKey,
    roster::Roster,
};
use serde::{Deserialize, Serialize};

use crate::{
    archive::{Archive, Source},
    journal::next_line,
    manifest::ROSTER,
};

/// From when until when each of them ruled, one a line, oldest first.
pub const FORMER: &str = "roster/former.jsonl";
/// Rosters before the newest one: one a week for a year.
pub const FORMER_MAX: usize = 52;

/// Entry of one of them, as its root keys signed it.
pub fn former_of(version: u32) -> String {
    format!("roster/former-{version:05}.dsse.json")
}

/// A line of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FormerLine {
    pub version: u32,
    pub digest: Digest,
    /// When whoever captured it accepted it, and the one after it.
    pub from: Timestamp,
    pub until: Timestamp,
}

/// A roster that does not rule any more.
#[derive(Debug, Clone)]
pub struct Former {
    pub line: FormerLine,
    pub envelope: Vec<u8>,
    pub roster: Roster,
}

/// Those in an archive, oldest first: each is followed by one that its root keys signed, up to the newest. One that is not
/// as the list says is none, and of what came before one that does not lead on nothing is known.
pub fn former<S: Source>(archive: &Archive<S>) -> Vec<Former> {
    let newest = archive.find(ROSTER).and_then(|entry| archive.document(entry).ok());
    newest.map_or_else(Vec::new, |newest| leading_to(newest, listed(archive)))
}

/// The newest of them that lead to that one without a break.
fn leading_to(mut successor: Vec<u8>, listed: Vec<Former>) -> Vec<Former> {
    let mut leading = Vec::new();
    for one in listed.into_iter().rev() {
        // As programs accept a roster over the one that they have.
        if Roster::accept(&successor, &one.roster.pin()).is_err() {
            break;
        }
        successor.clone_from(&one.envelope);
        leading.push(one);
    }
    leading.reverse();
    leading
}

fn listed<S: Source>(archive: &Archive<S>) -> Vec<Former> {
    let Some(entry) = archive.find(FORMER) else { return Vec::new() };
    let (mut file, mut line) = (BufReader::new(archive.read(entry)), Vec::new());
    let mut all: Vec<Former> = Vec::new();
    while all.len() < FORMER_MAX && next_line(&mut file, &mut line).unwrap_or(false) {
        let Ok(told) = serde_json::from_slice::<FormerLine>(&line) else { continue };
        let follows = all.last().is_none_or(|last| last.line.until <= told.from);
        let envelope = archive.find(&former_of(told.version));
        let envelope = envelope.and_then(|entry| archive.document(entry).ok());
        let Some(envelope) = envelope.filter(|_| follows && told.from <= told.until) else {
            continue;
        };
        let named = |roster: &Roster| {
            let is = roster.reference();
            (is.version, is.digest) == (told.version, told.digest)
        };
        if let Some(roster) = by_its_own_roots(&envelope).filter(named) {
            all.push(Former { line: told, envelope, roster });
        }
    }
    all
}

/// A roster that its own root keys signed. Whether they are to be trusted is told by verification.
pub fn by_its_own_roots(envelope: &[u8]) -> Option<Roster> {
    let (document, _) = Roster::look(envelope).ok()?;
    let roots: Vec<PublicKey> = document.roots.keys.into_iter().map(|root| root.key).collect();
    Roster::enrol(envelope, &roots).ok()
}

/// What somebody signed about a plan, by the newest roster, or else by the one that `terms` of the plan name; then its
/// version is told as well. When it was signed is what its signer wrote, and decides nothing: whoever was taken out of a
/// roster could write an earlier day.
pub fn approval_by(
    envelope: &[u8],
    (newest, made_at): (&Roster, Timestamp),
    (former, terms): (&[Former], Option<Digest>),
) -> Result<(VerifiedApproval, Option<u32>), ApprovalRefusal> {
    let refusal = match signed_by_a_person(envelope, newest, made_at) {
        Ok(approval) => return Ok((approval, None)),
        Err(refusal) => refusal,
    };
    // Its key has to count to the end of that roster, as it has to count under the newest one when this was sealed.
    let by = |one: &Former| {
        let end = one.line.until.min(one.roster.document().expires_at);
        let approval = signed_by_a_person(envelope, &one.roster, end).ok()?;
        let bound = approval.document().roster == one.roster.reference();
        bound.then_some((approval, Some(one.line.version)))
    };
    let named = former.iter().find(|one| Some(one.line.digest) == terms);
    named.and_then(by).ok_or(refusal)
}

/// The one that ruled at a moment; nothing where the newest one did. Before the first, another machine may have had it.
pub fn ruling(former: &[Former], at: Timestamp) -> Option<&Former> {
    former.iter().find(|one| at < one.line.until)
}

#[cfg(test)]
mod tests {
    use plumb_testkit::company::{Company, at, key, person};
    use plumb_trust::{
        approval::Act,
        dsse::{Algorithm, Envelope, SigningKey},
        roster::RootKey,
    };

    use plumb_trust::roster::RosterRef;

    use super::*;

    const FLEET: &str = "payments-eu";

    fn former_of(company: &Company, envelope: Vec<u8>) -> Former {
        let roster = by_its_own_roots(&envelope).expect("its own root keys signed it");
        let RosterRef { version, digest } = company.roster().reference();
        let (from, until) = (at("2026-01-01T00:00:00Z"), at("2026-02-01T00:00:00Z"));
        Former { line: FormerLine { version, digest, from, until }, envelope, roster }
    }

    /// The next roster, signed by the roots before it and by its own.
    fn succeeded(company: &Company, root: &SigningKey) -> Vec<u8> {
        let mut document = company.document.clone();
        document.version += 1;
        document.people.remove(&person("mara"));
        document.roots.keys = vec![RootKey { name: "new".to_owned(), key: root.public().clone() }];
        document.roots.threshold = 1;
        let statement = document.statement().expect("nothing contradicts itself");
        let signers = [&company.roots[0], &company.roots[1], root];
        Envelope::sign(&statement, &signers).expect("signed").to_bytes()
    }

    #[test]
    fn a_roster_counts_when_its_root_keys_signed_the_one_after_it() {
        let company = Company::new();
        let former = former_of(&company, company.envelope());
        let newest = succeeded(&company, &key(Algorithm::Ed25519));
        let leading = leading_to(newest.clone(), vec![former.clone()]);
        assert_eq!(leading.len(), 1, "also where other root keys took over");
        // A stranger's, with a stranger's root keys, leads nowhere, and neither does what is before it.
        let stranger = Company::new();
        let stranger = former_of(&stranger, stranger.envelope());
        assert!(leading_to(newest, vec![former, stranger]).is_empty());
    }

    /// Whoever was taken out of a roster can write an earlier day, and the word of the plan decides.
    #[test]
    fn an_approval_is_judged_by_the_roster_that_its_plan_names_and_by_no_day() {
        let company = Company::new();
        let approval = company.act(FLEET, "mara", "storage", Act::Approve);
        let old = company.roster().reference().digest;
        let former = [former_of(&company, company.envelope())];
        let newest = succeeded(&company, &key(Algorithm::Ed25519));
        let newest = by_its_own_roots(&newest).expect("its own root key signed it");
        let by = |terms| {
            let now = (&newest, at("2026-03-01T12:00:00Z"));
            approval_by(&approval, now, (&former, terms)).map(|(_, version)| version)
        };
        assert_eq!(by(Some(old)), Ok(Some(3)));
        for terms in [Some(newest.reference().digest), None] {
            assert!(by(terms).is_err(), "mara is not in the roster of this plan");
        }
    }
}
