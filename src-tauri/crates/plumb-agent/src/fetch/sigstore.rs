//! Packs judged by their Sigstore attestation, against a trust policy, offline.

use jiff::Timestamp;
use plumb_trust::{
    Artifact, CheckOutcome, PolicyVerdict, Report, Signed as Statement, SigstoreCheck, TrustPolicy,
    schemes::sigstore::{Carried, Checked},
};

use super::verify::{NamedCheck, PackVerifier, Refusal, Signed, VerificationReport};

/// Checks that fail by time alone: the same attestation would be trusted at another moment.
const BY_TIME: [SigstoreCheck; 6] = [
    SigstoreCheck::CertificateTime,
    SigstoreCheck::CertificateAuthorityWindow,
    SigstoreCheck::CertificateSctLog,
    SigstoreCheck::TimestampWindow,
    SigstoreCheck::TimestampNotFuture,
    SigstoreCheck::LogKeyWindow,
];
/// Checks of who signed.
const BY_NAME: [SigstoreCheck; 2] = [SigstoreCheck::IdentitySan, SigstoreCheck::IdentityIssuer];
/// The check that says whether the policy has anything to judge by at this time.
const POLICY_WINDOW: &str = "policy.window";
/// The check that says whether there is an attestation at all.
const PRESENT: &str = "attestation.present";

/// Trusts what its policy trusts: several roots, keys and names at once, each within its window.
#[derive(Debug)]
pub struct SigstoreVerifier {
    policy: TrustPolicy,
}

impl SigstoreVerifier {
    pub fn new(policy: TrustPolicy) -> Self {
        Self { policy }
    }
}

impl PackVerifier for SigstoreVerifier {
    fn verify(&self, signed: Signed<'_>, now: Timestamp) -> VerificationReport {
        let attestation = signed.attestation;
        if attestation.trim_ascii().is_empty() {
            return refused(PRESENT, "the attestation is empty".to_owned(), Refusal::Unsigned);
        }
        let statement = Statement::Attested { artifact: Artifact::Bytes(signed.tar), attestation };
        match self.policy.verify(statement, now) {
            PolicyVerdict::Attested(report) => told(&report),
            // No root and signer count at this time; at another they may.
            PolicyVerdict::Unreadable(problem) if self.policy.material().next().is_some() => {
                refused(POLICY_WINDOW, problem, Refusal::Expired)
            }
            PolicyVerdict::Unreadable(problem) => {
                refused(POLICY_WINDOW, problem, Refusal::BadSignature)
            }
            PolicyVerdict::Embedded(_) => {
                let problem = "the verdict is about another kind of signature".to_owned();
                refused(PRESENT, problem, Refusal::BadSignature)
            }
        }
    }
}

fn refused(check: &'static str, problem: String, refusal: Refusal) -> VerificationReport {
    let checks = vec![NamedCheck::new(check, false, problem)];
    VerificationReport { checks, carried_by: None, refusal: Some(refusal) }
}

fn told(report: &Report) -> VerificationReport {
    let made = report.checks();
    let failed: Vec<SigstoreCheck> = report.failures().iter().map(|check| check.name).collect();
    let refusal = (!report.is_valid()).then(|| refusal_of(&failed));
    VerificationReport {
        carried_by: report.is_valid().then(|| carried_by(report.carried())),
        checks: made.into_iter().map(named).collect(),
        refusal,
    }
}

fn refusal_of(failed: &[SigstoreCheck]) -> Refusal {
    let all = |kind: &[SigstoreCheck]| {
        !failed.is_empty() && failed.iter().all(|check| kind.contains(check))
    };
    if all(&BY_TIME) {
        Refusal::Expired
    } else if all(&BY_NAME) {
        Refusal::WrongIdentity
    } else {
        Refusal::BadSignature
    }
}

fn named(check: Checked) -> NamedCheck {
    let passed = match check.outcome {
        CheckOutcome::Passed => Some(true),
        CheckOutcome::Failed => Some(false),
        CheckOutcome::Skipped | CheckOutcome::NotNeeded => None,
    };
    NamedCheck { name: check.name.name().into(), passed, detail: check.detail }
}

/// Signer, trusted root, log and time in one line.
fn carried_by(carried: &Carried) -> String {
    let mut parts = Vec::new();
    if let Some(certificate) = &carried.certificate {
        let identity = certificate.identity.as_deref().unwrap_or("a name that is no text");
        parts.push(match &certificate.issuer {
            Some(issuer) => format!("{identity} by {issuer}"),
            None => identity.to_owned(),
        });
        parts.push(format!("certificate {}", certificate.fingerprint.short()));
    }
    if let Some(key) = &carried.key {
        parts.push(format!("key {} ({})", key.id, key.fingerprint.short()));
    }
    parts.push(format!("root {}", carried.root));
    parts.extend(carried.logs.iter().map(|log| format!("log {} at {}", log.url, log.index)));
    parts.extend(carried.times.iter().map(|time| format!("signed {} says {}", time.at, time.by)));
    parts.join(", ")
}
