//! The `metadata` and `signature` sections, read from their canonical text.

use jiff::{Timestamp, civil, tz::TimeZone};
use plumb_fleet::ids::Version;

use super::{SignatureBlock, StructureError};
use crate::{
    bundle::{Expiry, Metadata},
    canonical::canonical,
    json::{Value, parse},
    limits::POLICY_ID_BYTES_MAX,
};

/// How much of an expiry that is no moment is shown.
const UNREADABLE_CHARACTERS_SHOWN: usize = 80;

/// What a bundle says about itself.
#[derive(Debug)]
pub(super) struct Fields {
    pub(super) id: String,
    pub(super) version: Version,
    pub(super) issued_at: Option<Timestamp>,
    pub(super) issuer: Option<String>,
    pub(super) metadata: Metadata,
}

/// Reads metadata; `None` where the bundle has none.
pub(super) fn read(canonical: Option<&str>) -> Result<Fields, StructureError> {
    let canonical = canonical.ok_or(StructureError::NoMetadata)?;
    let value = parse(canonical.as_bytes()).expect("the canonical form of a document is JSON");
    if value.is_empty() {
        return Err(StructureError::NoMetadata);
    }
    if value.as_object().is_none() {
        return Err(StructureError::MetadataNotADictionary);
    }
    let id = required(&value, "bundle_id")?;
    if id.is_empty() || id.len() > POLICY_ID_BYTES_MAX {
        let problem = format!("must have 1 to {POLICY_ID_BYTES_MAX} bytes");
        return Err(StructureError::MetadataField { field: "bundle_id", problem });
    }
    let version = Version::new(required(&value, "version")?).map_err(|error| {
        StructureError::MetadataField { field: "version", problem: error.to_string() }
    })?;
    let issued_at = moment(&required(&value, "issued_at")?);
    let text = |key| value.get(key).and_then(Value::as_str).map(str::to_owned);
    Ok(Fields {
        id,
        version,
        issued_at,
        issuer: text("issuer"),
        metadata: Metadata {
            description: text("description"),
            algorithm: text("algorithm"),
            expiry: expiry(&value),
            tags: tags(&value),
            text: canonical.to_owned(),
        },
    })
}

fn required(metadata: &Value, field: &'static str) -> Result<String, StructureError> {
    let value = metadata.get(field).ok_or(StructureError::NoMetadataField { field })?;
    value.as_str().map(str::to_owned).ok_or_else(|| StructureError::MetadataField {
        field,
        problem: "must be a text without unpaired surrogates".to_owned(),
    })
}

fn expiry(metadata: &Value) -> Expiry {
    match metadata.get("expires_at") {
        None | Some(Value::Null) => Expiry::Never,
        Some(value) => match value.as_str().and_then(moment) {
            Some(at) => Expiry::At(at),
            None => Expiry::Unreadable(
                canonical(value).chars().take(UNREADABLE_CHARACTERS_SHOWN).collect(),
            ),
        },
    }
}

fn tags(metadata: &Value) -> Vec<String> {
    let tags = metadata.get("tags").and_then(Value::as_array).unwrap_or_default();
    tags.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// A moment as Python's `isoformat` or RFC 3339 writes it; one without a zone is taken as UTC,
/// which is what the field's tools mean by it. Anything else is no moment.
fn moment(text: &str) -> Option<Timestamp> {
    text.parse::<Timestamp>().ok().or_else(|| {
        let civil: civil::DateTime = text.parse().ok()?;
        Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp())
    })
}

/// Reads the signature section; an empty one counts as none, as in the field's service.
pub(super) fn read_signature(canonical: &str) -> Result<Option<SignatureBlock>, StructureError> {
    let value = parse(canonical.as_bytes()).expect("the canonical form of a document is JSON");
    if value.is_empty() {
        return Ok(None);
    }
    if value.as_object().is_none() {
        return Err(StructureError::SignatureNotADictionary);
    }
    let text = |field| {
        let text = value.get(field).and_then(Value::as_str).map(str::to_owned);
        text.ok_or(StructureError::SignatureField { field })
    };
    Ok(Some(SignatureBlock {
        algorithm: text("algorithm")?,
        key_id: value.get("key_id").and_then(Value::as_str).map(str::to_owned),
        signature_b64: text("signature_b64")?,
        hash: text("hash")?,
    }))
}
