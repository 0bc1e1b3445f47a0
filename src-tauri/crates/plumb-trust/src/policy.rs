//! A trust policy: several roots, keys and identities at once, each with a window; and what would
//! stop verifying when one of them is retired.

mod simulate;

use jiff::Timestamp;
use plumb_bundle::{Format, OpaArchive, SignedJson};
use plumb_fleet::Digest;
use serde::Serialize;

use crate::{
    keys::{KeyError, KeySet, TrustedKey},
    schemes::{
        opa_jwt::verify_opa_bundle,
        rsa_pss::verify_signed_json,
        sigstore::{
            Artifact, Expectation, ExpectedSigner, Identity, Profile, Report, RootPart,
            SigstoreKey, SigstoreRoot, VerifyAttestation as _,
        },
    },
    verdict::Verdict,
};

pub use simulate::{Kept, NotTrusted, Simulation, SimulationError, simulate};

/// When something counts: from its first to its last moment, both included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Window {
    pub from: Option<Timestamp>,
    pub until: Option<Timestamp>,
}

impl Window {
    pub fn contains(self, at: Timestamp) -> bool {
        self.from.is_none_or(|from| at >= from) && self.until.is_none_or(|until| at <= until)
    }
}

/// Why a policy was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    #[error("two roots or keys are named {id:?}")]
    DuplicateId { id: String },
    #[error("the window of {id:?} ends before it begins")]
    Window { id: String },
    #[error("the key {id:?} cannot be used: {problem}")]
    Key { id: String, problem: String },
    #[error("a trusted root needs an identity: without one everybody it knows could sign")]
    NoIdentity,
}

/// A key in every form in which a scheme can use it.
#[derive(Debug, Clone)]
struct PolicyKey {
    id: String,
    window: Window,
    sigstore: Option<SigstoreKey>,
    embedded: Option<TrustedKey>,
}

/// Whom a fleet trusts, and when.
#[derive(Debug, Default)]
pub struct TrustPolicy {
    roots: Vec<(SigstoreRoot, Window)>,
    keys: Vec<PolicyKey>,
    identities: Vec<Identity>,
    profile: Profile,
}

/// Something signed: a pack with its attestation beside it, or a bundle with its signature inside.
#[derive(Debug, Clone, Copy)]
pub enum Signed<'a> {
    Attested { artifact: Artifact<'a>, attestation: &'a [u8] },
    Embedded { bundle: &'a [u8] },
}

/// What a policy says about something signed.
#[derive(Debug)]
pub enum PolicyVerdict {
    /// The report of the root and signer that accepted it, or of the one that came closest.
    Attested(Box<Report>),
    Embedded(Verdict),
    /// It could not be judged at all.
    Unreadable(String),
}

impl PolicyVerdict {
    pub fn is_trusted(&self) -> bool {
        match self {
            Self::Attested(report) => report.is_valid(),
            Self::Embedded(verdict) => verdict.is_trusted(),
            Self::Unreadable(_) => false,
        }
    }

    /// The first check that failed, with what it found; nothing when it is trusted.
    pub fn problem(&self) -> Option<String> {
        match self {
            Self::Attested(report) => {
                let failures = report.failures();
                failures.first().map(|check| format!("{}: {}", check.name, check.detail))
            }
            Self::Embedded(verdict) => {
                verdict.failure().map(|check| format!("{}: {}", check.name, check.detail))
            }
            Self::Unreadable(problem) => Some(problem.clone()),
        }
    }
}

impl TrustPolicy {
    /// A policy that trusts nobody.
    pub fn new(profile: Profile) -> Self {
        Self { profile, ..Self::default() }
    }

    /// Trusts a Sigstore root for as long as its window is open.
    pub fn add_root(&mut self, root: SigstoreRoot, window: Window) -> Result<(), PolicyError> {
        self.check_id(root.id(), window)?;
        self.roots.push((root, window));
        Ok(())
    }

    /// Trusts a public key in PEM, for every scheme that can use a key of its kind.
    pub fn add_key(&mut self, id: &str, pem: &str, window: Window) -> Result<(), PolicyError> {
        self.check_id(id, window)?;
        let sigstore = SigstoreKey::from_pem(id, pem);
        let embedded = TrustedKey::from_pem(id, pem, None);
        if let (Err(_), Err(error)) = (&sigstore, &embedded) {
            return Err(PolicyError::Key { id: id.to_owned(), problem: error.to_string() });
        }
        if let Err(error @ (KeyError::TooShort { .. } | KeyError::TooLong { .. })) = &embedded {
            return Err(PolicyError::Key { id: id.to_owned(), problem: error.to_string() });
        }
        let (sigstore, embedded) = (sigstore.ok(), embedded.ok());
        self.keys.push(PolicyKey { id: id.to_owned(), window, sigstore, embedded });
        Ok(())
    }

