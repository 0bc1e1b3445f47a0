//! Timestamps over documents, by an authority that answers as RFC 3161 says: what it is asked, and what its answer is
//! worth.

use der::{
    Encode as _, Sequence,
    asn1::{Null, ObjectIdentifier, OctetString},
};
use jiff::Timestamp;
use plumb_fleet::Digest;
use sigstore_types::{SignatureBytes, TimestampToken};

use crate::schemes::sigstore::{SigstoreRoot, StampError, verify_stamp};

/// How a request travels over HTTP (RFC 3161, 3.4).
pub const REQUEST_TYPE: &str = "application/timestamp-query";
/// Longest answer: a token and a chain of certificates are a few kilobytes.
pub const ANSWER_BYTES_MAX: usize = 64 << 10;

const SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");

/// `TimeStampReq` (RFC 3161, 2.4.1), without a nonce: whatever answer fits the document proves as much.
#[derive(Debug, Sequence)]
struct Request {
    version: u8,
    imprint: Imprint,
    /// Whoever checks by hand needs the certificate.
    certificates: bool,
}

#[derive(Debug, Sequence)]
struct Imprint {
    algorithm: Algorithm,
    hashed: OctetString,
}

#[derive(Debug, Sequence)]
struct Algorithm {
    oid: ObjectIdentifier,
    parameters: Null,
}

/// When a document was there at the latest, and who says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamped {
    pub at: Timestamp,
    /// Address of the authority, as the trusted root has it.
    pub by: String,
}

/// What an authority is asked about a document: its SHA-256 alone.
pub fn request(document: &[u8]) -> Vec<u8> {
    let hashed = OctetString::new(*Digest::of(document).as_bytes()).expect("32 bytes");
    let imprint = Imprint { algorithm: Algorithm { oid: SHA256, parameters: Null }, hashed };
    let request = Request { version: 1, imprint, certificates: true };
    request.to_der().expect("a few dozen bytes")
}

/// Verifies an answer over a document by the authorities of a trusted root; in words where it is not one of theirs, or
/// not about this document.
pub fn verify(answer: &[u8], document: &[u8], root: &SigstoreRoot) -> Result<Stamped, String> {
    if answer.len() > ANSWER_BYTES_MAX {
        return Err(format!(
            "a timestamp of {} bytes, more than the {ANSWER_BYTES_MAX} allowed",
            answer.len()
        ));
    }
    let token = TimestampToken::new(answer.to_vec());
    let document = SignatureBytes::new(document.to_vec());
    match verify_stamp(&token, &document, root) {
        Ok((at, by)) => Ok(Stamped { at, by }),
        Err(StampError::Unverified(problem) | StampError::Window(problem)) => Err(problem),
    }
}
