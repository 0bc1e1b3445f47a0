//! A timestamp and a Sigstore bundle over the envelope, where there are some.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use plumb_trust::{
    Artifact, Expectation, ExpectedSigner, Profile, Report, VerifyAttestation as _,
    timestamp::{self, Stamped},
};

use super::{CheckName, Finding, Outcome, ProofTrust, Trust};
use crate::{
    archive::{Archive, Source},
    manifest::{BUNDLE, ENVELOPE, Evidence, STAMP},
};

/// How far the clocks of signer and authority may be apart.
const CLOCKS_APART: SignedDuration = SignedDuration::from_mins(5);

/// What is to be told of both, and when an authority saw the seal.
pub(super) fn check<S: Source>(
    archive: &Archive<S>,
    evidence: Option<&Evidence>,
    trust: &Trust,
) -> ([Finding; 2], Option<Timestamp>) {
    let of_fleet = |known: &&Arc<ProofTrust>| {
        let fleet = known.fleet.as_ref();
        fleet.is_none_or(|fleet| evidence.is_some_and(|evidence| evidence.about.fleet == *fleet))
    };
    let known: Vec<&ProofTrust> = trust.proofs.iter().filter(of_fleet).map(|one| &**one).collect();
    let (stamp, at) = match (stamp(archive, &known), evidence) {
        (Ok(Stamped { at, by }), Some(evidence)) => {
            let made = evidence.made_at;
            if at < made - CLOCKS_APART {
                let why = format!("{by} saw this seal at {at}, before it was made at {made}");
                (Finding::failed(CheckName::Timestamp, why, Some(STAMP)), None)
            } else {
                let detail = format!("sealed at {at} at the latest, says {by}");
                (Finding::passed(CheckName::Timestamp, detail), Some(at))
            }
        }
        (Ok(_), None) => {
            let why = "not judged, because the signature is not good";
            (Finding::new(CheckName::Timestamp, Outcome::Open, why), None)
        }
        (Err(finding), _) => (finding, None),
    };
    ([stamp, bundle(archive, &known)], at)
}

fn stamp<S: Source>(archive: &Archive<S>, trusted: &[&ProofTrust]) -> Result<Stamped, Finding> {
    let check = CheckName::Timestamp;
    let failed = |why: String| Finding::failed(check, why, Some(STAMP));
    let Some((answer, envelope)) = both(archive, STAMP).map_err(failed)? else {
        return Err(Finding::new(check, Outcome::Absent, "no authority was asked for one"));
    };
    let mut outcome = Finding::new(
        check,
        Outcome::Open,
        "give the trusted root that lists the timestamp authority",
    );
    for known in trusted {
        outcome = match &known.root {
            Err(why) => Finding::new(check, Outcome::Open, why.clone()),
            Ok(root) => match timestamp::verify(&answer, &envelope, root) {
                Ok(stamped) => return Ok(stamped),
                Err(why) => failed(why),
            },
        };
    }
    Err(outcome)
}

fn bundle<S: Source>(archive: &Archive<S>, trusted: &[&ProofTrust]) -> Finding {
    let check = CheckName::Sigstore;
    let (bundle, envelope) = match both(archive, BUNDLE) {
        Ok(Some(both)) => both,
        Ok(None) => return Finding::new(check, Outcome::Absent, "none was attached"),
        Err(why) => return Finding::failed(check, why, Some(BUNDLE)),
    };
    let mut outcome = Finding::new(
        check,
        Outcome::Open,
        "give the trusted root and the identity that is expected to have signed",
    );
    for (known, identity) in
        trusted.iter().flat_map(|known| known.identities.iter().map(move |one| (known, one)))
    {
        let root = match &known.root {
            Ok(root) => root,
            Err(why) => {
                outcome = Finding::new(check, Outcome::Open, why.clone());
                continue;
            }
        };
        let expected =
            Expectation { signer: ExpectedSigner::Identity(identity), profile: Profile::Logged };
        let report = root.verify(Artifact::Bytes(&envelope), &bundle, expected, known.now);
        if report.is_valid() {
            return Finding::passed(check, signed(&report));
        }
        let failed = report.failures().into_iter().next();
        let why = failed.map_or_else(|| "not every check passed".to_owned(), |check| check.detail);
        outcome = Finding::failed(check, why, Some(BUNDLE));
    }
    outcome
}

fn signed(report: &Report) -> String {
    let at = report.carried().times.first().map(|time| format!(" at {}", time.at));
    format!("signed by the expected identity{}, and logged", at.unwrap_or_default())
}

/// A proof and what it is about; nothing where there is no such proof.
#[expect(clippy::type_complexity, reason = "a pair of files")]
fn both<S: Source>(
    archive: &Archive<S>,
    proof: &str,
) -> Result<Option<(Vec<u8>, Vec<u8>)>, String> {
    let Some(entry) = archive.find(proof) else { return Ok(None) };
    let bytes = archive.document(entry).map_err(|error| error.to_string())?;
    let envelope = archive.find(ENVELOPE).ok_or_else(|| format!("{ENVELOPE} is missing"))?;
    let envelope = archive.document(envelope).map_err(|error| error.to_string())?;
    Ok(Some((bytes, envelope)))
}
