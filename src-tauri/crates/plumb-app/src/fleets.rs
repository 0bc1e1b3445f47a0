//! From a fleet file to a fleet with its trusted keys and the signed bundles at hand.

use camino::{Utf8Path, Utf8PathBuf};
use plumb_bundle::{
    Bundle, BundleError, Expiry, Format, OpaArchive, SignedJson, limits::BUNDLE_BYTES_MAX,
};
use plumb_fleet::{CatalogueEntry, Content, Fleet, FleetFileError, fleet::FLEET_FILE_BYTES_MAX};
use plumb_trust::{KeyError, KeySet, TrustedKey, Verdict};

/// Most bundle files read for one fleet.
const BUNDLE_FILES_MAX: usize = 1_000;

/// Why a fleet could not be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FleetError {
    #[error("{path} could not be read")]
    Read {
        path: Utf8PathBuf,
        #[source]
        error: std::io::Error,
    },
    #[error("{path} is larger than {max} bytes")]
    TooLarge { path: Utf8PathBuf, max: usize },
    #[error("{path} is not a fleet file")]
    File {
        path: Utf8PathBuf,
        #[source]
        error: FleetFileError,
    },
    #[error("the trusted key {id} in {path} cannot be used")]
    Key {
        id: String,
        path: Utf8PathBuf,
        #[source]
        error: KeyError,
    },
}

/// A fleet, the keys it trusts and the signed bundles found beside it.
#[derive(Debug)]
pub(crate) struct LoadedFleet {
    pub fleet: Fleet,
    pub bundles: Vec<KnownBundle>,
    /// Bundle files that were not taken, each with the reason.
    pub problems: Vec<String>,
}

/// A bundle whose signature a trusted key verified.
#[derive(Debug)]
pub(crate) struct KnownBundle {
    pub entry: CatalogueEntry,
    pub content: Content,
}

/// Reads a fleet file and everything it names. Blocking: call from a blocking thread.
pub(crate) fn load(path: &Utf8Path) -> Result<LoadedFleet, FleetError> {
    let text = read_bounded(path, FLEET_FILE_BYTES_MAX)?;
    let text = String::from_utf8_lossy(&text);
    let fleet =
        Fleet::parse(&text).map_err(|error| FleetError::File { path: path.to_owned(), error })?;
    let folder = path.parent().unwrap_or(Utf8Path::new("."));
    let mut keys = KeySet::new();
    for key in &fleet.trusted_keys {
        let file = folder.join(&key.pem);
        let pem = read_bounded(&file, FLEET_FILE_BYTES_MAX)?;
        TrustedKey::from_pem(&key.id, &String::from_utf8_lossy(&pem), None)
            .and_then(|trusted| keys.add(trusted))
            .map_err(|error| FleetError::Key { id: key.id.clone(), path: file, error })?;
    }
    let mut bundles = Vec::new();
    let mut problems = Vec::new();
    for file in bundle_files(folder, &fleet.bundles, &mut problems) {
        match known_bundle(&file, &keys) {
            Ok(bundle) => bundles.push(bundle),
            Err(problem) => problems.push(problem),
        }
    }
    Ok(LoadedFleet { fleet, bundles, problems })
}

fn read_bounded(path: &Utf8Path, max: usize) -> Result<Vec<u8>, FleetError> {
    let read = |error| FleetError::Read { path: path.to_owned(), error };
    let size = std::fs::metadata(path).map_err(read)?.len();
    if size > max as u64 {
        return Err(FleetError::TooLarge { path: path.to_owned(), max });
    }
    std::fs::read(path).map_err(read)
}

/// Files named by the fleet file; a folder stands for every `*.signed.json` and `*.tar.gz` in it.
fn bundle_files(
    folder: &Utf8Path,
    named: &[String],
    problems: &mut Vec<String>,
) -> Vec<Utf8PathBuf> {
    let mut files = Vec::new();
    for name in named {
        let path = folder.join(name);
        if !path.is_dir() {
            files.push(path);
            continue;
        }
        match path.read_dir_utf8() {
            Ok(entries) => {
                let mut inside: Vec<Utf8PathBuf> = entries
                    .flatten()
                    .map(|entry| entry.path().to_owned())
                    .filter(|file| {
                        file.as_str().ends_with(".signed.json")
                            || file.as_str().ends_with(".tar.gz")
                    })
                    .collect();
                inside.sort();
                files.extend(inside);
            }
            Err(error) => problems.push(format!("{path} could not be read: {error}")),
        }
    }
    if files.len() > BUNDLE_FILES_MAX {
        problems.push(format!(
            "only the first {BUNDLE_FILES_MAX} of {} bundle files were read",
            files.len()
        ));
        files.truncate(BUNDLE_FILES_MAX);
    }
    files
}

/// Reads and verifies one file; the error is a sentence for a person.
pub(crate) fn known_bundle(path: &Utf8Path, keys: &KeySet) -> Result<KnownBundle, String> {
    let bytes =
        read_bounded(path, BUNDLE_BYTES_MAX).map_err(|error| crate::error::chain(&error))?;
    let said = |error: &dyn std::error::Error| format!("{path}: {}", crate::error::chain(error));
    let bundle = Bundle::read(&bytes).map_err(|error| said(&error))?;
    // An expired bundle stays known, so that nodes that run it are told apart from tampered ones; one
    // whose end nobody can read is a mistake of who signed it.
    if let Expiry::Unreadable(text) = &bundle.metadata.expiry {
        return Err(format!("{path}: expires_at is {text}, which is no moment: sign it again"));
    }
    let verdict = verdict(&bytes, bundle.format, keys).map_err(|error| said(&error))?;
    let key = match verdict.key() {
        Some(key) if verdict.is_trusted() => key.key_id.clone(),
        _ => {
            let reason =
                verdict.failure().map_or("no trusted key signed it", |check| check.detail.as_str());
            return Err(format!("{path}: {reason}"));
        }
    };
    let content =
        Content { digest: bundle.content, ordering: bundle.ordering, policies: bundle.policies };
    let entry = CatalogueEntry {
        bundle_id: bundle.id,
        version: bundle.version,
        digest: bundle.digest,
        content: bundle.content,
        file: path.file_name().unwrap_or_default().to_owned(),
        local_path: Some(path.to_string()),
        issued_at: bundle.issued_at,
        expires_at: bundle.metadata.expiry.at(),
        key,
        policies: u32::try_from(content.policies.len()).unwrap_or(u32::MAX),
        bytes: bytes.len() as u64,
    };
    Ok(KnownBundle { entry, content })
}

/// What trust says of a bundle; a policy pack carries its signature beside it and is not trusted by itself.
pub(crate) fn verdict(bytes: &[u8], format: Format, keys: &KeySet) -> Result<Verdict, BundleError> {
    match format {
        Format::SignedJson => Ok(plumb_trust::verify_signed_json(&SignedJson::read(bytes)?, keys)),
        Format::OpaArchive | Format::PolicyPack => {
            Ok(plumb_trust::verify_opa_bundle(&OpaArchive::read(bytes)?, keys, None))
        }
    }
}
