//! New ids: UUID version 7 (RFC 9562) from our clock and the system's randomness.

use jiff::Timestamp;
use newtype_uuid::{GenericUuid as _, TypedUuid, TypedUuidKind};
use rand::Rng as _;

/// A new id of a snapshot or run.
pub(crate) fn new_id<K: TypedUuidKind>(at: Timestamp) -> TypedUuid<K> {
    let mut random = [0; 10];
    rand::rng().fill_bytes(&mut random);
    let millis = u64::try_from(at.as_millisecond()).unwrap_or(0);
    TypedUuid::from_untyped_uuid(
        uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid(),
    )
}
