//! What a check of a signature found, check by check.

use std::fmt;

use plumb_fleet::ids::Digest;

use crate::keys::TrustedKey;

/// The checks there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckName {
    /// The file carries exactly one signature.
    SignaturePresent,
    /// The signature names an algorithm this format allows.
    Algorithm,
    /// The hash the file claims is the hash of what it says.
    ContentHash,
    /// The signature was made by one of the trusted keys.
    TrustedSignature,
    /// The signature was made for this use.
    Scope,
    /// Every file is signed, and every signed file is there.
    Files,
    /// The moment the bundle ends, if it sets one, has not come.
    NotExpired,
}

impl fmt::Display for CheckName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SignaturePresent => "signature present",
            Self::Algorithm => "algorithm",
            Self::ContentHash => "content hash",
            Self::TrustedSignature => "trusted signature",
            Self::Scope => "scope",
            Self::Files => "files",
            Self::NotExpired => "not expired",
        })
    }
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Passed,
    Failed,
    /// Not made, because one before it failed.
    Skipped,
}

/// One check and what it found.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Check {
    pub name: CheckName,
    pub outcome: Outcome,
    pub detail: String,
}

/// The key that carried a verdict.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct KeyUse {
    pub scheme: &'static str,
    /// The name the reader gave the key.
    pub key_id: String,
    /// SHA-256 of the key in DER (`SubjectPublicKeyInfo`).
    pub fingerprint: Digest,
}

impl KeyUse {
    pub(crate) fn of(scheme: &'static str, key: &TrustedKey) -> Self {
        Self { scheme, key_id: key.id().to_owned(), fingerprint: key.fingerprint() }
    }
}

/// Whether bytes may be trusted, and why.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Verdict {
    checks: Vec<Check>,
    key: Option<KeyUse>,
    /// The key the file names. A hint for people, never a reason.
    key_hint: Option<String>,
}

impl Verdict {
    pub(crate) fn new(key_hint: Option<String>) -> Self {
        Self { checks: Vec::new(), key: None, key_hint }
    }

    pub(crate) fn hint(&mut self, key_hint: Option<String>) {
        self.key_hint = key_hint;
    }

    pub(crate) fn check(
        &mut self,
        name: CheckName,
        passed: bool,
        detail: impl Into<String>,
    ) -> bool {
        let outcome = if passed { Outcome::Passed } else { Outcome::Failed };
        self.checks.push(Check { name, outcome, detail: detail.into() });
        passed
    }

    pub(crate) fn skip(mut self, names: &[CheckName]) -> Self {
        let skipped = names.iter().map(|name| Check {
            name: *name,
            outcome: Outcome::Skipped,
            detail: "not made, because a check before it failed".to_owned(),
        });
        self.checks.extend(skipped);
        self
    }

    pub(crate) fn carried_by(&mut self, key: KeyUse) {
        self.key = Some(key);
    }

    /// True when a trusted key signed and every check passed.
    pub fn is_trusted(&self) -> bool {
        self.key.is_some() && self.checks.iter().all(|check| check.outcome == Outcome::Passed)
    }

    pub fn checks(&self) -> &[Check] {
        &self.checks
    }

    /// The key that carried the verdict, if a trusted key signed.
    pub fn key(&self) -> Option<&KeyUse> {
        self.key.as_ref()
    }

    pub fn key_hint(&self) -> Option<&str> {
        self.key_hint.as_deref()
    }

    /// True when a trusted key signed the bundle and its expiry is all that speaks against it.
    pub fn is_expired(&self) -> bool {
        let failed = |check: &&Check| check.outcome != Outcome::Passed;
        self.key.is_some()
            && self.checks.iter().filter(failed).all(|check| check.name == CheckName::NotExpired)
            && !self.is_trusted()
    }

    /// The first check that failed.
    pub fn failure(&self) -> Option<&Check> {
        self.checks.iter().find(|check| check.outcome == Outcome::Failed)
    }
}
