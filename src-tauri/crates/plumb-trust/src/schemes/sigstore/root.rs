//! The trusted root: whose certificates, logs and timestamps count, and when they did.

use std::fmt;

use jiff::Timestamp;
use plumb_fleet::ids::Digest;
use sigstore_crypto::VerificationKey;
use sigstore_trust_root::{
    CertificateAuthority, CertificateTransparencyLog, SigstoreInstance, TimestampAuthority,
    TransparencyLog, TrustedRoot,
};
use sigstore_types::{DerCertificate, LogKeyId, TimeRange, TsaAuthority};
use sigstore_verify::Verifier;

/// Longest trusted root.
pub const TRUSTED_ROOT_BYTES_MAX: usize = 1 << 20;

/// Why a trusted root was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RootError {
    #[error("a trusted root of {bytes} bytes, more than the {max} allowed")]
    TooLarge { bytes: usize, max: usize },
    #[error("not a trusted root: {problem}")]
    Format { problem: String },
    #[error("the trusted root cannot be used: {problem}")]
    Material { problem: String },
}

/// A trusted root, read and found usable.
pub struct SigstoreRoot {
    id: String,
    pub(super) listed: TrustedRoot,
    pub(super) verifier: Verifier,
    pub(super) stamps: Vec<(String, TsaAuthority)>,
}

impl fmt::Debug for SigstoreRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigstoreRoot({})", self.id)
    }
}

/// One key or chain of a trusted root.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct RootPart {
    /// `log`, `certificate_log`, `certificate_authority` or `timestamp_authority`.
    pub kind: &'static str,
    /// The id of a log's key, or SHA-256 of an authority's first certificate; hex.
    pub key_id: String,
    pub url: String,
    pub from: Option<Timestamp>,
    pub until: Option<Timestamp>,
}

impl SigstoreRoot {
    /// Reads `trusted_root.json`; `id` is the reader's name for it.
    pub fn read(id: impl Into<String>, bytes: &[u8]) -> Result<Self, RootError> {
        if bytes.len() > TRUSTED_ROOT_BYTES_MAX {
            return Err(RootError::TooLarge { bytes: bytes.len(), max: TRUSTED_ROOT_BYTES_MAX });
        }
        let format = |problem: String| RootError::Format { problem };
        let text = std::str::from_utf8(bytes).map_err(|_| format("not UTF-8".to_owned()))?;
        let listed = TrustedRoot::from_json(text).map_err(|error| format(error.to_string()))?;
        Self::of(id.into(), listed)
    }

    /// The root of the public-good instance, as it was when this program was built.
    pub fn public_good() -> Result<Self, RootError> {
        let json = SigstoreInstance::PublicGood.embedded_trusted_root_json();
        Self::read("public good", json.as_bytes())
    }

    /// The root of the public staging instance, as it was when this program was built.
    pub fn staging() -> Result<Self, RootError> {
        let json = SigstoreInstance::Staging.embedded_trusted_root_json();
        Self::read("staging", json.as_bytes())
    }

