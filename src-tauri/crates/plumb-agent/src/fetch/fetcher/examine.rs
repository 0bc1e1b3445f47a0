//! From bytes to a verified pack, in the fixed order: signature, then unpacking.

use std::sync::Arc;

use jiff::Timestamp;
use plumb_bundle::{Bundle, PolicyPack, json::Value};
use plumb_fleet::Digest;

use crate::fetch::{
    failure::FetchFailure,
    verify::{PackVerifier, Refusal, Signed, VerificationReport},
};

/// What was found in bytes that are trusted.
#[derive(Debug)]
pub(super) struct Examined {
    pub(super) pack: Arc<PolicyPack>,
    pub(super) bundle: Arc<Bundle>,
    pub(super) report: VerificationReport,
}

/// Verifies a pack, unpacks it, and checks that it is the one that was asked for. Blocks.
pub(super) fn examine(
    verifier: &dyn PackVerifier,
    pack_id: &str,
    tar: &[u8],
    attestation: &[u8],
    now: Timestamp,
) -> Result<Examined, FetchFailure> {
    let signed = Signed { pack_id, digest: Digest::of(tar), tar, attestation };
    let report = verifier.verify(signed, now);
    if !report.is_trusted() {
        let refusal = report.reason();
        return Err(FetchFailure::Untrusted { refusal, report: Box::new(report) });
    }
    let pack = PolicyPack::read(tar).map_err(FetchFailure::Unpack)?;
    // A signer signs many packs; one of them under the address of another is not what was asked for.
    let named = ["id", "packId"].into_iter().find_map(|key| pack.manifest().get(key));
    if let Some(named) = named.and_then(Value::as_str).filter(|named| *named != pack_id) {
        return Err(FetchFailure::WrongPack {
            wanted: pack_id.to_owned(),
            found: named.chars().take(200).collect(),
        });
    }
    let bundle = pack.to_bundle().map_err(FetchFailure::Unpack)?;
    Ok(Examined { pack: Arc::new(pack), bundle: Arc::new(bundle), report })
}

/// Whether only time speaks against a pack.
pub(super) fn is_expired(failure: &FetchFailure) -> bool {
    matches!(failure, FetchFailure::Untrusted { refusal: Refusal::Expired, .. })
}
