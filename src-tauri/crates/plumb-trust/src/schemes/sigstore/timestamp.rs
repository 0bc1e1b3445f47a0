//! Timestamps of RFC 3161: who stamped the signature, and when.

use cms::{
    content_info::{CmsVersion, ContentInfo},
    signed_data::SignedData,
};
use der::{Any, Decode as _, Encode as _, Sequence, asn1::ObjectIdentifier};
use jiff::Timestamp;
use sigstore_types::{SignatureBytes, TimestampToken};

use super::root::SigstoreRoot;

const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
const TST_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");

/// Why a timestamp does not count.
#[derive(Debug)]
pub(crate) enum StampError {
    /// No trusted authority made it.
    Unverified(String),
    /// One did, at a time at which it was not trusted.
    Window(String),
}

/// The answer of an authority. What a client is told beside the token is not signed.
#[derive(Debug, Sequence)]
struct Response {
    status: Status,
    token: Any,
}

#[derive(Debug, Sequence)]
struct Status {
    status: u8,
}

/// Verifies a token over a signature: when it was stamped, and by whom.
pub(crate) fn verify(
    token: &TimestampToken,
    signature: &SignatureBytes,
    root: &SigstoreRoot,
) -> Result<(Timestamp, String), StampError> {
    strict(token.as_bytes()).map_err(StampError::Unverified)?;
    let mut problem = "the trusted root lists no timestamp authority".to_owned();
    for (url, authority) in &root.stamps {
        match sigstore_tsa::verify_timestamp_for_authority(token, signature, authority) {
            Ok(at) => return Ok((at, url.clone())),
            Err(sigstore_tsa::Error::TimestampOutsideValidity { time }) => {
                let problem = format!("stamped at {time} by {url}, which was not trusted then");
                return Err(StampError::Window(problem));
            }
            Err(error) => problem = error.to_string(),
        }
    }
    Err(StampError::Unverified(problem))
}

/// Reads a token in the only way it can be written: one signer, who says what was signed.
fn strict(bytes: &[u8]) -> Result<(), String> {
    let read = |error: der::Error| format!("the timestamp cannot be read: {error}");
    let content = match Response::from_der(bytes) {
        Ok(response) if response.status.status > 1 => {
            return Err(format!(
                "the authority refused to stamp: status {}",
                response.status.status
            ));
        }
        Ok(response) => response.token.decode_as::<ContentInfo>().map_err(read)?,
        Err(_) => token_with_text(bytes).map_err(read)?,
    };
    if content.content_type != SIGNED_DATA {
        return Err("the timestamp is not signed".to_owned());
    }
    let signed: SignedData = content.content.decode_as().map_err(read)?;
    let [signer] = signed.signer_infos.0.as_slice() else {
        return Err(format!(
            "{} signers of a timestamp, where one belongs",
            signed.signer_infos.0.len()
        ));
    };
    if signed.version != CmsVersion::V3
        || !matches!(signer.version, CmsVersion::V1 | CmsVersion::V3)
    {
        return Err("a timestamp of an unknown version".to_owned());
    }
    if signed.digest_algorithms.iter().all(|named| named.oid != signer.digest_alg.oid) {
        return Err("the timestamp does not announce the digest its signer used".to_owned());
    }
    let expected = TST_INFO.to_der().map_err(read)?;
    let says_what = signer.signed_attrs.as_ref().is_some_and(|attributes| {
        attributes.iter().any(|attribute| {
            attribute.oid == CONTENT_TYPE
                && attribute.values.len() == 1
                && attribute
                    .values
                    .get(0)
                    .is_some_and(|v| v.to_der().is_ok_and(|der| der == expected))
        })
    });
    if says_what {
        Ok(())
    } else {
        Err("the signer of the timestamp does not say that it is one".to_owned())
    }
}

/// A token by itself, or in a response with a text about its status.
fn token_with_text(bytes: &[u8]) -> Result<ContentInfo, der::Error> {
    #[derive(Debug, Sequence)]
    struct Spoken {
        status: SpokenStatus,
        token: Any,
    }
    #[derive(Debug, Sequence)]
    struct SpokenStatus {
        status: u8,
        text: Any,
    }
    match Spoken::from_der(bytes) {
        Ok(spoken) if spoken.status.status <= 1 => spoken.token.decode_as(),
        Ok(_) => Err(der::ErrorKind::Failed.into()),
        Err(_) => ContentInfo::from_der(bytes),
    }
}
