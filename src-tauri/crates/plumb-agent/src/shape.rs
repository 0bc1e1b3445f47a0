//! How the field's service writes things.

use jiff::Timestamp;
use plumb_bundle::SignedJson;

/// A moment as Python's `datetime.isoformat` prints it in UTC.
pub(crate) fn field_moment(at: Timestamp) -> String {
    let format = if at.subsec_nanosecond() / 1_000 == 0 {
        "%Y-%m-%dT%H:%M:%S+00:00"
    } else {
        "%Y-%m-%dT%H:%M:%S.%6f+00:00"
    };
    at.strftime(format).to_string()
}

/// A text of the metadata exactly as the bundle says it.
pub(crate) fn metadata_text(document: &SignedJson, field: &str) -> Option<String> {
    let metadata: serde_json::Value = serde_json::from_str(&document.metadata().text).ok()?;
    metadata.get(field)?.as_str().map(str::to_owned)
}
