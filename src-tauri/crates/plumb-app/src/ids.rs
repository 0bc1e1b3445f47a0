//! Ids: new ones, UUID version 7 (RFC 9562) from our clock and the system's randomness, and those that were typed.

use jiff::Timestamp;
use newtype_uuid::{GenericUuid as _, TypedUuid, TypedUuidKind};
use plumb_fleet::{PlanHash, RunId, ids::DigestError};
use rand::Rng as _;

use crate::error::{AppError, Code};

/// A new id of a snapshot or run.
pub(crate) fn new_id<K: TypedUuidKind>(at: Timestamp) -> TypedUuid<K> {
    let mut random = [0; 10];
    rand::rng().fill_bytes(&mut random);
    let millis = u64::try_from(at.as_millisecond()).unwrap_or(0);
    TypedUuid::from_untyped_uuid(
        uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid(),
    )
}

/// The id of a run, as it is typed.
pub(crate) fn run_id(run: &str) -> Result<RunId, AppError> {
    run.parse().map_err(|_| {
        let message = format!("{run:?} is not the id of a run");
        AppError::new(Code::Invalid, message, "copy the id from the list of runs")
    })
}

/// The hash of a plan, as it is typed.
pub(crate) fn plan_hash(hash: &str) -> Result<PlanHash, AppError> {
    hash.parse().map_err(|error: DigestError| {
        let hint = "give the whole hash, as the plan was shown with it";
        AppError::new(Code::Invalid, error.to_string(), hint)
    })
}
