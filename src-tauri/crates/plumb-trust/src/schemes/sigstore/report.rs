//! What a verification found: every check by a stable name, and what carried the answer.

use std::{collections::BTreeMap, fmt};

use jiff::Timestamp;
use plumb_fleet::ids::Digest;
use serde::{Serialize, Serializer};

macro_rules! checks {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)+) => {
        /// The checks there are, in the order in which a report lists them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum SigstoreCheck {
            $($(#[$doc])* $variant,)+
        }

        impl SigstoreCheck {
            /// Every check there is.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The name in reports, logs and metrics; it stays as it is.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }
    };
}

checks! {
    /// The file is one bundle, without unknown or repeated fields, within the limits.
    BundleFormat = "bundle.format",
    /// The media type is version 0.1, 0.2 or 0.3.
    BundleMediaType = "bundle.media_type",
    /// The signer is given as the version says, and as it was asked for.
    BundleMaterial = "bundle.material",
    /// The stated digest is that of the artifact.
    ArtifactDigest = "artifact.digest",
    /// The signed statement is about the artifact.
    ArtifactSubject = "artifact.subject",
    /// The certificate can be read, once and in one way.
    CertificateFormat = "certificate.format",
    /// The certificate is for signing code and for nothing else.
    CertificateUsage = "certificate.usage",
    /// The chain holds what the path needs, and no root.
    CertificatePath = "certificate.path",
    /// A trusted authority issued the certificate.
    CertificateChain = "certificate.chain",
    /// The authority was trusted when the signature was made.
    CertificateAuthorityWindow = "certificate.authority_window",
    /// The certificate was valid whenever the signature is said to have been made.
    CertificateTime = "certificate.time",
    /// One certificate log promised to publish this certificate.
    CertificateSct = "certificate.sct",
    /// That log is trusted, and was when it promised.
    CertificateSctLog = "certificate.sct_log",
    /// A timestamp authority of the trusted root stamped the signature.
    TimestampTsa = "timestamp.tsa",
    /// It was trusted at that time.
    TimestampWindow = "timestamp.window",
    /// At least one verified time says when the signature was made.
    TimestampPresent = "timestamp.present",
    /// No time lies in the future.
    TimestampNotFuture = "timestamp.not_future",
    /// The signature is logged, where the profile asks for a log.
    LogPresent = "log.present",
    /// The log is in the trusted root.
    LogKnown = "log.known",
    /// The entry is in the tree.
    LogInclusionProof = "log.inclusion_proof",
    /// The log that the entry names signed the tree.
    LogCheckpoint = "log.checkpoint",
    /// The log's promise is by the log's key.
    LogInclusionPromise = "log.inclusion_promise",
    /// The key of the log was trusted when the signature was made.
    LogKeyWindow = "log.key_window",
    /// The entry is about this signature, signer and artifact.
    LogEntry = "log.entry",
    /// The signer signed the artifact, or the statement.
    Signature = "signature",
    /// The certificate names whom the policy expects, and nobody else.
    IdentitySan = "identity.san",
    /// The issuer that the policy expects vouched for the name.
    IdentityIssuer = "identity.issuer",
}

impl fmt::Display for SigstoreCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for SigstoreCheck {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckOutcome {
    Passed,
    Failed,
    /// Not made, because one before it failed.
    Skipped,
    /// Not made, because a bundle of this kind has nothing to check.
    NotNeeded,
}

impl CheckOutcome {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::NotNeeded => "not_needed",
        }
    }
}

/// One check and what it found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Checked {
    pub name: SigstoreCheck,
    pub outcome: CheckOutcome,
    pub detail: String,
}

/// The certificate that signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CertificateUse {
    /// SHA-256 of the certificate in DER.
    pub fingerprint: Digest,
    pub identity: Option<String>,
    pub issuer: Option<String>,
    pub not_before: Timestamp,
    pub not_after: Timestamp,
    /// The address of the authority, as the trusted root lists it.
    pub authority: Option<String>,
}

/// The log that holds the signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogUse {
    pub url: String,
    /// The id of the log's key, in hex.
    pub key_id: String,
    pub index: u64,
    /// `hashedrekord 0.0.1` and its kin.
    pub kind: String,
}

