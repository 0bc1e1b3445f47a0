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

/// Those in an archive that `judge` takes, oldest first. One that is not as the list says is none.
pub fn former<S: Source>(
    archive: &Archive<S>,
    judge: impl Fn(&[u8]) -> Option<Roster>,
) -> Vec<Former> {
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
        if let Some(roster) = judge(&envelope).filter(named) {
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

/// What somebody signed about a plan, by the newest roster, or else by the one that ruled when it was signed; then its
/// version is told as well.
pub fn approval_by(
    envelope: &[u8],
    (newest, made_at): (&Roster, Timestamp),
    former: &[Former],
) -> Result<(VerifiedApproval, Option<u32>), ApprovalRefusal> {
    let refusal = match signed_by_a_person(envelope, newest, made_at) {
        Ok(approval) => return Ok((approval, None)),
        Err(refusal) => refusal,
    };
    // Its key has to count to the end of that roster, as it has to count under the newest one when this was sealed.
    let by = |one: &Former| {
        let end = one.line.until.min(one.roster.document().expires_at);
        let approval = signed_by_a_person(envelope, &one.roster, end).ok()?;
        let ruled = ruling(former, approval.document().issued_at)?;
        (ruled.line == one.line).then_some((approval, Some(one.line.version)))
    };
    former.iter().find_map(by).ok_or(refusal)
}

/// The one that ruled at a moment; nothing where the newest one did. Before the first, another machine may have had it.
pub fn ruling(former: &[Former], at: Timestamp) -> Option<&Former> {
    former.iter().find(|one| at < one.line.until)
}