    fn of(id: String, listed: TrustedRoot) -> Result<Self, RootError> {
        let verifier = Verifier::new(&listed)
            .map_err(|error| RootError::Material { problem: error.to_string() })?;
        let stamps = listed
            .timestamp_authorities
            .iter()
            .filter_map(|authority| {
                let url = authority.uri.clone().unwrap_or_default();
                Some((url, stamp_authority(authority)?))
            })
            .collect();
        Ok(Self { id, listed, verifier, stamps })
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn log(&self, key: &LogKeyId) -> Option<&TransparencyLog> {
        self.listed.tlogs.iter().find(|log| log.log_id.key_id == *key)
    }

    pub(super) fn certificate_log(&self, key: &[u8]) -> Option<&CertificateTransparencyLog> {
        self.listed.ctlogs.iter().find(|log| log.log_id.key_id.as_bytes() == key)
    }

    /// Everything this root trusts.
    pub fn parts(&self) -> Vec<RootPart> {
        let window = |range: Option<TimeRange>| {
            (range.map(|range| range.start), range.and_then(|range| range.end))
        };
        let part = |kind, key_id: String, url: &str, range| {
            let (from, until) = window(range);
            RootPart { kind, key_id, url: url.to_owned(), from, until }
        };
        let root = &self.listed;
        let logs = root.tlogs.iter().map(|log| {
            part(
                "log",
                hex::encode(log.log_id.key_id.as_bytes()),
                &log.base_url,
                log.public_key.valid_for,
            )
        });
        let certificate_logs = root.ctlogs.iter().map(|log| {
            let id = hex::encode(log.log_id.key_id.as_bytes());
            part("certificate_log", id, &log.base_url, log.public_key.valid_for)
        });
        let authorities = root.certificate_authorities.iter().map(|authority| {
            let id = authority_id(authority);
            part("certificate_authority", id, &authority.uri, authority.valid_for)
        });
        let stamps = root.timestamp_authorities.iter().map(|authority| {
            let url = authority.uri.as_deref().unwrap_or_default();
            part("timestamp_authority", stamp_id(authority), url, authority.valid_for)
        });
        logs.chain(certificate_logs).chain(authorities).chain(stamps).collect()
    }

    /// The same root without what is known by this id, or nothing when it has no such part.
    pub fn without(&self, key_id: &str) -> Option<Result<Self, RootError>> {
        let mut listed = self.listed.clone();
        let other = |id: &LogKeyId| hex::encode(id.as_bytes()) != key_id;
        listed.tlogs.retain(|log| other(&log.log_id.key_id));
        listed.ctlogs.retain(|log| other(&log.log_id.key_id));
        listed.certificate_authorities.retain(|ca| authority_id(ca) != key_id);
        listed.timestamp_authorities.retain(|tsa| stamp_id(tsa) != key_id);
        let count = |root: &TrustedRoot| {
            root.tlogs.len()
                + root.ctlogs.len()
                + root.certificate_authorities.len()
                + root.timestamp_authorities.len()
        };
        (count(&listed) < count(&self.listed)).then(|| Self::of(self.id.clone(), listed))
    }
}

fn id_of(first: Option<&DerCertificate>) -> String {
    first.map(|first| Digest::of(first.as_bytes()).to_hex()).unwrap_or_default()
}

fn authority_id(authority: &CertificateAuthority) -> String {
    id_of(authority.cert_chain.certificates.first().map(|entry| &entry.raw_bytes))
}

fn stamp_id(authority: &TimestampAuthority) -> String {
    id_of(authority.cert_chain.certificates.first().map(|entry| &entry.raw_bytes))
}

fn stamp_authority(authority: &TimestampAuthority) -> Option<TsaAuthority> {
    let chain = &authority.cert_chain.certificates;
    let certificates: Vec<DerCertificate> =
        chain.iter().map(|entry| entry.raw_bytes.clone()).collect();
    let (leaf, rest) = certificates.split_first()?;
    let (root, between) = rest.split_last().unwrap_or((leaf, &[]));
    Some(TsaAuthority::new(leaf.clone(), between.to_vec(), root.clone(), authority.valid_for))
}

/// The key of a log, ready to verify with.
pub(super) fn log_key(log: &TransparencyLog) -> Result<VerificationKey, String> {
    VerificationKey::from_spki(&log.public_key.raw_bytes).map_err(|error| error.to_string())
}

/// Whether a window contains a time, as text for a report.
pub(super) fn within(window: Option<TimeRange>, at: Timestamp) -> Result<(), String> {
    match window {
        Some(range) if at < range.start => Err(format!("trusted only from {} on", range.start)),
        Some(TimeRange { end: Some(end), .. }) if at > end => {
            Err(format!("trusted only until {end}"))
        }
        _ => Ok(()),
    }
}
