//! Typed identities: names people wrote, digests of bytes, and generated run ids.

use std::{fmt, str::FromStr, sync::Arc};

use newtype_uuid::{TypedUuid, TypedUuidKind, TypedUuidTag};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Longest accepted name of a fleet or node, in bytes: fits a table cell and a file name.
pub const NAME_BYTES_MAX: usize = 128;
/// Longest accepted version label, in bytes. A node may send anything; more than this is not a version.
pub const VERSION_BYTES_MAX: usize = 128;

/// Why a name or label was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error("is empty")]
    Empty,
    #[error("is longer than {max} bytes")]
    TooLong { max: usize },
    #[error("may hold only letters, digits, '.', '_', ':' and '-', not {found:?}")]
    Character { found: char },
    #[error("holds the control character {found:?}")]
    Control { found: char },
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        // Shared: a fleet names each of its nodes in several places.
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks and keeps a name of at most [`NAME_BYTES_MAX`] bytes of `[A-Za-z0-9._:-]`.
            pub fn new(name: impl Into<String>) -> Result<Self, NameError> {
                let name = name.into();
                if name.is_empty() {
                    return Err(NameError::Empty);
                }
                if name.len() > NAME_BYTES_MAX {
                    return Err(NameError::TooLong { max: NAME_BYTES_MAX });
                }
                match name.chars().find(|c| !(c.is_ascii_alphanumeric() || "._:-".contains(*c))) {
                    Some(found) => Err(NameError::Character { found }),
                    None => Ok(Self(name.into())),
                }
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(name: String) -> Result<Self, NameError> {
                Self::new(name)
            }
        }
        impl FromStr for $name {
            type Err = NameError;
            fn from_str(name: &str) -> Result<Self, NameError> {
                Self::new(name)
            }
        }
        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.as_ref().to_owned()
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name_type! {
    /// Name of a fleet, unique on this machine.
    FleetId
}
name_type! {
    /// Name of a node, unique in its fleet.
    NodeId
}

/// A version as a node or bundle names it: a label, never an identity (invariant 6). Shared, as most nodes have the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version(Arc<str>);

impl Version {
    /// Keeps any printable label of 1 to [`VERSION_BYTES_MAX`] bytes.
    pub fn new(label: impl Into<String>) -> Result<Self, NameError> {
        let label = label.into();
        if label.is_empty() {
            return Err(NameError::Empty);
        }
        if label.len() > VERSION_BYTES_MAX {
            return Err(NameError::TooLong { max: VERSION_BYTES_MAX });
        }
        match label.chars().find(|c| c.is_control()) {
            Some(found) => Err(NameError::Control { found }),
            None => Ok(Self(label.into())),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Version {
    type Error = NameError;
    fn try_from(label: String) -> Result<Self, NameError> {
        Self::new(label)
    }
}
impl FromStr for Version {
    type Err = NameError;
    fn from_str(label: &str) -> Result<Self, NameError> {
        Self::new(label)
    }
}
impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.0.as_ref().to_owned()
    }
}
impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A SHA-256 (FIPS 180-4), written as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

/// The text is not 64 hex digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a SHA-256 in 64 hex digits")]
pub struct DigestError {
    pub text: String,
}

impl Digest {
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub fn to_hex(self) -> String {
        hex::encode(self.0)
    }

    /// The first 12 hex digits, as shown in tables.
    pub fn short(self) -> String {
        hex::encode(&self.0[..6])
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.short())
    }
}
impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex())
    }
}
impl FromStr for Digest {
    type Err = DigestError;
    fn from_str(text: &str) -> Result<Self, DigestError> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes)
            .map_err(|_| DigestError { text: text.chars().take(80).collect() })?;
        Ok(Self(bytes))
    }
}
impl TryFrom<String> for Digest {
    type Error = DigestError;
    fn try_from(text: String) -> Result<Self, DigestError> {
        text.parse()
    }
}
impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_hex()
    }
}

macro_rules! digest_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Digest);

        impl $name {
            pub fn short(self) -> String {
                self.0.short()
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
        impl FromStr for $name {
            type Err = DigestError;
            fn from_str(text: &str) -> Result<Self, DigestError> {
                text.parse().map(Self)
            }
        }
    };
}

digest_type! {
    /// SHA-256 of the bundle's bytes as served or as they stand in the file.
    BundleDigest
}
digest_type! {
    /// SHA-256 over the policies really in force: see [`crate::content::content_digest`].
    ContentDigest
}
digest_type! {
    /// SHA-256 of the canonical bytes of a plan.
    PlanHash
}

macro_rules! uuid_kind {
    ($(#[$doc:meta])* $kind:ident, $alias:ident, $tag:literal) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $kind {}
        impl TypedUuidKind for $kind {
            fn tag() -> TypedUuidTag {
                const TAG: TypedUuidTag = TypedUuidTag::new($tag);
                TAG
            }
        }
        $(#[$doc])*
        pub type $alias = TypedUuid<$kind>;
    };
}

uuid_kind! {
    /// One sweep over a fleet (UUID version 7, RFC 9562).
    SnapshotKind, SnapshotId, "snapshot"
}
uuid_kind! {
    /// One execution of a plan (UUID version 7, RFC 9562).
    RunKind, RunId, "run"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_refuse_what_a_terminal_or_path_would_act_on() {
        for bad in ["", "a b", "a/b", "..\u{1b}[2J", "<b>", &"x".repeat(129)] {
            assert!(NodeId::new(bad).is_err(), "{bad:?}");
        }
        assert!(NodeId::new("eu-gw-017.prod:8083").is_ok());
        assert!(Version::new("v2\u{7}").is_err());
    }

    #[test]
    fn digests_read_back_what_they_print() {
        let digest = Digest::of(b"abc");
        assert_eq!(
            digest.to_hex(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(digest.to_string().parse(), Ok(digest));
        assert!("xyz".parse::<Digest>().is_err());
    }
}
