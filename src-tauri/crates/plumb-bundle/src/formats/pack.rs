//! Policy packs: a deterministic tar with `opa/*.rego`, `data/*.json`, `README.md`, `signing/` and
//! a `manifest.json` whose `digest` names the pack.

mod opa_form;

use plumb_fleet::{
    content::{Ordering, content_digest},
    ids::{BundleDigest, Digest},
};

use super::{
    archive::{self, ArchiveError, Members},
    opa_archive::{data_files, has_extension, is_data, modules, version_or_digest},
};
use crate::{
    bundle::{Bundle, Format, Metadata},
    canonical::canonical,
    json::{Layout, Value, parse, print},
};
pub use opa_form::{BUNDLE_MEDIA_TYPE, Document, OpaForm};

/// The manifest's name in a pack.
pub const MANIFEST: &str = "manifest.json";

/// A policy pack, unpacked in memory.
#[derive(Debug, Clone)]
pub struct PolicyPack {
    files: Members,
    manifest: Value,
    claimed: Option<Digest>,
    digest: BundleDigest,
    bytes: usize,
}

impl PolicyPack {
    /// Reads a pack under limits.
    pub fn read(bytes: &[u8]) -> Result<Self, ArchiveError> {
        archive::check_size(bytes)?;
        let files = archive::read(bytes, |_| false)?;
        let manifest = match files.get(MANIFEST) {
            Some(text) => parse(text)
                .map_err(|error| ArchiveError::Json { path: MANIFEST.to_owned(), error })?,
            None => Value::Object(Vec::new()),
        };
        if manifest.as_object().is_none() {
            return Err(content("must be an object"));
        }
        let claimed = manifest.get("digest").map(claimed_digest).transpose()?.flatten();
        let digest = BundleDigest(Digest::of(bytes));
        Ok(Self { files, manifest, claimed, digest, bytes: bytes.len() })
    }

    pub fn files(&self) -> &Members {
        &self.files
    }

    pub fn manifest(&self) -> &Value {
        &self.manifest
    }

    /// SHA-256 of the tar as served.
    pub fn digest(&self) -> BundleDigest {
        self.digest
    }

    /// The digest `manifest.json` names, where it names one.
    pub fn claimed_digest(&self) -> Option<Digest> {
        self.claimed
    }

    /// The digest a manifest can name: of the deterministic tar of what it describes, that is
    /// without itself and without `signing/`, which come later.
    pub fn described_digest(&self) -> Result<Digest, ArchiveError> {
        described_digest(&self.files)
    }

    /// The domain form: one policy for each Rego module and the data files, as for an OPA bundle.
    pub fn to_bundle(&self) -> Result<Bundle, ArchiveError> {
        let policies = modules(&self.files)?;
        if policies.is_empty() {
            return Err(ArchiveError::Empty);
        }
        let text =
            |keys: [&str; 3]| keys.into_iter().find_map(|key| self.manifest.get(key)?.as_str());
        Ok(Bundle {
            id: text(["id", "packId", "name"])
                .filter(|id| !id.is_empty())
                .unwrap_or("pack")
                .to_owned(),
            version: version_or_digest(
                text(["version", "revision", "packVersion"]),
                MANIFEST,
                self.digest,
            )?,
            issued_at: text(["created_at", "createdAt", "issued_at"])
                .and_then(|at| at.parse().ok()),
            issuer: text(["issuer", "publisher", "author"]).map(str::to_owned),
            digest: self.digest,
            content: content_digest(
                policies.iter().map(|p| (p.id.as_str(), p.digest)),
                Ordering::Unordered,
            ),
            ordering: Ordering::Unordered,
            policies,
            data: data_files(&self.files, is_pack_data)?,
            format: Format::PolicyPack,
            metadata: Metadata { text: canonical(&self.manifest), ..Metadata::default() },
            bytes: self.bytes,
        })
    }
}

/// Everything structured below `data/`, and what OPA would load from anywhere else.
fn is_pack_data(path: &str) -> bool {
    let below = path.starts_with("data/") && has_extension(path, &["json", "yaml", "yml"]);
    below || is_data(path)
}

fn content(problem: &str) -> ArchiveError {
    ArchiveError::Content { path: MANIFEST.to_owned(), problem: problem.to_owned() }
}

/// Reads `{"algorithm": "sha256", "value": "<hex>"}`; an empty value is a place not yet filled.
fn claimed_digest(digest: &Value) -> Result<Option<Digest>, ArchiveError> {
    let text = |key| digest.get(key).and_then(Value::as_str);
    match text("algorithm").map(str::to_ascii_lowercase).as_deref() {
        None | Some("sha256" | "sha-256") => {}
        Some(_) => return Err(content("digest.algorithm must be sha256")),
    }
    match text("value") {
        None | Some("") => Ok(None),
        Some(hex) => {
            let digest = hex.to_ascii_lowercase().parse();
            digest.map(Some).map_err(|_| content("digest.value must be 64 hex digits"))
        }
    }
}

fn described_digest(files: &Members) -> Result<Digest, ArchiveError> {
    let described = files
        .iter()
        .filter(|(path, _)| path.as_str() != MANIFEST && !path.starts_with("signing/"))
        .map(|(path, content)| (path.clone(), content.clone()));
    Ok(Digest::of(&archive::write(&described.collect())?))
}

/// Writes a pack: `manifest.json` gets the digest of what it describes, all else stays as given.
pub fn write(manifest: &Value, files: &Members) -> Result<Vec<u8>, ArchiveError> {
    let digest = Value::object([
        ("algorithm", Value::from("sha256")),
        ("value", Value::from(described_digest(files)?.to_hex().as_str())),
    ]);
    let mut manifest = manifest.clone();
    manifest.set("digest", digest);
    let mut files = files.clone();
    files.insert(MANIFEST.to_owned(), print(&manifest, Layout::PythonFile).into_bytes());
    archive::write(&files)
}

#[cfg(test)]
mod tests;
