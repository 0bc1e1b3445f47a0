//! The policy pack endpoint: paths, headers, and what an event says.

use serde::{Deserialize, Serialize};

/// Media type of a pack, a plain tar.
pub const PACK_MEDIA: &str = "application/vnd.intelgraph.policy+tar";
/// Media type of an attestation.
pub const ATTESTATION_MEDIA: &str = "application/vnd.sigstore.bundle+json";
/// Header with the SHA-256 of the whole pack: `sha-256=<hex>`, or base64 as RFC 3230 has it.
pub const DIGEST: &str = "digest";
/// Header with the attestation itself, where it is small enough to travel so.
pub const COSIGN_BUNDLE: &str = "x-cosign-bundle";
/// Header with the id a fetch is known by in the logs of both sides.
pub const CORRELATION_ID: &str = "x-correlation-id";
/// Header of a request that is willing to wait for a change (RFC 7240): `wait=<seconds>`.
pub const PREFER: &str = "prefer";
/// Header of an answer that was held back as asked (RFC 7240).
pub const PREFERENCE_APPLIED: &str = "preference-applied";
/// Name of the server-sent event that tells of a digest.
pub const DIGEST_EVENT: &str = "digest";
/// Longest name of a pack: it stands in paths, file names and metrics.
pub const PACK_ID_BYTES_MAX: usize = 128;

/// Path patterns of the endpoint; `{packId}` stands for the name of a pack.
pub mod path {
    pub const PACK: &str = "/v1/policy/packs/{packId}";
    pub const ATTESTATION: &str = "/v1/policy/packs/{packId}/attestation";
    pub const EVENTS: &str = "/v1/policy/packs/{packId}/events";
}

/// What a server-sent event says: this is what the endpoint serves now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackEvent {
    pub pack: String,
    /// `sha256:<hex>` of the tar.
    pub digest: String,
}

/// Whether a text may name a pack: letters, digits, `.`, `_` and `-`, not starting with a dot.
pub fn is_pack_id(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= PACK_ID_BYTES_MAX
        && !text.starts_with('.')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// The ETag of a pack: `W/"sha-256:<hex>"`.
pub fn etag(hex: &str) -> String {
    format!("W/\"sha-256:{hex}\"")
}

/// The digest an ETag names in hex, when it is one of the endpoint's form. Earlier registries of ours left the hyphen out.
pub fn etag_digest(etag: &str) -> Option<&str> {
    let quoted = etag.strip_prefix("W/").unwrap_or(etag);
    let inner = quoted.strip_prefix('"')?.strip_suffix('"')?;
    inner.strip_prefix("sha-256:").or_else(|| inner.strip_prefix("sha256:"))
}
