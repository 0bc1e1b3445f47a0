//! Verification: each promise of sealed evidence, whether it is kept, and the first entry that breaks one.

mod contents;
mod hashes;
mod journal;
mod kept;
mod proofs;
mod runs;
mod signature;
mod states;

use std::{fs::File, io, sync::Arc};

use camino::Utf8Path;
use jiff::Timestamp;
use plumb_fleet::FleetId;
use plumb_trust::{
    Identity, SigstoreRoot,
    dsse::{KeyId, PublicKey},
    roster::{Roster, RosterPin},
};

use crate::{
    archive::{Archive, ArchiveError, FileSource, Source},
    manifest::Evidence,
    rosters::{self, Former},
};

/// Whom the reader of evidence trusts.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// Keys of people and consoles that may have signed.
    pub keys: Vec<PublicKey>,
    /// Root keys of rosters, as they came by another way.
    pub roots: Vec<PublicKey>,
    /// Rosters that this machine accepted.
    pub pins: Vec<RosterPin>,
    /// Whose word over a seal counts.
    pub proofs: Vec<Arc<ProofTrust>>,
}

/// Authorities and identities that may vouch for a seal beside its signer.
#[derive(Debug)]
pub struct ProofTrust {
    /// Only for evidence of this fleet; of any where it is not given.
    pub fleet: Option<FleetId>,
    /// Who counts, or why that cannot be read.
    pub root: Result<Arc<SigstoreRoot>, String>,
    /// Who may have made a Sigstore bundle.
    pub identities: Vec<Identity>,
    pub now: Timestamp,
}

/// A promise of sealed evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CheckName {
    /// The file reads in one way only.
    Container,
    /// The manifest was signed with the key in the archive.
    Signature,
    /// An authority saw the seal, and when.
    Timestamp,
    /// Somebody expected vouched for the seal in a public log.
    Sigstore,
    /// Somebody here knows that key.
    Signer,
    /// The roster gives the key to a person with a say.
    Role,
    /// Every entry has the SHA-256 that the manifest lists.
    Hashes,
    /// There is nothing that the manifest does not list.
    NothingExtra,
    /// `sha256sum --check` comes to the same.
    Checksums,
    /// Journals are whole chains, up to where the manifest says.
    Journal,
    /// Folding each journal comes to the states that were recorded, event by event.
    States,
    /// What was kept while runs went on is here as it was kept, or listed as missing.
    Kept,
    /// Plans are those that journals name and approvals bind.
    Plan,
    /// Certificates are about these runs, and were signed.
    Certificate,
    /// What was redacted is told, and the self-test was made.
    Redaction,
}

impl CheckName {
    pub const ALL: [Self; 15] = [
        Self::Container,
        Self::Signature,
        Self::Timestamp,
        Self::Sigstore,
        Self::Signer,
        Self::Role,
        Self::Hashes,
        Self::NothingExtra,
        Self::Checksums,
        Self::Journal,
        Self::States,
        Self::Kept,
        Self::Plan,
        Self::Certificate,
        Self::Redaction,
    ];

    /// As documents name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Signature => "signature",
            Self::Timestamp => "timestamp",
            Self::Sigstore => "sigstore",
            Self::Signer => "signer",
            Self::Role => "role",
            Self::Hashes => "hashes",
            Self::NothingExtra => "nothing_extra",
            Self::Checksums => "checksums",
            Self::Journal => "journal",
            Self::States => "states",
            Self::Kept => "kept",
            Self::Plan => "plan",
            Self::Certificate => "certificate",
            Self::Redaction => "redaction",
        }
    }

    /// In the words of a list.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Container => "archive reads in one way",
            Self::Signature => "signature over the manifest",
            Self::Timestamp => "timestamp over the seal",
            Self::Sigstore => "Sigstore bundle over the seal",
            Self::Signer => "key of the signer is known",
            Self::Role => "signer's role in the roster",
            Self::Hashes => "hash of every entry",
            Self::NothingExtra => "nothing extra",
            Self::Checksums => "checksums for sha256sum",
            Self::Journal => "chain of every journal",
            Self::States => "state after every event",
            Self::Kept => "kept while runs went on",
            Self::Plan => "plan equals journal and approvals",
            Self::Certificate => "convergence certificates",
            Self::Redaction => "redaction receipt and self-test",
        }
    }
}

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Passed,
    Failed,
    /// The evidence has nothing of the kind.
    Absent,
    /// It cannot be told here; the detail says what it takes.
    Open,
}

/// One check and what it found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub check: CheckName,
    pub outcome: Outcome,
    pub detail: String,
    /// The entry that is at fault.
    pub entry: Option<String>,
}

impl Finding {
    fn new(check: CheckName, outcome: Outcome, detail: impl Into<String>) -> Self {
        Self { check, outcome, detail: detail.into(), entry: None }
    }

    fn passed(check: CheckName, detail: impl Into<String>) -> Self {
        Self::new(check, Outcome::Passed, detail)
    }

    fn failed(check: CheckName, detail: impl Into<String>, entry: Option<&str>) -> Self {
        let entry = entry.map(str::to_owned);
        Self { entry, ..Self::new(check, Outcome::Failed, detail) }
    }
}

