//! From a fleet file to a fleet with its trusted keys and the signed bundles at hand.

use std::{collections::BTreeMap, fs, time::SystemTime};

use camino::{Utf8Path, Utf8PathBuf};
use plumb_bundle::{
    Bundle, BundleError, Expiry, Format, OpaArchive, SignedJson, limits::BUNDLE_BYTES_MAX,
};
use plumb_fleet::{
    CatalogueEntry, Content, Digest, Fleet, FleetFileError, fleet::FLEET_FILE_BYTES_MAX,
};
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

/// A fleet and the keys it trusts.
#[derive(Debug)]
pub(crate) struct LoadedFleet {
    pub fleet: Fleet,
    pub keys: KeySet,
    pub print: Print,
}

/// What a fleet was read from: where nothing of it moved, reading again gives the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Print {
    file: Utf8PathBuf,
    text: Digest,
    /// Keys, bundles and their folders, each with length and time of change; nothing where it is absent.
    beside: BTreeMap<Utf8PathBuf, Option<(u64, SystemTime)>>,
}

impl Print {
    fn of(file: &Utf8Path, text: &[u8], fleet: &Fleet) -> Self {
        let inside = bundle_files(folder_of(file), &fleet.bundles, &mut Vec::new());
        let beside = named(file, fleet).chain(inside).map(|path| (path.clone(), stamp(&path)));
        let beside = beside.collect();
        Self { file: file.to_owned(), text: Digest::of(text), beside }
    }

    /// Whether everything still is as it was read. Blocking.
    pub(crate) fn holds(&self) -> bool {
        read_bounded(&self.file, FLEET_FILE_BYTES_MAX)
            .is_ok_and(|text| Digest::of(&text) == self.text)
            && self.beside.iter().all(|(path, seen)| stamp(path) == *seen)
    }
}

/// Keys, bundle files and folders of bundles that a fleet file names.
pub(crate) fn named<'a>(
    file: &'a Utf8Path,
    fleet: &'a Fleet,
) -> impl Iterator<Item = Utf8PathBuf> + 'a {
    let keys = fleet.trusted_keys.iter().map(|key| key.pem.as_str());
    let names = keys.chain(fleet.bundles.iter().map(String::as_str));
    names.map(|name| folder_of(file).join(name))
}

fn stamp(path: &Utf8Path) -> Option<(u64, SystemTime)> {
    let found = fs::metadata(path).ok()?;
    Some((found.len(), found.modified().ok()?))
}

pub(crate) fn folder_of(file: &Utf8Path) -> &Utf8Path {
    file.parent().unwrap_or(Utf8Path::new("."))
}

/// A bundle whose signature a trusted key verified.
#[derive(Debug)]
pub(crate) struct KnownBundle {
    pub entry: CatalogueEntry,
    pub content: Content,
}

/// Reads a fleet file and the keys it names. Blocking: call from a blocking thread.
pub(crate) fn load(path: &Utf8Path) -> Result<LoadedFleet, FleetError> {
    let bytes = read_bounded(path, FLEET_FILE_BYTES_MAX)?;
    let fleet = Fleet::parse(&String::from_utf8_lossy(&bytes))
        .map_err(|error| FleetError::File { path: path.to_owned(), error })?;
    let folder = folder_of(path);
    let mut keys = KeySet::new();
    for key in &fleet.trusted_keys {
        let file = folder.join(&key.pem);
        let pem = read_bounded(&file, FLEET_FILE_BYTES_MAX)?;
        TrustedKey::from_pem(&key.id, &String::from_utf8_lossy(&pem), None)
            .and_then(|trusted| keys.add(trusted))
            .map_err(|error| FleetError::Key { id: key.id.clone(), path: file, error })?;
    }
    let print = Print::of(path, &bytes, &fleet);
    Ok(LoadedFleet { fleet, keys, print })
}

/// Verifies every bundle that a fleet file names; those not taken are told, each with the reason. Blocking.
pub(crate) fn bundles(
    file: &Utf8Path,
    fleet: &Fleet,
    keys: &KeySet,
) -> (Vec<KnownBundle>, Vec<String>) {
    let mut bundles = Vec::new();
    let mut problems = Vec::new();
    for file in bundle_files(folder_of(file), &fleet.bundles, &mut problems) {
        match known_bundle(&file, keys) {
            Ok(bundle) => bundles.push(bundle),
            Err(problem) => problems.push(problem),
        }
    }
    (bundles, problems)
}

pub(crate) fn read_bounded(path: &Utf8Path, max: usize) -> Result<Vec<u8>, FleetError> {
    let read = |error| FleetError::Read { path: path.to_owned(), error };
    let mut bytes = Vec::new();
    // What a pipe or a file that grows holds is not known before.
    let file = fs::File::open(path).map_err(read)?;
    std::io::Read::read_to_end(&mut std::io::Read::take(file, max as u64 + 1), &mut bytes)
        .map_err(read)?;
    if bytes.len() > max {
        return Err(FleetError::TooLarge { path: path.to_owned(), max });
    }
    Ok(bytes)
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
