//! Open Policy Agent bundles: a gzip tar with `.manifest`, Rego modules, `data.json` files and
//! `.signatures.json` (<https://www.openpolicyagent.org/docs/latest/management-bundles/>).

mod hash;

use std::io::Write as _;

use flate2::{Compression, GzBuilder, read::MultiGzDecoder};
use plumb_fleet::{
    content::{Ordering, Policy, content_digest},
    ids::{BundleDigest, Digest, Version},
};

use super::archive::{self, ArchiveError, Members};
use crate::{
    bundle::{BaseDocument, Bundle, Format, Metadata},
    canonical::canonical,
    json::{Value, parse},
};
pub use hash::{FileHash, file_hash};

/// The manifest's name in an archive.
pub const MANIFEST: &str = ".manifest";
/// The signatures' name in an archive.
pub const SIGNATURES: &str = ".signatures.json";

/// An OPA bundle, unpacked in memory.
#[derive(Debug, Clone)]
pub struct OpaArchive {
    files: Members,
    manifest: Manifest,
    digest: BundleDigest,
    bytes: usize,
}

/// What `.manifest` says; every field may be missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manifest {
    /// A label somebody chose, never an identity.
    pub revision: Option<String>,
    /// Paths of `data` this bundle owns; `[""]`, everything, when missing.
    pub roots: Vec<String>,
    pub metadata: Option<Value>,
}

impl OpaArchive {
    /// Reads an archive under limits.
    pub fn read(bytes: &[u8]) -> Result<Self, ArchiveError> {
        archive::check_size(bytes)?;
        let files = archive::read(MultiGzDecoder::new(bytes), is_bundle_file)?;
        let manifest = match files.get(MANIFEST) {
            Some(text) => Manifest::read(text)?,
            None => Manifest { roots: vec![String::new()], ..Manifest::default() },
        };
        let digest = BundleDigest(Digest::of(bytes));
        Ok(Self { files, manifest, digest, bytes: bytes.len() })
    }

    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    pub fn digest(&self) -> BundleDigest {
        self.digest
    }

    /// Every file by its path.
    pub fn files(&self) -> &Members {
        &self.files
    }

    /// `.signatures.json`, as it stands in the archive.
    pub fn signatures(&self) -> Option<&[u8]> {
        self.files.get(SIGNATURES).map(Vec::as_slice)
    }

    /// The hash of every file a signature must cover, as OPA computes it.
    pub fn file_hashes(&self) -> Result<Vec<FileHash>, ArchiveError> {
        let covered = self.files.iter().filter(|(path, _)| path.as_str() != SIGNATURES);
        covered.map(|(path, content)| file_hash(path, content)).collect()
    }

    /// The domain form: one policy for each Rego module, named by its path, and the data files.
    pub fn to_bundle(&self) -> Result<Bundle, ArchiveError> {
        let policies = modules(&self.files)?;
        if policies.is_empty() {
            return Err(ArchiveError::Empty);
        }
        let named = self.manifest.metadata.as_ref().and_then(|m| {
            ["bundle_id", "name", "id"].into_iter().find_map(|key| m.get(key)?.as_str())
        });
        let roots = self.manifest.roots.iter().filter(|root| !root.is_empty());
        let id = named.map_or_else(|| roots.cloned().collect::<Vec<_>>().join(","), str::to_owned);
        Ok(Bundle {
            id: if id.is_empty() { "opa".to_owned() } else { id },
            version: version_or_digest(self.manifest.revision.as_deref(), MANIFEST, self.digest)?,
            issued_at: None,
            issuer: None,
            digest: self.digest,
            content: content_digest(
                policies.iter().map(|p| (p.id.as_str(), p.digest)),
                Ordering::Unordered,
            ),
            ordering: Ordering::Unordered,
            policies,
            data: data_files(&self.files, is_data)?,
            format: Format::OpaArchive,
            metadata: Metadata {
                text: self.manifest.metadata.as_ref().map_or_else(|| "{}".to_owned(), canonical),
                ..Metadata::default()
            },
            bytes: self.bytes,
        })
    }
}

