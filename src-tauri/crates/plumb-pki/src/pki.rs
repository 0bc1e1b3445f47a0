//! The whole of it: authorities and logs, the trusted root that lists them, and what they issue.

use std::sync::atomic::{AtomicU64, Ordering};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use rcgen::{KeyPair, PublicKeyData as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{
    Fault, PkiError,
    authority::{self, Authority, DAYS_S, Leaf, after},
    evidence::{self, Signed, Signer},
    log::{Log, Logged},
    recipe::{Issued, LogKind, Material, Recipe, Version},
    timestamp::StampAuthority,
};

/// Authorities and logs that live as long as the program.
#[derive(Debug)]
pub struct Pki {
    epoch: Timestamp,
    authority: Authority,
    unknown_authority: Authority,
    ct: KeyPair,
    unknown_ct: KeyPair,
    first: Log,
    second: Log,
    /// Trusted, but never the log of an entry.
    other: Log,
    /// Trusted until a year before the epoch.
    retired: Log,
    unknown: Log,
    stamps: StampAuthority,
    unknown_stamps: StampAuthority,
    managed: KeyPair,
    serial: AtomicU64,
}

impl Pki {
    /// Makes every key. What it issues is trusted from half a year before `epoch` on.
    pub fn new(epoch: Timestamp) -> Result<Self, PkiError> {
        Ok(Self {
            epoch,
            authority: Authority::new("plumb-pki", epoch)?,
            unknown_authority: Authority::new("plumb-pki", epoch)?,
            ct: KeyPair::generate()?,
            unknown_ct: KeyPair::generate()?,
            first: Log::new("rekor.example.com", false)?,
            second: Log::new("log2.rekor.example.com", true)?,
            other: Log::new("other.rekor.example.com", false)?,
            retired: Log::new("rekor.example.com", false)?,
            unknown: Log::new("rekor.example.com", false)?,
            stamps: StampAuthority::new(epoch, None)?,
            unknown_stamps: StampAuthority::new(epoch, None)?,
            managed: KeyPair::generate()?,
            serial: AtomicU64::new(1),
        })
    }

    /// The public key that bundles without a certificate are signed with, in PEM.
    pub fn key_pem(&self) -> String {
        Signer::of_key(&self.managed).pem()
    }

    /// The trusted root of everything this issues without a fault.
    pub fn trusted_root(&self) -> Value {
        self.listed(&self.stamps, None)
    }

    /// What the timestamp authority answers to a request (RFC 3161) at a time.
    pub fn timestamp(&self, request: &[u8], at: Timestamp) -> Result<Vec<u8>, PkiError> {
        self.stamps.answer(request, at)
    }

    /// Issues a bundle.
    pub fn issue(&self, recipe: &Recipe) -> Result<Issued, PkiError> {
        let own;
        let key = match recipe.material {
            Material::Key => &self.managed,
            Material::Certificate => {
                own = KeyPair::generate()?;
                &own
            }
        };
        let signed = evidence::sign(recipe, key)?;
        let signer = self.signer(recipe, key)?;
        let faulty_stamps = match recipe.fault {
            Some(Fault::StampCertificateForCode | Fault::StampCertificateExpired) => {
                Some(StampAuthority::new(self.epoch, recipe.fault)?)
            }
            _ => None,
        };
        let stamps = faulty_stamps.as_ref().unwrap_or(&self.stamps);
        let entries = self.entries(recipe, &signed, &signer)?;
        let stamped = self.stamped(recipe, &signed, stamps)?;
        let authority = &self.authority;
        let chain = [authority.intermediate.der().to_vec(), authority.root.der().to_vec()];
        let mut bundle = evidence::bundle(recipe, &signed, &signer, &chain, &entries, &stamped);
        spoil(&mut bundle, recipe.fault);
        let mut artifact = recipe.artifact.clone();
        if recipe.has(Fault::ArtifactChanged) {
            artifact.push(b'\n');
        }
        Ok(Issued {
            artifact,
            bundle,
            trusted_root: self.listed(stamps, Some(recipe)),
            key_pem: (recipe.material == Material::Key).then(|| self.key_pem()),
            identity: recipe.identity.clone(),
            issuer: recipe.issuer.clone(),
            signed_at: recipe.signed_at,
            twice: recipe.has(Fault::FieldTwice),
        })
    }

    fn signer(&self, recipe: &Recipe, key: &KeyPair) -> Result<Signer, PkiError> {
        if recipe.material == Material::Key {
            return Ok(Signer::of_key(key));
        }
        let authority = match recipe.fault {
            Some(Fault::CertificateOfUnknownAuthority) => &self.unknown_authority,
            _ => &self.authority,
        };
        let leaf = Leaf {
            san: &recipe.identity,
            issuer: &recipe.issuer,
            at: recipe.signed_at,
            serial: self.serial.fetch_add(1, Ordering::Relaxed),
            fault: recipe.fault,
        };
        let der = authority::issue(authority, &self.ct, &self.unknown_ct, key, &leaf)?;
        Ok(Signer { der, is_certificate: true })
    }

    fn entries(
        &self,
        recipe: &Recipe,
        signed: &Signed,
        signer: &Signer,
    ) -> Result<Vec<Value>, PkiError> {
        let log = match recipe.log {
            LogKind::Nowhere => return Ok(Vec::new()),
            LogKind::Second => &self.second,
            LogKind::First | LogKind::FirstInToto => &self.first,
        };
        let another;
        let logged_signer = if recipe.has(Fault::EntryOfAnotherSigner) {
            another = self.signer(recipe, &KeyPair::generate()?)?;
            let other_key = Signer::of_key(&KeyPair::generate()?);
            if another.is_certificate { &another } else { &other_key.clone() }
        } else {
            signer
        };
        let (kind, version, body) = evidence::body(recipe, signed, logged_signer);
        let entry = log.entry(&Logged {
            kind,
            version,
            body,
            at: recipe.signed_at,
            others: [&self.other, &self.retired, &self.unknown],
            fault: recipe.fault,
        })?;
        Ok(match recipe.fault {
            Some(Fault::EntryMissing) => Vec::new(),
            Some(Fault::EntriesTooMany) => vec![entry; 33],
            _ => vec![entry],
        })
    }

    fn stamped(
        &self,
        recipe: &Recipe,
        signed: &Signed,
        stamps: &StampAuthority,
    ) -> Result<Vec<Vec<u8>>, PkiError> {
        if !recipe.stamped || recipe.has(Fault::TimeMissing) {
            return Ok(Vec::new());
        }
        let by =
            if recipe.has(Fault::StampAuthorityUnknown) { &self.unknown_stamps } else { stamps };
        let mut stamp = by.stamp(&signed.shown, recipe.signed_at, recipe.fault)?;
        if recipe.has(Fault::StampMalformed) {
            stamp.truncate(40);
        }
        Ok(vec![stamp])
    }

    /// The trusted root, with the windows that a fault asks for.
    fn listed(&self, stamps: &StampAuthority, recipe: Option<&Recipe>) -> Value {
        let fault = recipe.and_then(|recipe| recipe.fault);
        let signed_at = recipe.map_or(self.epoch, |recipe| recipe.signed_at);
        let start = after(self.epoch, -DAYS_S * 180);
        let open = json!({ "start": start.to_string() });
        let ended =
            json!({ "start": start.to_string(), "end": after(signed_at, -3_600).to_string() });
        let later = json!({ "start": after(signed_at, 3_600).to_string() });
        let window = |end: Fault, begin: Option<Fault>| match fault {
            Some(fault) if fault == end => &ended,
            Some(fault) if Some(fault) == begin => &later,
            _ => &open,
        };
        let log_window = window(Fault::LogKeyRetired, Some(Fault::LogKeyNotYetTrusted));
        let mut logs = vec![self.first.listed(log_window), self.second.listed(log_window)];
        if fault == Some(Fault::LogUnknown) {
            logs.clear();
        }
        let long_ago = after(self.epoch, -DAYS_S * 365).to_string();
        let retired = json!({ "start": "2020-01-01T00:00:00Z", "end": long_ago });
        logs.extend([self.other.listed(&open), self.retired.listed(&retired)]);
        let certificates = |chain: &[&[u8]]| -> Vec<Value> {
            chain.iter().map(|der| json!({ "rawBytes": STANDARD.encode(der) })).collect()
        };
        let authority = &self.authority;
        let [stamp_leaf, stamp_root] = stamps.chain();
        json!({
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": logs,
            "certificateAuthorities": [{
                "subject": { "organization": "plumb-pki", "commonName": "plumb-pki" },
                "uri": "https://fulcio.example.com",
                "certChain": { "certificates":
                    certificates(&[authority.intermediate.der(), authority.root.der()]) },
                "validFor": window(Fault::AuthorityRetired, Some(Fault::AuthorityNotYetTrusted)),
            }],
            "ctlogs": [{
                "baseUrl": "https://ct.example.com",
                "hashAlgorithm": "SHA2_256",
                "publicKey": {
                    "rawBytes": STANDARD.encode(self.ct.subject_public_key_info()),
                    "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                    "validFor": window(Fault::SctLogRetired, None),
                },
                "logId": {
                    "keyId": STANDARD.encode(Sha256::digest(self.ct.subject_public_key_info())),
                },
            }],
            "timestampAuthorities": [{
                "subject": { "organization": "plumb-pki", "commonName": "plumb-pki timestamps" },
                "uri": "https://timestamp.example.com",
                "certChain": { "certificates": certificates(&[&stamp_leaf, &stamp_root]) },
                "validFor": window(Fault::StampAuthorityRetired, None),
            }],
        })
    }
}

/// Faults of the document itself.
fn spoil(bundle: &mut Value, fault: Option<Fault>) {
    let material = &mut bundle["verificationMaterial"];
    match fault {
        Some(Fault::TimeMissing) => {
            if let Some(entry) = material["tlogEntries"].get_mut(0).and_then(Value::as_object_mut) {
                entry.remove("inclusionPromise");
            }
        }
        Some(Fault::ProofMissing | Fault::ProofMissingInVersion1) => {
            if let Some(entry) = material["tlogEntries"].get_mut(0).and_then(Value::as_object_mut) {
                entry.remove("inclusionProof");
            }
            if fault == Some(Fault::ProofMissingInVersion1) {
                bundle["mediaType"] = Version::V01.media_type().into();
            }
        }
        Some(Fault::MediaTypeUnknown) => {
            bundle["mediaType"] = "application/vnd.dev.sigstore.bundle.v0.9+json".into();
        }
        Some(Fault::FieldUnknown) => material["comment"] = "trust me".into(),
        Some(Fault::Base64Malformed) => {
            bundle["messageSignature"]["signature"] = "not base64!".into();
        }
        _ => {}
    }
}
