//! Signed files the demo fleet runs, or refuses to run.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use plumb_agent::TrustKey;
use plumb_bundle::{
    SignedJson,
    formats::signed_json::{BundleDraft, content_of},
};
use plumb_fleet::ContentDigest;
use plumb_trust::{SigningKey, sign_bundle};

use crate::{
    keys::{fill, key, token, write_secret},
    policies::{self, Release},
};

pub(crate) const BUNDLE_ID: &str = "payments-policies";
/// Recorded requests, beside the fleet file.
pub(crate) const REQUESTS: &str = "requests.jsonl";
pub(crate) const SIGNER: &str = "demo-signer";

/// Everything on disk.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    pub(crate) folder: PathBuf,
    /// Bundles signed by the trusted key.
    pub(crate) bundles: PathBuf,
    /// A bundle signed by somebody else, outside `bundles`.
    pub(crate) strange: PathBuf,
    pub(crate) token: String,
    pub(crate) desired: ContentDigest,
}

impl Files {
    pub(crate) fn bundle(&self, release: Release) -> PathBuf {
        self.bundles.join(release.file())
    }

    pub(crate) fn token_file(&self) -> PathBuf {
        self.folder.join("token")
    }

    pub(crate) fn trust(&self) -> TrustKey {
        TrustKey { id: SIGNER.to_owned(), pem: self.folder.join("keys/signer.pem") }
    }
}

/// Makes keys, token and bundles below a folder. Blocks.
pub(crate) fn make(folder: &Path) -> Result<Files> {
    let keys = folder.join("keys");
    let bundles = folder.join("bundles");
    let strangers = folder.join("nodes/stranger");
    for folder in [&keys, &bundles, &strangers] {
        fs::create_dir_all(folder).context("the demo's folders cannot be made")?;
    }
    let signer = key(&keys, "signer")?;
    let stranger = key(&keys, "stranger")?;
    for release in Release::ALL {
        fs::write(bundles.join(release.file()), signed(release, &signer, SIGNER)?)?;
    }
    fs::write(folder.join(REQUESTS), recorded())?;
    let strange = strangers.join("payments-2.0.0-unknown-signer.signed.json");
    fs::write(&strange, signed(Release::Desired, &stranger, "nobody-knows-me")?)?;
    let desired = SignedJson::read(&fs::read(bundles.join(Release::Desired.file()))?)?;
    let files = Files {
        folder: folder.to_path_buf(),
        bundles,
        strange,
        token: token(),
        desired: content_of(&desired.policy_refs()),
    };
    write_secret(&files.token_file(), &files.token).context("the token cannot be written")?;
    Ok(files)
}

/// What was asked on a day, and how often: the form in which a console reads requests.
fn recorded() -> String {
    let day = [
        ("payments.transfer.domestic", "internal", 48_210),
        ("payments.transfer.international", "restricted", 1_240),
        ("payments.refund.full", "internal", 3_105),
        ("cards.limit.read", "internal", 15_400),
        ("cards.pan.read", "restricted", 212),
        ("ledger.post", "internal", 22_018),
        ("export.report.monthly", "confidential", 31),
        ("reports.read.daily", "public", 8_844),
    ];
    let line = |(capability, class, count): (&str, &str, u32)| {
        let context = serde_json::json!({
            "required_scopes": ["payments.write"],
            "safety_context": { "data_classification": class },
        });
        let request =
            serde_json::json!({ "capability_id": capability, "context": context, "count": count });
        format!("{request}\n")
    };
    day.into_iter().map(line).collect()
}

fn signed(release: Release, key: &SigningKey, key_id: &str) -> Result<Vec<u8>> {
    let draft = BundleDraft {
        id: BUNDLE_ID.to_owned(),
        version: release.version().to_owned(),
        issued_at: release.issued_at().parse()?,
        issuer: Some("Payments platform (demo)".to_owned()),
        description: Some("What payment agents may do".to_owned()),
        expires_at: None,
        tags: vec!["demo".to_owned()],
        policies: policies::of(release),
    };
    Ok(sign_bundle(&draft.build()?, key, key_id, &mut fill)?)
}
