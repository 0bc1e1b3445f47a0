//! One domain type for every bundle format.

use jiff::Timestamp;
use plumb_fleet::{
    content::{Ordering, Policy, PolicyRef, content_digest},
    ids::{BundleDigest, ContentDigest, Digest, Version},
};

use crate::{
    formats::{
        archive::ArchiveError,
        opa_archive::OpaArchive,
        pack::PolicyPack,
        signed_json::{SignedJson, StructureError},
    },
    json::{Fault, JsonError},
    limits::BUNDLE_BYTES_MAX,
};

/// How a bundle is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// One JSON document with its signature inside.
    SignedJson,
    /// An Open Policy Agent bundle: a gzip tar with Rego modules and data.
    OpaArchive,
    /// A policy pack: a plain tar with Rego modules, data and a manifest.
    PolicyPack,
}

impl Format {
    /// Tells a format by its first bytes; everything that is no archive is taken for JSON.
    pub fn of(bytes: &[u8]) -> Self {
        if bytes.starts_with(&[0x1f, 0x8b]) {
            Self::OpaArchive
        } else if bytes.get(257..262) == Some(b"ustar") {
            Self::PolicyPack
        } else {
            Self::SignedJson
        }
    }
}

/// How long a bundle says it may be taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Expiry {
    /// It sets no end; archives never do.
    #[default]
    Never,
    /// From this moment on it is expired.
    At(Timestamp),
    /// Its end cannot be read. The text is kept so that nobody takes it for a bundle without an end.
    Unreadable(String),
}

impl Expiry {
    /// The moment, where there is one.
    pub fn at(&self) -> Option<Timestamp> {
        match self {
            Self::At(at) => Some(*at),
            Self::Never | Self::Unreadable(_) => None,
        }
    }
}

/// What a bundle says about itself beyond its name; claims, not facts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    pub description: Option<String>,
    pub algorithm: Option<String>,
    pub expiry: Expiry,
    pub tags: Vec<String>,
    /// The whole section as canonical JSON (`{}` where the format has none).
    pub text: String,
}

/// A file of an archive that its policies read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseDocument {
    pub path: String,
    /// Of the text, so that the layout of a JSON file is no content.
    pub digest: Digest,
    /// Canonical JSON, or the YAML as it stands in the archive.
    pub text: String,
}

/// A set of policies, named by its digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    pub id: String,
    /// A label; two bundles are the same when their digests are.
    pub version: Version,
    pub issued_at: Option<Timestamp>,
    pub issuer: Option<String>,
    /// Of the bytes of the file.
    pub digest: BundleDigest,
    /// Of the policies, so that two files with equal policies are equal here.
    pub content: ContentDigest,
    pub ordering: Ordering,
    pub policies: Vec<Policy>,
    /// Data files by path. They decide as much as policies do, but a node does not say which it has,
    /// so they are no part of `content`; see [`Bundle::data_digest`].
    pub data: Vec<BaseDocument>,
    pub format: Format,
    pub metadata: Metadata,
    /// Size of the file.
    pub bytes: usize,
}

/// Why a file is no bundle.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    #[error("a bundle of {bytes} bytes, more than the {max} allowed")]
    TooLarge { bytes: usize, max: usize },
    #[error("the bundle is not valid JSON")]
    Json(#[from] JsonError),
    #[error(transparent)]
    Structure(#[from] StructureError),
    #[error("the bundle archive was refused")]
    Archive(#[from] ArchiveError),
}

impl From<Fault> for BundleError {
    fn from(fault: Fault) -> Self {
        Self::Json(*fault)
    }
}

impl Bundle {
    /// Reads a bundle of any format and checks its structure; trust is decided elsewhere.
    pub fn read(bytes: &[u8]) -> Result<Self, BundleError> {
        if bytes.len() > BUNDLE_BYTES_MAX {
            return Err(BundleError::TooLarge { bytes: bytes.len(), max: BUNDLE_BYTES_MAX });
        }
        match Format::of(bytes) {
            Format::SignedJson => {
                Ok(SignedJson::read(bytes)?.to_bundle(BundleDigest(Digest::of(bytes))))
            }
            Format::OpaArchive => Ok(OpaArchive::read(bytes)?.to_bundle()?),
            Format::PolicyPack => Ok(PolicyPack::read(bytes)?.to_bundle()?),
        }
    }

    /// One digest over all data files, by the formula of a set of policies; none where there are none.
    pub fn data_digest(&self) -> Option<ContentDigest> {
        let files = || self.data.iter().map(|file| (file.path.as_str(), file.digest));
        (!self.data.is_empty()).then(|| content_digest(files(), Ordering::Unordered))
    }

    /// Whether two bundles decide alike: equal policies, in order where it decides, and equal data.
    pub fn same_meaning(&self, other: &Self) -> bool {
        self.content == other.content && self.data_digest() == other.data_digest()
    }

    /// Names and digests of the policies, in the bundle's order.
    pub fn policy_refs(&self) -> Vec<PolicyRef> {
        self.policies.iter().map(PolicyRef::from).collect()
    }
}
