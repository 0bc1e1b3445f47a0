//! The envelope over the manifest: canonical, one signature, by the key in the archive.

use std::collections::BTreeSet;

use plumb_fleet::{Digest, RunId};
use plumb_trust::dsse::{Envelope, PublicKey, Statement, Subject};
use serde::Deserialize;

use super::{CheckName, Finding};
use crate::{
    archive::{Archive, Source},
    limits::RUNS_MAX,
    manifest::{ENVELOPE, Evidence, MANIFEST, SIGNER},
};

/// What the envelope is good for.
pub(super) struct Signed {
    pub(super) finding: Finding,
    pub(super) key: Option<PublicKey>,
    /// Only where the signature is good.
    pub(super) statement: Option<Statement<Evidence>>,
    /// The list of entries as it stands in `manifest.json`, for telling what is broken where the
    /// signature is not good.
    pub(super) listed: Vec<Subject>,
}

impl Signed {
    pub(super) fn evidence(&self) -> Option<&Evidence> {
        self.statement.as_ref().map(|statement| &statement.predicate)
    }
}

/// Why the signature is not good, and which entry is to blame.
type Refusal = (String, &'static str);

pub(super) fn check<S: Source>(archive: &Archive<S>) -> Signed {
    let document = |name: &'static str| -> Result<Vec<u8>, Refusal> {
        let entry = archive.find(name).ok_or_else(|| (format!("{name} is missing"), name))?;
        archive.document(entry).map_err(|error| (error.to_string(), name))
    };
    let manifest = document(MANIFEST);
    let listed = manifest.as_ref().ok().map(|bytes| listed(bytes)).unwrap_or_default();
    let signer = document(SIGNER);
    let key = signer.as_ref().ok().and_then(|pem| key(pem).ok());
    let judged = manifest
        .and_then(|manifest| Ok((manifest, document(ENVELOPE)?, signer?)))
        .and_then(|(manifest, envelope, pem)| {
            judge(&manifest, &envelope, &pem).map_err(|(why, blamed)| {
                // A list that is the signed one tells whether the key is the one that signed it.
                let other_key = listed.iter().any(|subject| {
                    subject.name == SIGNER && subject.digest.sha256 != Digest::of(&pem)
                });
                let same_list = Envelope::read(&envelope)
                    .is_ok_and(|envelope| envelope.payload_digest() == Digest::of(&manifest));
                (why, if other_key && same_list { SIGNER } else { blamed })
            })
        });
    match judged {
        Ok(statement) => {
            let by = key.as_ref().map(|key| format!("{} key {}", key.algorithm(), key.id()));
            let detail = format!("by the {}", by.unwrap_or_default());
            let finding = Finding::passed(CheckName::Signature, detail);
            Signed { finding, key, listed: statement.subject.clone(), statement: Some(statement) }
        }
        Err((why, entry)) => {
            let finding = Finding::failed(CheckName::Signature, why, Some(entry));
            Signed { finding, key, statement: None, listed }
        }
    }
}

fn key(pem: &[u8]) -> Result<PublicKey, Refusal> {
    let text =
        std::str::from_utf8(pem).map_err(|_| ("signer.pem is no text".to_owned(), SIGNER))?;
    let key = PublicKey::from_pem(text)
        .map_err(|error| (format!("signer.pem is no key that signs evidence: {error}"), SIGNER))?;
    if key.to_pem().as_bytes() == pem {
        return Ok(key);
    }
    Err(("signer.pem is not written as keys are written".to_owned(), SIGNER))
}

fn judge(manifest: &[u8], envelope: &[u8], pem: &[u8]) -> Result<Statement<Evidence>, Refusal> {
    let refused = |why: String| (why, ENVELOPE);
    let key = key(pem)?;
    let read = Envelope::read(envelope).map_err(|error| refused(error.to_string()))?;
    if read.to_bytes() != envelope {
        return Err(refused("the envelope is not in its canonical form".to_owned()));
    }
    let names: Vec<&str> = read.key_names().collect();
    let [name] = names.as_slice() else {
        return Err(refused(format!("{} signatures, where one belongs", names.len())));
    };
    if *name != key.id().to_string() {
        return Err(refused(
            "the envelope names another key than the one in signer.pem".to_owned(),
        ));
    }
    let verified = read.verify([&key]);
    if read.payload_digest() != Digest::of(manifest) {
        // The side that the signature is not over was altered.
        let blamed = if verified.is_ok() { MANIFEST } else { ENVELOPE };
        return Err(("manifest.json is not what was signed".to_owned(), blamed));
    }
    let verified = verified
        .map_err(|_| refused("the signature is not one of the key in signer.pem".to_owned()))?;
    let statement: Statement<Evidence> = verified
        .statement()
        .map_err(|error| (format!("manifest.json was signed, but {error}"), MANIFEST))?;
    let sorted = statement.subject.windows(2).all(|pair| pair[0].name < pair[1].name);
    if !sorted {
        return Err(("manifest.json does not list its entries in order".to_owned(), MANIFEST));
    }
    let runs = &statement.predicate.runs;
    if runs.len() > RUNS_MAX {
        let why = format!("manifest.json tells of {} runs, and {RUNS_MAX} is the most", runs.len());
        return Err((why, MANIFEST));
    }
    let different: BTreeSet<RunId> = runs.iter().map(|part| part.run).collect();
    if different.len() < runs.len() {
        return Err(("manifest.json tells of one run more than once".to_owned(), MANIFEST));
    }
    Ok(statement)
}

/// The list alone; of a manifest that cannot be read, nothing.
fn listed(manifest: &[u8]) -> Vec<Subject> {
    #[derive(Deserialize)]
    struct Listed {
        subject: Vec<Subject>,
    }
    serde_json::from_slice::<Listed>(manifest).map(|read| read.subject).unwrap_or_default()
}