/// A verified time of signing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TimeUse {
    pub at: Timestamp,
    /// The address of the timestamp authority or of the log that vouches for it.
    pub by: String,
}

/// The material that carried the answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Carried {
    /// The trusted root it was judged by, as the reader named it.
    pub root: String,
    /// SHA-256 of the signing key in DER, and the reader's name for it.
    pub key: Option<KeyMaterial>,
    pub certificate: Option<CertificateUse>,
    pub logs: Vec<LogUse>,
    pub times: Vec<TimeUse>,
}

/// A key that was given by the reader.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyMaterial {
    pub id: String,
    pub fingerprint: Digest,
}

/// Whether an artifact may be trusted, and why.
///
/// A report starts with no check made. It is valid only when every check passed or had nothing to
/// check, so a check that somebody forgets to make refuses instead of accepting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    checks: BTreeMap<SigstoreCheck, (CheckOutcome, String)>,
    pub(super) carried: Carried,
}

impl Report {
    pub(super) fn new(root: &str) -> Self {
        Self {
            checks: BTreeMap::new(),
            carried: Carried { root: root.to_owned(), ..Carried::default() },
        }
    }

    /// Records a check; one that failed stays failed.
    pub(super) fn set(&mut self, check: SigstoreCheck, outcome: CheckOutcome, detail: String) {
        let known = self.checks.get(&check).map(|(outcome, _)| *outcome);
        if known != Some(CheckOutcome::Failed) {
            self.checks.insert(check, (outcome, detail));
        }
    }

    pub(super) fn pass(&mut self, check: SigstoreCheck, detail: impl Into<String>) {
        self.set(check, CheckOutcome::Passed, detail.into());
    }

    pub(super) fn fail(&mut self, check: SigstoreCheck, detail: impl Into<String>) {
        self.set(check, CheckOutcome::Failed, detail.into());
    }

    pub(super) fn unneeded(&mut self, checks: &[SigstoreCheck], detail: &str) {
        for check in checks {
            self.set(*check, CheckOutcome::NotNeeded, detail.to_owned());
        }
    }

    /// Records what a test of one check gave.
    pub(super) fn settle(&mut self, check: SigstoreCheck, found: Result<String, String>) -> bool {
        match found {
            Ok(detail) => {
                self.pass(check, detail);
                true
            }
            Err(problem) => {
                self.fail(check, problem);
                false
            }
        }
    }

    pub(super) fn has_failed(&self, except: &[SigstoreCheck]) -> bool {
        let failed = |(check, (outcome, _)): (&SigstoreCheck, &(CheckOutcome, String))| {
            *outcome == CheckOutcome::Failed && !except.contains(check)
        };
        self.checks.iter().any(failed)
    }

    /// True when every check passed or had nothing to check.
    pub fn is_valid(&self) -> bool {
        let fine = |check: &SigstoreCheck| {
            let outcome = self.checks.get(check).map(|(outcome, _)| *outcome);
            matches!(outcome, Some(CheckOutcome::Passed | CheckOutcome::NotNeeded))
        };
        let passed = |check: SigstoreCheck| {
            self.checks.get(&check).is_some_and(|(outcome, _)| *outcome == CheckOutcome::Passed)
        };
        SigstoreCheck::ALL.iter().all(fine)
            && passed(SigstoreCheck::Signature)
            && passed(SigstoreCheck::BundleMaterial)
    }

    /// How many checks passed: the report of the signer meant has the most.
    pub(crate) fn passed(&self) -> usize {
        self.checks.values().filter(|(outcome, _)| *outcome == CheckOutcome::Passed).count()
    }

    /// Every check there is, in the same order for every bundle.
    pub fn checks(&self) -> Vec<Checked> {
        let checked = |name: &SigstoreCheck| {
            let (outcome, detail) = self.checks.get(name).cloned().unwrap_or_else(|| {
                let detail = "not made, because a check before it failed";
                (CheckOutcome::Skipped, detail.to_owned())
            });
            Checked { name: *name, outcome, detail }
        };
        SigstoreCheck::ALL.iter().map(checked).collect()
    }

    /// What failed, in the order of the report.
    pub fn failures(&self) -> Vec<Checked> {
        self.checks().into_iter().filter(|check| check.outcome == CheckOutcome::Failed).collect()
    }

    pub fn carried(&self) -> &Carried {
        &self.carried
    }
}