impl Manifest {
    fn read(text: &[u8]) -> Result<Self, ArchiveError> {
        let path = || MANIFEST.to_owned();
        let problem =
            |problem: &str| ArchiveError::Content { path: path(), problem: problem.to_owned() };
        let value = parse(text).map_err(|error| ArchiveError::Json { path: path(), error })?;
        if value.as_object().is_none() {
            return Err(problem("must be an object"));
        }
        let roots = match value.get("roots") {
            None | Some(Value::Null) => vec![String::new()],
            Some(roots) => {
                let roots = roots.as_array().ok_or_else(|| problem("roots must be a list"))?;
                let texts = roots.iter().map(|root| {
                    let root = root.as_str().ok_or_else(|| problem("a root must be a text"))?;
                    Ok(root.trim_matches('/').to_owned())
                });
                texts.collect::<Result<Vec<_>, ArchiveError>>()?
            }
        };
        let revision = match value.get("revision") {
            None | Some(Value::Null) => None,
            Some(revision) => Some(
                revision.as_str().ok_or_else(|| problem("revision must be a text"))?.to_owned(),
            ),
        };
        Ok(Self { revision, roots, metadata: value.get("metadata").cloned() })
    }
}

/// Rego modules as policies, by path.
pub(super) fn modules(files: &Members) -> Result<Vec<Policy>, ArchiveError> {
    let modules = files.iter().filter(|(path, _)| is_module(path));
    let policies = modules.map(|(path, source)| {
        let text = std::str::from_utf8(source)
            .map_err(|_| ArchiveError::NotText { path: path.clone() })?;
        Ok(Policy { id: path.clone(), digest: Digest::of(source), text: text.to_owned() })
    });
    policies.collect()
}

/// The data files among the files, by path: JSON in its canonical form, YAML as it stands.
pub(super) fn data_files(
    files: &Members,
    is_data: impl Fn(&str) -> bool,
) -> Result<Vec<BaseDocument>, ArchiveError> {
    let found = files.iter().filter(|(path, _)| is_data(path));
    let read = found.map(|(path, content)| {
        let text = if has_extension(path, &["json"]) {
            let json = |error| ArchiveError::Json { path: path.clone(), error };
            canonical(&parse(content).map_err(json)?)
        } else {
            let text = std::str::from_utf8(content);
            text.map_err(|_| ArchiveError::NotText { path: path.clone() })?.to_owned()
        };
        Ok(BaseDocument { path: path.clone(), digest: Digest::of(text.as_bytes()), text })
    });
    read.collect()
}

/// The names under which OPA loads data.
pub(super) fn is_data(path: &str) -> bool {
    ["data.json", "data.yaml", "data.yml"].contains(&path.rsplit('/').next().unwrap_or(path))
}

pub(super) fn has_extension(path: &str, extensions: &[&str]) -> bool {
    let extension = std::path::Path::new(path).extension().and_then(|found| found.to_str());
    extension.is_some_and(|found| extensions.contains(&found))
}

fn is_module(path: &str) -> bool {
    has_extension(path, &["rego"])
}

/// The label of a bundle, or the start of its digest where it has none.
pub(super) fn version_or_digest(
    label: Option<&str>,
    path: &str,
    digest: BundleDigest,
) -> Result<Version, ArchiveError> {
    let label = match label {
        Some(label) if !label.is_empty() => label.to_owned(),
        _ => format!("sha256:{}", digest.short()),
    };
    Version::new(label).map_err(|error| ArchiveError::Content {
        path: path.to_owned(),
        problem: format!("the version {error}"),
    })
}

/// The names OPA loads. `opa build` writes them with a leading `/`; under any other name a leading
/// `/` is an attempt to escape.
fn is_bundle_file(relative: &str) -> bool {
    const NAMES: [&str; 5] = [MANIFEST, SIGNATURES, "policy.wasm", "plan.json", "patch.json"];
    let name = relative.rsplit('/').next().unwrap_or(relative);
    is_module(relative) || is_data(relative) || NAMES.contains(&name) || relative.ends_with('/')
}

/// Writes an archive whose bytes depend on names and contents only.
pub fn write(files: &Members) -> Result<Vec<u8>, ArchiveError> {
    let tar = archive::write(files)?;
    let mut gzip = GzBuilder::new().mtime(0).write(Vec::new(), Compression::default());
    gzip.write_all(&tar).map_err(ArchiveError::Damaged)?;
    gzip.finish().map_err(ArchiveError::Damaged)
}

#[cfg(test)]
mod tests;