    /// Trusts a name in certificates of every root.
    pub fn add_identity(&mut self, identity: Identity) {
        self.identities.push(identity);
    }

    /// A policy with a root and without a name would trust everybody.
    pub fn checked(self) -> Result<Self, PolicyError> {
        if self.identities.is_empty() && self.keys.is_empty() && !self.roots.is_empty() {
            return Err(PolicyError::NoIdentity);
        }
        Ok(self)
    }

    fn check_id(&self, id: &str, window: Window) -> Result<(), PolicyError> {
        let mut taken = self.roots.iter().map(|(root, _)| root.id());
        if taken.any(|known| known == id) || self.keys.iter().any(|key| key.id == id) {
            return Err(PolicyError::DuplicateId { id: id.to_owned() });
        }
        if let (Some(from), Some(until)) = (window.from, window.until)
            && until < from
        {
            return Err(PolicyError::Window { id: id.to_owned() });
        }
        Ok(())
    }

    /// Names of roots and keys, with their windows.
    pub fn material(&self) -> impl Iterator<Item = (&str, Window)> {
        let roots = self.roots.iter().map(|(root, window)| (root.id(), *window));
        roots.chain(self.keys.iter().map(|key| (key.id.as_str(), key.window)))
    }

    /// SHA-256 of a named key in DER, by which rosters and other policies know it.
    pub fn fingerprint(&self, id: &str) -> Option<Digest> {
        let key = self.keys.iter().find(|key| key.id == id)?;
        let sigstore = key.sigstore.as_ref().map(SigstoreKey::fingerprint);
        sigstore.or_else(|| key.embedded.as_ref().map(TrustedKey::fingerprint))
    }

    /// Everything the roots list, each part with the name of its root.
    pub fn parts(&self) -> impl Iterator<Item = (&str, RootPart)> {
        self.roots.iter().flat_map(|(root, _)| root.parts().into_iter().map(|p| (root.id(), p)))
    }

    /// Judges something by all roots, keys and identities that count now.
    pub fn verify(&self, signed: Signed<'_>, now: Timestamp) -> PolicyVerdict {
        match signed {
            Signed::Attested { artifact, attestation } => self.attested(artifact, attestation, now),
            Signed::Embedded { bundle } => self.embedded(bundle, now),
        }
    }

    fn attested(
        &self,
        artifact: Artifact<'_>,
        attestation: &[u8],
        now: Timestamp,
    ) -> PolicyVerdict {
        let keys = self.keys.iter().filter(|key| key.window.contains(now));
        let keys = keys.filter_map(|key| key.sigstore.as_ref()).map(ExpectedSigner::Key);
        let signers: Vec<ExpectedSigner<'_>> =
            self.identities.iter().map(ExpectedSigner::Identity).chain(keys).collect();
        let roots = self.roots.iter().filter(|(_, window)| window.contains(now));
        let mut closest: Option<Report> = None;
        for (root, _) in roots {
            for signer in &signers {
                let expected = Expectation { signer: *signer, profile: self.profile };
                let report = root.verify(artifact, attestation, expected, now);
                if report.is_valid() {
                    return PolicyVerdict::Attested(Box::new(report));
                }
                let fewer = |known: &Report| report.passed() > known.passed();
                if closest.as_ref().is_none_or(fewer) {
                    closest = Some(report);
                }
            }
        }
        closest.map_or_else(
            || PolicyVerdict::Unreadable(format!("no trusted root with a signer counts at {now}")),
            |report| PolicyVerdict::Attested(Box::new(report)),
        )
    }

    fn embedded(&self, bundle: &[u8], now: Timestamp) -> PolicyVerdict {
        let mut keys = KeySet::new();
        for key in self.keys.iter().filter(|key| key.window.contains(now)) {
            if let Some(key) = &key.embedded {
                // Names are unique in a policy, so a key set takes them all.
                let _ = keys.add(key.clone());
            }
        }
        let read = match Format::of(bundle) {
            Format::SignedJson => SignedJson::read(bundle)
                .map(|bundle| verify_signed_json(&bundle, &keys))
                .map_err(|error| error.to_string()),
            Format::OpaArchive => OpaArchive::read(bundle)
                .map(|bundle| verify_opa_bundle(&bundle, &keys, None))
                .map_err(|error| error.to_string()),
            Format::PolicyPack => {
                let problem = "a policy pack carries no signature; give its attestation";
                return PolicyVerdict::Unreadable(problem.to_owned());
            }
        };
        match read {
            Ok(verdict) => PolicyVerdict::Embedded(verdict),
            Err(problem) => PolicyVerdict::Unreadable(problem),
        }
    }
}
