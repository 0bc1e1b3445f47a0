//! Making signed JSON bundles: a draft becomes an unsigned document, a signature completes it.

use jiff::Timestamp;
use plumb_fleet::ids::Digest;

use super::SignedJson;
use crate::{
    bundle::BundleError,
    canonical::canonical,
    json::{Layout, Text, Value, parse, print},
};

/// The only algorithm of this format: RSA-PSS with MGF1-SHA-256, SHA-256 and maximum salt.
pub const SIGNATURE_ALGORITHM: &str = "RSA-PSS-SHA256";

/// The `signature` section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureBlock {
    pub algorithm: String,
    /// A hint which key signed; never a reason to trust one.
    pub key_id: Option<String>,
    pub signature_b64: String,
    /// The hash the file claims, as written.
    pub hash: String,
}

/// What a new bundle says.
#[derive(Debug, Clone)]
pub struct BundleDraft {
    pub id: String,
    pub version: String,
    pub issued_at: Timestamp,
    pub issuer: Option<String>,
    pub description: Option<String>,
    pub expires_at: Option<Timestamp>,
    pub tags: Vec<String>,
    /// Each an object with at least `id` and `effect`, in the order in which they are tried.
    pub policies: Vec<Value>,
}

impl BundleDraft {
    /// Makes the document and checks it as a reader would.
    pub fn build(self) -> Result<UnsignedBundle, BundleError> {
        let mut metadata = Value::object([
            ("bundle_id", Value::from(self.id.as_str())),
            ("version", Value::from(self.version.as_str())),
            ("issued_at", Value::from(self.issued_at.to_string().as_str())),
        ]);
        let optional = [
            ("issuer", self.issuer),
            ("description", self.description),
            ("expires_at", self.expires_at.map(|at| at.to_string())),
        ];
        for (key, text) in optional {
            if let Some(text) = text {
                metadata.set(key, Value::from(text.as_str()));
            }
        }
        if !self.tags.is_empty() {
            let tags = self.tags.iter().map(|tag| Value::from(tag.as_str())).collect();
            metadata.set("tags", Value::Array(tags));
        }
        let document =
            Value::object([("metadata", metadata), ("policies", Value::Array(self.policies))]);
        UnsignedBundle::check(document)
    }
}

/// A sound bundle without a signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsignedBundle {
    document: Value,
}

impl UnsignedBundle {
    /// Reads a bundle file; a signature in it is dropped.
    pub fn read(bytes: &[u8]) -> Result<Self, BundleError> {
        let mut document = parse(bytes)?;
        document.remove("signature");
        Self::check(document)
    }

    fn check(document: Value) -> Result<Self, BundleError> {
        SignedJson::read(canonical(&document).as_bytes())?;
        Ok(Self { document })
    }

    pub(super) fn from_document(document: Value) -> Self {
        Self { document }
    }

    pub fn document(&self) -> &Value {
        &self.document
    }

    /// The hash to sign, as 64 hex characters.
    pub fn signed_hash(&self) -> Digest {
        Digest::of(canonical(&self.document).as_bytes())
    }

    /// The file as the field's tools write it: sorted keys, two spaces, ASCII.
    pub fn to_file(&self) -> Vec<u8> {
        print(&self.document, Layout::PythonFile).into_bytes()
    }

    /// The file with a signature over [`Self::signed_hash`].
    pub fn to_signed_file(&self, signature: &SignatureBlock) -> Vec<u8> {
        let mut section = Value::object([
            ("algorithm", Value::from(signature.algorithm.as_str())),
            ("signature_b64", Value::from(signature.signature_b64.as_str())),
            ("hash", Value::from(signature.hash.as_str())),
        ]);
        if let Some(key_id) = &signature.key_id {
            section.set("key_id", Value::from(key_id.as_str()));
        }
        let mut document = self.document.clone();
        if let Value::Object(members) = &mut document {
            members.push((Text::from("signature"), section));
        }
        print(&document, Layout::PythonFile).into_bytes()
    }
}
