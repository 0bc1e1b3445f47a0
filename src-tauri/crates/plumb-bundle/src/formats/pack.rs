//! Policy packs: a deterministic tar with `opa/*.rego`, `data/*.json`, `README.md`, `signing/` and
//! a `manifest.json` whose `digest` names the pack.
//!
//! Our extension: instead of modules a pack may hold exactly one signed JSON bundle, as
//! `policies/<name>.signed.json`, so that one registry serves fleets of both kinds.

mod opa_form;

use plumb_fleet::{
    content::{Ordering, content_digest},
    ids::{BundleDigest, Digest},
};

use super::{
    archive::{self, ArchiveError, Members},
    opa_archive::{data_files, has_extension, is_data, modules, version_or_digest},
    signed_json::SignedJson,
};
use crate::{
    bundle::{Bundle, BundleError, Format, Metadata},
    canonical::canonical,
    json::{Layout, Value, parse, print},
};
pub use opa_form::{BUNDLE_MEDIA_TYPE, Document, OpaForm};

/// The manifest's name in a pack.
pub const MANIFEST: &str = "manifest.json";
/// Where the signed JSON bundle of a pack stands.
const SIGNED_FOLDER: &str = "policies/";
const SIGNED_ENDING: &str = ".signed.json";

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

    /// The signed JSON bundle it holds instead of modules, with its name; its own signature is still
    /// to be checked. More than one, or one beside modules, is refused: nobody could say which decides.
    pub fn signed_bundle(&self) -> Result<Option<(&str, &[u8])>, ArchiveError> {
        let signed = |path: &str| path.starts_with(SIGNED_FOLDER) && path.ends_with(SIGNED_ENDING);
        let mut found = self.files.iter().filter(|(path, _)| signed(path));
        let Some((path, bytes)) = found.next() else { return Ok(None) };
        let refused =
            |path: &str, problem: String| ArchiveError::Content { path: path.to_owned(), problem };
        if let Some((second, _)) = found.next() {
            return Err(refused(second, format!("is a second bundle beside {path:?}")));
        }
        if let Some(module) = self.files.keys().find(|path| has_extension(path, &["rego"])) {
            return Err(refused(path, format!("stands beside the module {module:?}")));
        }
        Ok(Some((path, bytes)))
    }

    /// The domain form: one policy for each Rego module and the data files, as for an OPA bundle; or
    /// the policies of its signed JSON bundle, as they are in the bundle itself.
    pub fn to_bundle(&self) -> Result<Bundle, ArchiveError> {
        if let Some((path, bytes)) = self.signed_bundle()? {
            return self.of_signed(path, bytes);
        }
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

impl PolicyPack {
    fn of_signed(&self, path: &str, bytes: &[u8]) -> Result<Bundle, ArchiveError> {
        let refused = |problem: String| ArchiveError::Content { path: path.to_owned(), problem };
        let document = SignedJson::read(bytes).map_err(|error| refused(told(&error)))?;
        let claimed = self.manifest.get("version").and_then(Value::as_str);
        if let Some(claimed) = claimed.filter(|claimed| *claimed != document.version().as_str()) {
            let own = document.version();
            return Err(refused(format!("is version {own:?}, and {MANIFEST} says {claimed:?}")));
        }
        let bundle = document.to_bundle(self.digest);
        Ok(Bundle { format: Format::PolicyPack, bytes: self.bytes, ..bundle })
    }
}

/// An error of another kind of bundle, with its cause.
fn told(error: &BundleError) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
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
