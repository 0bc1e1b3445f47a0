//! Transparency logs: the entry is in the tree, and the log that it names signed the tree.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use sigstore_crypto::VerificationKey;
use sigstore_types::{
    KindVersion, Sha256Hash, SignatureBytes, TransparencyLogEntry, bundle::InclusionProof,
};

use super::root::{SigstoreRoot, log_key, within};

/// Longest checkpoint: a tree head with the signatures of some dozens of witnesses.
const CHECKPOINT_BYTES_MAX: usize = 32 << 10;

/// An entry whose log is known.
pub(super) struct KnownEntry<'a> {
    pub(super) entry: &'a TransparencyLogEntry,
    pub(super) url: &'a str,
    window: Option<sigstore_types::TimeRange>,
    key: VerificationKey,
}

/// The head of a tree, as its log signed it.
#[derive(Debug)]
struct Checkpoint<'a> {
    signed: &'a str,
    origin: &'a str,
    size: u64,
    root: Sha256Hash,
    /// Name, hint and signature of each signer.
    signatures: Vec<(&'a str, [u8; 4], Vec<u8>)>,
}

impl<'a> KnownEntry<'a> {
    pub(super) fn of(
        entry: &'a TransparencyLogEntry,
        root: &'a SigstoreRoot,
    ) -> Result<Self, String> {
        let id = hex::encode(entry.log_id.key_id.as_bytes());
        let log = root
            .log(&entry.log_id.key_id)
            .ok_or_else(|| format!("the log {id} is not in the trusted root"))?;
        let key = log_key(log)?;
        Ok(Self { entry, url: &log.base_url, window: log.public_key.valid_for, key })
    }

    pub(super) fn is_second(&self) -> bool {
        self.entry.kind_version == KindVersion::HashedRekordV002
    }

    fn proof(&self) -> Result<&'a InclusionProof, String> {
        let proof = self.entry.inclusion_proof.as_ref();
        proof.ok_or_else(|| "the entry has no inclusion proof; a promise is not enough".to_owned())
    }

    /// The entry is in the tree of the checkpoint, or else in the tree that the proof names.
    pub(super) fn inclusion(&self) -> Result<String, String> {
        let proof = self.proof()?;
        let head = Checkpoint::read(proof.checkpoint.envelope()).ok();
        let (size, root) =
            head.map_or((proof.tree_size, proof.root_hash), |head| (head.size, head.root));
        let index = if self.is_second() { self.entry.log_index } else { proof.log_index }.get();
        if self.is_second() && proof.log_index != self.entry.log_index {
            let other = proof.log_index.get();
            return Err(format!("the entry says index {index}, its proof {other}"));
        }
        let leaf = sigstore_merkle::hash_leaf(self.entry.canonicalized_body.as_bytes());
        sigstore_merkle::verify_inclusion_proof(&leaf, index, size, &proof.hashes, &root)
            .map_err(|error| error.to_string())?;
        Ok(format!("entry {index} of {size}"))
    }

    /// The log itself signed the head of exactly this tree.
    pub(super) fn checkpoint(&self) -> Result<String, String> {
        let Ok(proof) = self.proof() else {
            return Err("no inclusion proof, so no checkpoint".to_owned());
        };
        let head = Checkpoint::read(proof.checkpoint.envelope())?;
        if head.size != proof.tree_size || head.root != proof.root_hash {
            return Err("the proof is for another tree than the checkpoint".to_owned());
        }
        let hint = &self.entry.log_id.key_id.as_bytes()[..4];
        let by_log = |(name, by, signature): &(&str, [u8; 4], Vec<u8>)| {
            by == hint
                && head.is_named(name)
                && self.key.verify(head.signed, &SignatureBytes::from_bytes(signature)).is_ok()
        };
        if head.signatures.iter().any(by_log) {
            Ok(format!("{} at size {}", head.origin, head.size))
        } else {
            Err(format!("not signed by the log of the entry, {}", self.url))
        }
    }

    /// The promise is by the key of the log; it is what makes the time of a Rekor v1 entry count.
    pub(super) fn promise(&self) -> Option<Result<Timestamp, String>> {
        let promise = self.entry.inclusion_promise.as_ref()?;
        if self.is_second() {
            return Some(Err("a Rekor v2 entry has no promise".to_owned()));
        }
        let Some(at) = self.entry.integrated_time else {
            return Some(Err("a promise without a time".to_owned()));
        };
        let signed = format!(
            r#"{{"body":"{}","integratedTime":{},"logID":"{}","logIndex":{}}}"#,
            STANDARD.encode(self.entry.canonicalized_body.as_bytes()),
            at.as_second(),
            hex::encode(self.entry.log_id.key_id.as_bytes()),
            self.entry.log_index.get(),
        );
        let signature = SignatureBytes::from_bytes(promise.signed_entry_timestamp.as_bytes());
        let by_log = self.key.verify(signed, &signature);
        Some(by_log.map(|()| at).map_err(|_| format!("not signed by the log {}", self.url)))
    }

    /// The log was trusted whenever the signature is said to have been made.
    pub(super) fn key_window(&self, times: &[Timestamp]) -> Result<String, String> {
        for at in times {
            within(self.window, *at)
                .map_err(|problem| format!("{}: {problem}, used at {at}", self.url))?;
        }
        Ok(self.url.to_owned())
    }
}

impl<'a> Checkpoint<'a> {
    /// Reads a signed note: its text, an empty line, its signatures, and nothing behind them.
    fn read(note: &'a str) -> Result<Self, String> {
        if note.is_empty() {
            return Err("the inclusion proof has no checkpoint".to_owned());
        }
        if note.len() > CHECKPOINT_BYTES_MAX {
            return Err(format!("a checkpoint of {} bytes", note.len()));
        }
        let break_at = note.find("\n\n").ok_or("a checkpoint without signatures")?;
        let (signed, behind) = (&note[..=break_at], &note[break_at + 2..]);
        let mut lines = signed.lines();
        let origin =
            lines.next().filter(|line| !line.is_empty()).ok_or("a checkpoint of no log")?;
        let size = lines.next().unwrap_or_default();
        let canonical = size.bytes().all(|digit| digit.is_ascii_digit()) && !size.starts_with('0');
        let size = size.parse().ok().filter(|_| canonical).ok_or("a checkpoint without a size")?;
        let root = lines.next().and_then(|line| STANDARD.decode(line).ok());
        let root = root.and_then(|root| Sha256Hash::try_from(root.as_slice()).ok());
        let root = root.ok_or("a checkpoint without a root")?;
        let behind = behind.strip_suffix('\n').ok_or("a checkpoint that is cut short")?;
        let signatures = behind.split('\n').map(signature).collect::<Result<_, _>>()?;
        Ok(Self { signed, origin, size, root, signatures })
    }

    /// Whether a signature goes by the name of the log. Rekor v1 puts the tree behind it.
    fn is_named(&self, name: &str) -> bool {
        let rest = self.origin.strip_prefix(name);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(" - "))
    }
}

fn signature(line: &str) -> Result<(&str, [u8; 4], Vec<u8>), String> {
    let read = || {
        let (name, text) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
        let bytes = STANDARD.decode(text).ok()?;
        let (hint, signature) = bytes.split_first_chunk::<4>()?;
        Some((name, *hint, signature.to_vec()))
    };
    read().ok_or_else(|| "text behind the checkpoint that is no signature".to_owned())
}
