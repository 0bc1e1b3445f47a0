//! Transparency logs: Rekor v1 with promises and a sharded index, Rekor v2 with tiles and Ed25519.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use rcgen::{KeyPair, PublicKeyData as _, SigningKey as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{
    Fault, PkiError,
    authority::{DAYS_S, after},
    merkle,
};

/// Entries that stand before ours in every log.
const BEFORE: usize = 5;
/// And after it.
const BEHIND: usize = 5;
/// Entries of earlier shards: what the index of a Rekor v1 entry starts from.
const SHARD: usize = 4_000;

/// A log with its key.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) host: &'static str,
    pub(crate) second: bool,
    pub(crate) key: KeyPair,
}

/// One thing that was logged.
#[derive(Debug)]
pub(crate) struct Logged<'a> {
    pub(crate) kind: &'static str,
    pub(crate) version: &'static str,
    pub(crate) body: Vec<u8>,
    pub(crate) at: Timestamp,
    /// Another trusted log, and one whose key is retired.
    pub(crate) others: [&'a Log; 3],
    pub(crate) fault: Option<Fault>,
}

impl Log {
    pub(crate) fn new(host: &'static str, second: bool) -> Result<Self, PkiError> {
        let algorithm = if second { &rcgen::PKCS_ED25519 } else { &rcgen::PKCS_ECDSA_P256_SHA256 };
        Ok(Self { host, second, key: KeyPair::generate_for(algorithm)? })
    }

    /// SHA-256 of the key, or for Rekor v2 of the name, the kind of key and the key (C2SP signed note).
    pub(crate) fn id(&self) -> [u8; 32] {
        if self.second {
            let named = Sha256::new().chain_update(self.host).chain_update([b'\n', 1]);
            let raw = rcgen::PublicKeyData::der_bytes(&self.key);
            return named.chain_update(raw).finalize().into();
        }
        Sha256::digest(self.key.subject_public_key_info()).into()
    }

    fn origin(&self) -> String {
        if self.second {
            self.host.to_owned()
        } else {
            format!("{} - 2605736670972794746", self.host)
        }
    }

    /// How a trusted root lists this log.
    pub(crate) fn listed(&self, window: &Value) -> Value {
        let details = if self.second { "PKIX_ED25519" } else { "PKIX_ECDSA_P256_SHA_256" };
        json!({
            "baseUrl": format!("https://{}", self.host),
            "hashAlgorithm": "SHA2_256",
            "publicKey": {
                "rawBytes": STANDARD.encode(self.key.subject_public_key_info()),
                "keyDetails": details,
                "validFor": window,
            },
            "logId": { "keyId": STANDARD.encode(self.id()) },
        })
    }

    fn checkpoint(
        &self,
        size: usize,
        root: &merkle::Hash,
        logged: &Logged<'_>,
    ) -> Result<String, PkiError> {
        let fault = logged.fault;
        let text = format!("{}\n{size}\n{}\n", self.origin(), STANDARD.encode(root));
        let [other, retired, unknown] = logged.others;
        let signer = match fault {
            Some(Fault::CheckpointOfAnotherLog) => other,
            Some(Fault::CheckpointOfRetiredKey) => retired,
            Some(Fault::CheckpointOfUnknownKey) => unknown,
            _ => self,
        };
        let hint = if fault == Some(Fault::CheckpointHintForged) { self.id() } else { signer.id() };
        let key =
            if fault == Some(Fault::CheckpointHintForged) { &unknown.key } else { &signer.key };
        let signature = [&hint[..4], &key.sign(text.as_bytes())?].concat();
        let name = match fault {
            Some(Fault::CheckpointNameIsAnother) => "evil.example",
            _ => self.host,
        };
        let text = match fault {
            Some(Fault::CheckpointTextChanged) => format!("{text}Timestamp: 1\n"),
            _ => text,
        };
        let note = format!("{text}\n\u{2014} {name} {}\n", STANDARD.encode(signature));
        Ok(match fault {
            Some(Fault::CheckpointHasTail) => format!("{note}\nmore text\n"),
            _ => note,
        })
    }

