//! What a verifier of packs promises, and what it reports.

use std::{borrow::Cow, fmt};

use jiff::Timestamp;
use plumb_fleet::Digest;
use plumb_wire::v1::SignatureCheck;
use serde::Serialize;

/// Somebody who can tell whether an attestation vouches for a pack.
pub trait PackVerifier: Send + Sync + fmt::Debug {
    /// Judges a pack by its attestation, as of `now`. Runs on a thread that may block.
    fn verify(&self, signed: Signed<'_>, now: Timestamp) -> VerificationReport;
}

/// What is to be judged.
#[derive(Debug, Clone, Copy)]
pub struct Signed<'a> {
    pub pack_id: &'a str,
    /// SHA-256 of `tar`, computed here.
    pub digest: Digest,
    pub tar: &'a [u8],
    pub attestation: &'a [u8],
}

/// Why a pack is not trusted, as far as somebody has to act differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// There is no signature.
    Unsigned,
    /// Somebody signed, but not whom the policy expects.
    WrongIdentity,
    /// Only time speaks against it: it would have been trusted when it was signed.
    Expired,
    /// Everything else.
    BadSignature,
}

/// One check by its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NamedCheck {
    pub name: Cow<'static, str>,
    /// Nothing when it was not made.
    pub passed: Option<bool>,
    pub detail: String,
}

impl NamedCheck {
    pub fn new(
        name: impl Into<Cow<'static, str>>,
        passed: bool,
        detail: impl Into<String>,
    ) -> Self {
        Self { name: name.into(), passed: Some(passed), detail: detail.into() }
    }
}

/// Every check that was made, and what carried the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VerificationReport {
    pub checks: Vec<NamedCheck>,
    /// Key or certificate, identity, log and time that carried it; nothing when nothing did.
    pub carried_by: Option<String>,
    /// Set when the pack is refused.
    pub refusal: Option<Refusal>,
}

impl VerificationReport {
    /// True when something carried it, checks were made, and none failed.
    pub fn is_trusted(&self) -> bool {
        self.refusal.is_none()
            && self.carried_by.is_some()
            && self.checks.iter().any(|check| check.passed == Some(true))
            && self.checks.iter().all(|check| check.passed != Some(false))
    }

    /// The checks that were made, as the agent's contract tells them.
    pub(crate) fn made(&self) -> Vec<SignatureCheck> {
        let made = self.checks.iter().filter_map(|check| {
            let passed = check.passed?;
            let detail = Some(check.detail.clone());
            Some(SignatureCheck { name: check.name.to_string(), passed, detail })
        });
        made.collect()
    }

    /// Why it is refused; a report that is not trusted and gives no reason is a bad signature.
    pub(crate) fn reason(&self) -> Refusal {
        self.refusal.unwrap_or(Refusal::BadSignature)
    }

    pub(crate) fn refusal_text(&self) -> String {
        let failed = self.checks.iter().find(|check| check.passed == Some(false));
        match failed {
            Some(check) => format!("verification failed: {}: {}", check.name, check.detail),
            None => "verification failed: no check passed".to_owned(),
        }
    }
}
