//! The Sigstore project's own verifier, behind a trait: what it checks and ours does not, and a
//! second opinion on the rest.
//!
//! It reads the system's clock to refuse what lies in the future. It is asked only after the same
//! was checked against the caller's `now`, so it can refuse more and never accept more.

use sigstore_types::{Bundle, DerPublicKey, Sha256Hash};
use sigstore_verify::{
    CertificateError, Error, PublicKeyVerificationPolicy, TimestampError, TransparencyLogError,
    VerificationPolicy, Verifier,
};

use super::{Artifact, SigstoreCheck, root::SigstoreRoot};

/// What a verifier is asked.
#[derive(Debug)]
pub(super) struct Request<'a> {
    pub(super) bundle: &'a Bundle,
    pub(super) artifact: Artifact<'a>,
    /// The key of the signer, where the bundle has no certificate.
    pub(super) key: Option<&'a DerPublicKey>,
    pub(super) logged: bool,
    pub(super) with_sct: bool,
}

/// Which check a verifier refused, and why.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) check: SigstoreCheck,
    pub(super) detail: String,
}

/// Somebody who can verify chain, certificate timestamp, entry and signature.
pub(super) trait Engine {
    fn judge(&self, request: &Request<'_>) -> Result<(), Refusal>;
}

impl Engine for SigstoreRoot {
    fn judge(&self, request: &Request<'_>) -> Result<(), Refusal> {
        judge(&self.verifier, request).map_err(|error| refusal(&error))
    }
}

fn judge(verifier: &Verifier, request: &Request<'_>) -> Result<(), Error> {
    let artifact = match request.artifact {
        Artifact::Bytes(bytes) => sigstore_types::Artifact::Blob(bytes),
        Artifact::Digest(digest) => {
            sigstore_types::Artifact::from_digest(Sha256Hash::new(*digest.as_bytes()))
        }
    };
    let done = if let Some(key) = request.key {
        let policy = PublicKeyVerificationPolicy::new(key.clone());
        let policy = if request.logged { policy } else { policy.skip_tlog_unsafe() };
        verifier.verify(artifact, request.bundle, &policy)
    } else {
        let policy = VerificationPolicy::any_identity();
        let policy = if request.logged { policy } else { policy.skip_tlog_unsafe() };
        let policy = if request.with_sct { policy } else { policy.skip_sct() };
        verifier.verify(artifact, request.bundle, &policy)
    };
    done.map(drop)
}

/// The check that an error is about. The digest was compared before, so a mismatch is the entry's.
fn refusal(error: &Error) -> Refusal {
    use SigstoreCheck as Check;
    let check = match error {
        Error::Certificate(error) => match error {
            CertificateError::Malformed(_) => Check::CertificateFormat,
            CertificateError::NoValidAuthority { .. } => Check::CertificateAuthorityWindow,
            CertificateError::NotYetValid { .. } | CertificateError::Expired { .. } => {
                Check::CertificateTime
            }
            CertificateError::Sct(_) => Check::CertificateSct,
            _ => Check::CertificateChain,
        },
        Error::TransparencyLog(error) => match error {
            TransparencyLogError::UnknownLog { .. } => Check::LogKnown,
            TransparencyLogError::InclusionProof(_) => Check::LogInclusionProof,
            TransparencyLogError::Checkpoint(_) => Check::LogCheckpoint,
            TransparencyLogError::InclusionPromise(_) => Check::LogInclusionPromise,
            TransparencyLogError::IntegratedTime(_) => Check::TimestampNotFuture,
            _ => Check::LogEntry,
        },
        Error::Timestamp(error) => match error {
            TimestampError::OutsideAuthorityValidity { .. } => Check::TimestampWindow,
            TimestampError::NoVerifiedTimestamp(_) => Check::TimestampPresent,
            _ => Check::TimestampTsa,
        },
        Error::IdentityMismatch { .. } => Check::IdentitySan,
        Error::IssuerMismatch { .. } => Check::IdentityIssuer,
        Error::UnsupportedArtifact(_) => Check::ArtifactDigest,
        Error::ArtifactMismatch(_) | Error::UnsupportedBundle(_) => Check::LogEntry,
        Error::InvalidBundle(_) | Error::Bundle(_) | Error::Types(_) => Check::BundleFormat,
        _ => Check::Signature,
    };
    Refusal { check, detail: error.to_string() }
}