    /// The entry of a bundle, with its proof and, for Rekor v1, its promise.
    pub(crate) fn entry(&self, logged: &Logged<'_>) -> Result<Value, PkiError> {
        let fault = logged.fault;
        let filler = |index: usize| merkle::leaf(format!("entry {index}").as_bytes());
        let mut leaves: Vec<merkle::Hash> = (0..BEFORE).map(filler).collect();
        leaves.push(merkle::leaf(&logged.body));
        leaves.extend((0..BEHIND).map(|index| filler(index + BEFORE + 1)));
        let root = merkle::root(&leaves);
        let checkpoint = self.checkpoint(leaves.len(), &root, logged)?;
        let mut hashes: Vec<String> =
            merkle::path(&leaves, BEFORE).iter().map(|hash| STANDARD.encode(hash)).collect();
        match fault {
            Some(Fault::ProofHashChanged) => hashes[1] = STANDARD.encode([7; 32]),
            Some(Fault::ProofHashDropped) => drop(hashes.pop()),
            Some(Fault::ProofHashAdded) => hashes.push(STANDARD.encode([7; 32])),
            _ => {}
        }
        let in_shard = BEFORE + usize::from(fault == Some(Fault::ProofOfAnotherEntry));
        let index = if self.second { in_shard } else { SHARD + BEFORE };
        let root = if fault == Some(Fault::ProofRootChanged) { [7; 32] } else { root };
        let size = leaves.len() + usize::from(fault == Some(Fault::ProofSizeChanged));
        let mut entry = json!({
            "logIndex": index.to_string(),
            "logId": { "keyId": STANDARD.encode(self.id()) },
            "kindVersion": { "kind": logged.kind, "version": logged.version },
            "inclusionProof": {
                "logIndex": in_shard.to_string(),
                "rootHash": STANDARD.encode(root),
                "treeSize": size.to_string(),
                "hashes": hashes,
                "checkpoint": { "envelope": checkpoint },
            },
            "canonicalizedBody": STANDARD.encode(&logged.body),
        });
        if !self.second {
            self.promise(&mut entry, index, logged)?;
        }
        if fault == Some(Fault::CheckpointMissing) {
            entry["inclusionProof"]["checkpoint"] = json!({ "envelope": "" });
        }
        Ok(entry)
    }

    fn promise(
        &self,
        entry: &mut Value,
        index: usize,
        logged: &Logged<'_>,
    ) -> Result<(), PkiError> {
        let integrated = match logged.fault {
            Some(Fault::IntegratedAfterCertificate) => after(logged.at, 7_200),
            Some(Fault::IntegratedInTheFuture) => after(logged.at, DAYS_S * 400),
            _ => logged.at,
        }
        .as_second();
        let promised = json!({
            "body": STANDARD.encode(&logged.body),
            "integratedTime": integrated,
            "logIndex": index,
            "logID": hex::encode(self.id()),
        });
        let bytes =
            serde_json_canonicalizer::to_vec(&promised).expect("texts and numbers serialise");
        let signer = match logged.fault {
            Some(Fault::PromiseOfUnknownKey) => &logged.others[2].key,
            _ => &self.key,
        };
        let shown = match logged.fault {
            Some(Fault::PromiseTimeShifted) => integrated + 1,
            _ => integrated,
        };
        entry["integratedTime"] = shown.to_string().into();
        entry["inclusionPromise"] =
            json!({ "signedEntryTimestamp": STANDARD.encode(signer.sign(&bytes)?) });
        if logged.fault == Some(Fault::PromiseIndexShifted) {
            entry["logIndex"] = (index + 1).to_string().into();
        }
        Ok(())
    }
}