/// What verification found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    /// In the order of [`CheckName::ALL`], each once.
    pub findings: Vec<Finding>,
    /// What a reader should know that breaks nothing.
    pub notes: Vec<String>,
    /// The first entry that breaks a promise.
    pub broken: Option<String>,
    /// Whose key is in the archive.
    pub signer: Option<KeyId>,
    /// What the manifest says, where it could be read. Believe it only if everything holds.
    pub evidence: Option<Evidence>,
    pub entries: u64,
    /// Of the file.
    pub bytes: u64,
    /// Of all entries, unpacked.
    pub unpacked_bytes: u64,
}

impl Verification {
    /// Whether no promise is broken.
    pub fn holds(&self) -> bool {
        self.findings.iter().all(|finding| finding.outcome != Outcome::Failed)
    }

    pub fn finding(&self, check: CheckName) -> &Finding {
        let found = self.findings.iter().find(|finding| finding.check == check);
        found.expect("every check has a finding")
    }
}

/// Why nothing could be verified.
#[derive(Debug, thiserror::Error)]
#[error("{path} cannot be read")]
pub struct Unreadable {
    pub path: camino::Utf8PathBuf,
    #[source]
    pub error: io::Error,
}

/// Verifies a file.
pub fn verify(path: &Utf8Path, trust: &Trust) -> Result<Verification, Unreadable> {
    let wrong = |error| Unreadable { path: path.to_owned(), error };
    let source = FileSource::new(File::open(path).map_err(wrong)?).map_err(wrong)?;
    let bytes = source.bytes();
    verify_source(source, bytes, trust).map(|(found, _)| found).map_err(wrong)
}

/// Verifies bytes, and hands the archive over where its structure holds: what is read from it is what was verified.
pub fn verify_source<S: Source>(
    source: S,
    bytes: u64,
    trust: &Trust,
) -> Result<(Verification, Option<Archive<S>>), io::Error> {
    match Archive::open(source) {
        Err(ArchiveError::Read(error)) => Err(error),
        Err(error) => Ok((unreadable(&error, bytes), None)),
        Ok(mut archive) => {
            let found = verify_archive(&mut archive, bytes, trust);
            Ok((found, Some(archive)))
        }
    }
}

/// Verifies an archive whose structure holds, and binds it to what was found: from its hashes on, every entry reads as
/// what was hashed, or not at all. `bytes` are those of its file.
pub fn verify_archive<S: Source>(
    archive: &mut Archive<S>,
    bytes: u64,
    trust: &Trust,
) -> Verification {
    let hashes = hashes::all(archive);
    archive.bind(|name| hashes.get(name).and_then(|found| found.as_ref().ok().copied()));
    let archive = &*archive;
    let signed = signature::check(archive);
    let listed = hashes::check(archive, &signed, &hashes);
    let roster = contents::roster(archive, trust);
    let mut notes = Vec::new();
    if archive.is_rewritten() {
        notes.push(
            "container rewritten: the entries are those that were sealed, in an archive that another \
             program wrote"
                .to_owned(),
        );
    }
    let mut findings = vec![Finding::passed(
        CheckName::Container,
        format!("{} entries, no byte beside them", archive.entries().len()),
    )];
    findings.push(signed.finding.clone());
    let (proofs, stamped) = proofs::check(archive, signed.evidence(), trust);
    findings.extend(proofs);
    findings.extend(contents::signer(&signed, roster.as_ref(), stamped, trust));
    findings.extend(listed);
    findings.push(contents::checksums(archive, &hashes));
    findings.extend(runs::check(archive, &signed, roster.as_ref(), trust));
    findings.push(contents::redaction(archive, signed.evidence()));
    let mut failed = findings.iter().filter(|finding| finding.outcome == Outcome::Failed);
    let broken = failed.find_map(|finding| finding.entry.clone());
    Verification {
        broken,
        notes,
        signer: signed.key.as_ref().map(PublicKey::id),
        evidence: signed.evidence().cloned(),
        entries: archive.entries().len() as u64,
        bytes,
        unpacked_bytes: archive.entries().iter().map(|entry| entry.bytes).sum(),
        findings,
    }
}

/// A roster in the archive, and whether it is one of those that are trusted here.
#[derive(Debug)]
struct KnownRoster {
    roster: Roster,
    trusted: bool,
}

/// The roster in an archive, if somebody who is trusted vouches for it.
pub fn trusted_roster<S: Source>(archive: &Archive<S>, trust: &Trust) -> Option<Roster> {
    contents::roster(archive, trust).filter(|known| known.trusted).map(|known| known.roster)
}

/// Those that ruled before it, if somebody who is trusted vouches for them as well; oldest first.
pub fn former_rosters<S: Source>(archive: &Archive<S>, trust: &Trust) -> Vec<Former> {
    if trusted_roster(archive, trust).is_some() { rosters::former(archive) } else { Vec::new() }
}

/// The file reads in no way, or in several: nothing in it was looked at.
fn unreadable(error: &ArchiveError, bytes: u64) -> Verification {
    let mut findings = vec![Finding::failed(CheckName::Container, error.to_string(), error.at())];
    let rest = CheckName::ALL.into_iter().skip(1);
    findings.extend(rest.map(|check| {
        Finding::new(check, Outcome::Open, "not looked at, because the archive does not read")
    }));
    Verification {
        findings,
        notes: Vec::new(),
        broken: error.at().map(str::to_owned),
        signer: None,
        evidence: None,
        entries: 0,
        bytes,
        unpacked_bytes: 0,
    }
}
