//! Everything that can go wrong with a fetch, as values: cause, stage, metric, and a text that says
//! what to do.

use std::{io, time::Duration};

use plumb_bundle::ArchiveError;
use plumb_fleet::Digest;
use serde::Serialize;

use super::{
    alert::Severity,
    digest::DigestFieldError,
    store::StoreError,
    verify::{Refusal, VerificationReport},
};

/// Where in the fixed order a fetch ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    Fetch,
    Verify,
    Store,
    Activate,
}

macro_rules! causes {
    ($($variant:ident = $name:literal, $stage:ident, $severity:ident;)+) => {
        /// Why a fetch failed, in words of bounded number: labels of metrics and kinds of alerts.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Cause {
            $($variant,)+
        }

        impl Cause {
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The name in metrics, alerts and the audit log; it stays as it is.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            pub const fn stage(self) -> Stage {
                match self { $(Self::$variant => Stage::$stage,)+ }
            }

            pub const fn severity(self) -> Severity {
                match self { $(Self::$variant => Severity::$severity,)+ }
            }
        }
    };
}

causes! {
    RegistryDown = "registry_down", Fetch, Passing;
    TimedOut = "timed_out", Fetch, Passing;
    Throttled = "throttled", Fetch, Passing;
    RegistryError = "registry_error", Fetch, Passing;
    UnknownPack = "unknown_pack", Fetch, Operator;
    Unauthorized = "unauthorized", Fetch, Operator;
    Unexpected = "unexpected_answer", Fetch, Operator;
    Truncated = "truncated", Fetch, Passing;
    TooLarge = "too_large", Fetch, Operator;
    NotModifiedWithoutCache = "not_modified_without_cache", Fetch, Operator;
    EtagLies = "etag_lies", Verify, Security;
    NoDigest = "no_digest", Verify, Security;
    DigestMismatch = "digest_mismatch", Verify, Security;
    Unsigned = "unsigned", Verify, Security;
    AttestationOfOther = "attestation_of_other", Verify, Passing;
    BadSignature = "bad_signature", Verify, Security;
    WrongIdentity = "wrong_identity", Verify, Security;
    Expired = "expired", Verify, Security;
    Unpack = "unpack_refused", Verify, Security;
    WrongPack = "wrong_pack", Verify, Security;
    DiskFull = "disk_full", Store, Operator;
    Disk = "disk", Store, Operator;
    ActivationRefused = "activation_refused", Activate, Operator;
    ActivationTimedOut = "activation_timed_out", Activate, Operator;
    TakenBack = "taken_back", Activate, Operator;
}

impl Serialize for Cause {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Why a fetch brought nothing into force. What was in force before still is.
#[derive(Debug, thiserror::Error)]
pub enum FetchFailure {
    #[error("the registry cannot be reached: {problem}")]
    RegistryDown { problem: String },
    #[error("the registry did not answer in time")]
    TimedOut,
    #[error("the registry answered {status}{excerpt}")]
    Status { status: u16, excerpt: String, retry_after: Option<Duration> },
    #[error(
        "the registry answered {status}, a redirect; redirects are not followed: give the address it leads to"
    )]
    Redirected { status: u16 },
    #[error("the answer {problem}")]
    Unexpected { problem: String },
    #[error("the pack was cut short after {found} bytes: {problem}")]
    Truncated { found: u64, problem: String },
    #[error("the {what} is larger than the {max} bytes allowed")]
    TooLarge { what: &'static str, max: usize },
    #[error("the registry answered \"not modified\" to a request that had no condition")]
    NotModifiedWithoutCache,
    #[error("the ETag {etag} is not that of the pack, whose SHA-256 is {found}")]
    EtagLies { etag: String, found: Digest },
    #[error("the answer has no usable Digest header")]
    NoDigest(#[source] DigestFieldError),
    #[error("the pack's SHA-256 is {found}, but its Digest header says {claimed}")]
    DigestMismatch { claimed: Digest, found: Digest },
    #[error("the registry has no attestation of the pack")]
    Unsigned,
    #[error(
        "the attestation belongs to another pack than the one just read; it was replaced meanwhile"
    )]
    AttestationOfOther,
    #[error("{}", report.refusal_text())]
    Untrusted { refusal: Refusal, report: Box<VerificationReport> },
    #[error("the pack is refused")]
    Unpack(#[source] ArchiveError),
    #[error("the pack calls itself {found:?}, not {wanted:?}")]
    WrongPack { wanted: String, found: String },
    #[error("the pack could not be stored")]
    Store(#[source] StoreError),
    #[error("the engine refused the pack: {reason}")]
    ActivationRefused { reason: String },
    #[error("the engine did not take the pack within {limit_s} s")]
    ActivationTimedOut { limit_s: u64 },
    #[error("the pack was taken back after it came into force: {reason}; publish another")]
    TakenBack { reason: String },
}

impl FetchFailure {
    pub fn cause(&self) -> Cause {
        match self {
            Self::RegistryDown { .. } => Cause::RegistryDown,
            Self::TimedOut => Cause::TimedOut,
            Self::Status { status, .. } => match status {
                401 | 403 => Cause::Unauthorized,
                404 | 410 => Cause::UnknownPack,
                429 => Cause::Throttled,
                500.. => Cause::RegistryError,
                _ => Cause::Unexpected,
            },
            Self::Redirected { .. } | Self::Unexpected { .. } => Cause::Unexpected,
            Self::Truncated { .. } => Cause::Truncated,
            Self::TooLarge { .. } => Cause::TooLarge,
            Self::NotModifiedWithoutCache => Cause::NotModifiedWithoutCache,
            Self::EtagLies { .. } => Cause::EtagLies,
            Self::NoDigest(_) => Cause::NoDigest,
            Self::DigestMismatch { .. } => Cause::DigestMismatch,
            Self::Unsigned => Cause::Unsigned,
            Self::AttestationOfOther => Cause::AttestationOfOther,
            Self::Untrusted { refusal, .. } => match refusal {
                Refusal::Unsigned => Cause::Unsigned,
                Refusal::WrongIdentity => Cause::WrongIdentity,
                Refusal::Expired => Cause::Expired,
                Refusal::BadSignature => Cause::BadSignature,
            },
            Self::Unpack(_) => Cause::Unpack,
            Self::WrongPack { .. } => Cause::WrongPack,
            Self::Store(error) if error.is_disk_full() => Cause::DiskFull,
            Self::Store(_) => Cause::Disk,
            Self::ActivationRefused { .. } => Cause::ActivationRefused,
            Self::ActivationTimedOut { .. } => Cause::ActivationTimedOut,
            Self::TakenBack { .. } => Cause::TakenBack,
        }
    }

    /// How long the registry asked to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// Whether an error of the system says that a disk or quota is full.
pub(crate) fn is_disk_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
