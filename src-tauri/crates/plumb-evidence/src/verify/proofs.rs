//! A timestamp and a Sigstore bundle over the envelope, where there are some.

use plumb_trust::{
    Artifact, Expectation, ExpectedSigner, Profile, Report, VerifyAttestation as _,
    timestamp::{self, Stamped},
};

use super::{CheckName, Finding, Outcome, Trust};
use crate::{
    archive::{Archive, Source},
    manifest::{BUNDLE, ENVELOPE, STAMP},
};

pub(super) fn check<S: Source>(archive: &Archive<S>, trust: &Trust) -> [Finding; 2] {
    [stamp(archive, trust), bundle(archive, trust)]
}

fn stamp<S: Source>(archive: &Archive<S>, trust: &Trust) -> Finding {
    let check = CheckName::Timestamp;
    let (answer, envelope) = match both(archive, STAMP) {
        Ok(Some(both)) => both,
        Ok(None) => return Finding::new(check, Outcome::Absent, "no authority was asked for one"),
        Err(why) => return Finding::failed(check, why, Some(STAMP)),
    };
    let mut outcome = Finding::new(
        check,
        Outcome::Open,
        "give the trusted root that lists the timestamp authority",
    );
    for known in &trust.proofs {
        outcome = match timestamp::verify(&answer, &envelope, &known.root) {
            Ok(Stamped { at, by }) => {
                return Finding::passed(check, format!("sealed at {at} at the latest, says {by}"));
            }
            Err(why) => Finding::failed(check, why, Some(STAMP)),
        };
    }
    outcome
}

fn bundle<S: Source>(archive: &Archive<S>, trust: &Trust) -> Finding {
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
    let expected =
        trust.proofs.iter().flat_map(|known| known.identities.iter().map(move |one| (known, one)));
    for (known, identity) in expected {
        let expected =
            Expectation { signer: ExpectedSigner::Identity(identity), profile: Profile::Logged };
        let report = known.root.verify(Artifact::Bytes(&envelope), &bundle, expected, known.now);
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
