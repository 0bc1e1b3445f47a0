//! Signed bundles of the promised sizes, with policies as large as the field writes them.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Result, ensure};
use plumb_agent::TrustKey;
use plumb_bundle::{
    formats::signed_json::BundleDraft,
    json::{self, Value},
};
use plumb_trust::{KeySet, SigningKey, sign_bundle};

const KEY_ID: &str = "signer-2026a";
const KEY_BITS: usize = 2_048;
/// Cases a policy lists; with them it has about 2 KB, as sizes and counts of the figures say.
const CASES: usize = 19;

/// A size of bundle, and what the field's service needs to reload it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    pub(crate) name: &'static str,
    bytes: usize,
    pub(crate) policies: usize,
    /// The well-known Python service on two cores, in milliseconds.
    pub(crate) field_ms: f64,
    /// How many times faster ours has to be, where that was promised.
    pub(crate) times_faster: Option<f64>,
    /// Reloads of one run.
    pub(crate) reloads: usize,
}

pub(crate) const SIZES: [Size; 4] = [
    size("10 KB", 10_000, 5, (0.5, Some(1.5)), 21),
    size("100 KB", 100_000, 50, (1.3, None), 21),
    size("1 MB", 1_000_000, 500, (13.0, Some(4.0)), 11),
    size("10 MB", 10_000_000, 5_000, (140.0, Some(4.0)), 5),
];

const fn size(
    name: &'static str,
    bytes: usize,
    policies: usize,
    (field_ms, times_faster): (f64, Option<f64>),
    reloads: usize,
) -> Size {
    Size { name, bytes, policies, field_ms, times_faster, reloads }
}

/// A throw-away key and the set of keys that trusts it.
#[derive(Debug)]
pub(crate) struct Signer {
    key: SigningKey,
    keys: KeySet,
    pem: PathBuf,
}

impl Signer {
    pub(crate) fn new(folder: &Path) -> Result<Self> {
        let key = SigningKey::generate_rsa(KEY_BITS, &mut fill)?;
        let mut keys = KeySet::new();
        keys.add(key.trusted(KEY_ID, None)?)?;
        let pem = folder.join("signer.pem");
        fs::write(&pem, key.public_pem()?)?;
        Ok(Self { key, keys, pem })
    }

    pub(crate) fn keys(&self) -> &KeySet {
        &self.keys
    }

    pub(crate) fn trust(&self) -> TrustKey {
        TrustKey { id: KEY_ID.to_owned(), pem: self.pem.clone() }
    }

    /// A bundle file of about this size.
    pub(crate) fn sign(&self, size: Size, version: &str) -> Result<Vec<u8>> {
        let draft = BundleDraft {
            id: "payments-policies".to_owned(),
            version: version.to_owned(),
            issued_at: "2026-11-09T09:00:00Z".parse()?,
            issuer: Some("Payments platform".to_owned()),
            description: Some("What payment agents may do".to_owned()),
            expires_at: None,
            tags: vec!["payments".to_owned()],
            policies: (0..size.policies)
                .map(|number| policy(number, version))
                .collect::<Result<_>>()?,
        };
        let file = sign_bundle(&draft.build()?, &self.key, KEY_ID, &mut fill)?;
        let wanted = size.bytes * 9 / 10..=size.bytes * 11 / 10;
        ensure!(wanted.contains(&file.len()), "{} has {} bytes", size.name, file.len());
        Ok(file)
    }

    /// The same with a word changed after it was signed.
    pub(crate) fn altered(&self, size: Size, version: &str) -> Result<Vec<u8>> {
        let text = String::from_utf8(self.sign(size, version)?)?;
        Ok(text.replace("allow", "alloW").into_bytes())
    }
}

fn policy(number: usize, version: &str) -> Result<Value> {
    let effect = ["allow", "deny", "require_confirmation"][number % 3];
    let mut cases = String::new();
    for case in 0..CASES {
        let comma = if case == 0 { "" } else { "," };
        write!(
            cases,
            r#"{comma}"case {case:02}: a transfer above the limit of region {number:05} is asked for""#
        )?;
    }
    let text = format!(
        r#"{{"id":"payments.transfer.rule-{number:05}","effect":"{effect}",
        "description":"Transfers of region {number:05} as agreed for release {version}","priority":{priority},
        "conditions":{{"data_classification":["confidential","restricted"],"required_scopes":["payments.write"]}},
        "suggested_alternative":"payments.transfer.request","risk_level":"high","cases":[{cases}]}}"#,
        priority = 1_000 - number % 1_000,
    );
    Ok(json::parse(text.as_bytes())?)
}

fn fill(bytes: &mut [u8]) {
    rand::fill(bytes);
}
