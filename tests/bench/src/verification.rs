//! One Sigstore verification, with reading the bundle, beside the bare check of one signature.

use anyhow::{Context as _, Result, ensure};
use aws_lc_rs::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _,
        UnparsedPublicKey,
    },
};
use jiff::{SignedDuration, Timestamp};
use plumb_pki::{Content, Issued, Material, Pki, Recipe};
use plumb_trust::{
    Artifact, Expectation, ExpectedSigner, Identity, Profile, Report as Verified, SigstoreKey,
    SigstoreRoot, VerifyAttestation as _,
};

use crate::report::{Report, best_of_five};

/// Milliseconds of one verification with parsing.
const VERIFY_MS: f64 = 2.0;
/// A policy pack of this size is hashed on the way.
const PACK_BYTES: usize = 64 << 10;
/// Verifications in one run.
const TIMES: u32 = 50;

/// Something signed, with the root and the signer it is judged by.
#[derive(Debug)]
pub struct Case {
    pub name: &'static str,
    issued: Issued,
    bundle: String,
    root: SigstoreRoot,
    key: Option<SigstoreKey>,
    identity: Identity,
}

/// A bare signature: key, message and signature.
#[derive(Debug)]
pub struct Bare {
    public: Vec<u8>,
    message: Vec<u8>,
    signature: Vec<u8>,
}

/// Measures each kind of bundle.
pub fn run(report: &mut Report) -> Result<()> {
    let bare = Bare::new()?;
    ensure!(bare.verify(), "the bare signature is valid");
    let bare_ms = many(|| bare.verify());
    report.shown("bare ECDSA P-256 verification", bare_ms, "ms");
    for case in cases()? {
        ensure!(case.verify().is_valid(), "{} is valid: {:?}", case.name, case.verify().failures());
        let name = format!("Sigstore verification with parsing, {}", case.name);
        report.timed(&name, many(|| case.verify().is_valid()), "ms", VERIFY_MS);
    }
    let roots = cases()?;
    let root = roots.first().context("there are cases")?;
    report.shown("trusted root, read once", many(|| root.read_root().is_ok()), "ms");
    Ok(())
}

/// Milliseconds of one call, the best of five runs of many.
fn many<T>(mut work: impl FnMut() -> T) -> f64 {
    let all = best_of_five(|| (0..TIMES).map(|_| work()).last());
    all / f64::from(TIMES)
}

/// One bundle of each kind that a fleet uses.
pub fn cases() -> Result<Vec<Case>> {
    let at: Timestamp = "2025-03-01T12:00:00Z".parse()?;
    let pki = Pki::new(at)?;
    let plain = Recipe::new(vec![b'#'; PACK_BYTES], at);
    let kinds = [
        ("a certificate in Rekor v1", plain.clone()),
        ("a statement in Rekor v2, with timestamp", {
            Recipe { content: Content::Statement, ..plain.clone() }.in_second_log()
        }),
        ("a key in Rekor v1", Recipe { material: Material::Key, ..plain }),
    ];
    let case = |(name, recipe): (&'static str, Recipe)| {
        let issued = pki.issue(&recipe)?;
        let root = SigstoreRoot::read("bench", issued.trusted_root_json().as_bytes())?;
        let key = issued.key_pem.as_ref().map(|pem| SigstoreKey::from_pem("k", pem)).transpose()?;
        let identity = Identity::exact(&issued.identity, &issued.issuer);
        Ok(Case { name, bundle: issued.bundle_json(), issued, root, key, identity })
    };
    kinds.into_iter().map(case).collect()
}

impl Case {
    /// Reads and judges the bundle.
    pub fn verify(&self) -> Verified {
        let signer =
            self.key.as_ref().map_or(ExpectedSigner::Identity(&self.identity), ExpectedSigner::Key);
        let expected = Expectation { signer, profile: Profile::Logged };
        let now = self.issued.signed_at + SignedDuration::from_hours(24);
        let artifact = Artifact::Bytes(&self.issued.artifact);
        self.root.verify(artifact, self.bundle.as_bytes(), expected, now)
    }

    fn read_root(&self) -> Result<SigstoreRoot> {
        Ok(SigstoreRoot::read("bench", self.issued.trusted_root_json().as_bytes())?)
    }
}

impl Bare {
    /// Signs the digest of a pack with a key that is thrown away.
    pub fn new() -> Result<Self> {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).context("making a key")?;
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref()).context("reading a key")?;
        let message = vec![b'#'; 32];
        let signature = pair.sign(&random, &message).context("signing")?.as_ref().to_vec();
        Ok(Self { public: pair.public_key().as_ref().to_vec(), message, signature })
    }

    pub fn verify(&self) -> bool {
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &self.public);
        key.verify(&self.message, &self.signature).is_ok()
    }
}
