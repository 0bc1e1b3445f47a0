//! Between domain values and what columns hold.

use jiff::Timestamp;
use plumb_fleet::{ContentDigest, Digest, DriftState, FailureKind, Version};
use serde::{Serialize, de::DeserializeOwned};

use crate::error::StoreError;

const NS_PER_MS: i128 = 1_000_000;

/// A moment of our own clock, to the millisecond.
pub(crate) fn to_ms(at: Timestamp) -> i64 {
    let (ms, _) = to_exact(at);
    ms
}

/// A moment exactly: milliseconds, and nanoseconds left over.
pub(crate) fn to_exact(at: Timestamp) -> (i64, i64) {
    let ns = at.as_nanosecond();
    let ms = i64::try_from(ns.div_euclid(NS_PER_MS)).expect("a timestamp is within 10,000 years");
    let rest = i64::try_from(ns.rem_euclid(NS_PER_MS)).expect("less than a million");
    (ms, rest)
}

pub(crate) fn from_ms(ms: i64) -> Result<Timestamp, StoreError> {
    from_exact(ms, 0)
}

pub(crate) fn from_exact(ms: i64, rest_ns: i64) -> Result<Timestamp, StoreError> {
    let ns = i128::from(ms) * NS_PER_MS + i128::from(rest_ns);
    Timestamp::from_nanosecond(ns).map_err(|e| StoreError::malformed("moment")(e.into()))
}

pub(crate) fn to_json<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).expect("plain values always serialise")
}

pub(crate) fn from_json<T: DeserializeOwned>(
    what: &'static str,
    document: &str,
) -> Result<T, StoreError> {
    serde_json::from_str(document).map_err(|e| StoreError::malformed(what)(e.into()))
}

pub(crate) fn to_digest(bytes: &[u8]) -> Result<Digest, StoreError> {
    bytes
        .try_into()
        .map(Digest::from_bytes)
        .map_err(|_| StoreError::malformed("digest")("it is not 32 bytes".into()))
}

pub(crate) fn to_content(bytes: &[u8]) -> Result<ContentDigest, StoreError> {
    to_digest(bytes).map(ContentDigest)
}

pub(crate) fn to_version(label: String) -> Result<Version, StoreError> {
    Version::new(label).map_err(|e| StoreError::malformed("version")(e.into()))
}

pub(crate) fn to_state(name: &str) -> Result<DriftState, StoreError> {
    DriftState::ALL
        .into_iter()
        .find(|state| state.name() == name)
        .ok_or_else(|| StoreError::malformed("drift state")(format!("{name:?} is none").into()))
}

/// A failure's kind as its serialised name, so that a new kind needs no change here.
pub(crate) fn failure_name(kind: FailureKind) -> String {
    match serde_json::to_value(kind) {
        Ok(serde_json::Value::String(name)) => name,
        _ => unreachable!("a failure kind serialises as its name"),
    }
}

pub(crate) fn to_failure(name: String) -> Result<FailureKind, StoreError> {
    serde_json::from_value(serde_json::Value::String(name))
        .map_err(|e| StoreError::malformed("kind of failure")(e.into()))
}

/// A limit of rows as SQLite takes it.
pub(crate) fn rows(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
