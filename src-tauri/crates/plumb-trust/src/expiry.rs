//! Whether a bundle may still be taken.

use jiff::Timestamp;
use plumb_bundle::{Expiry, SignedJson};

use crate::{
    keys::KeySet,
    schemes::rsa_pss::verify_signed_json,
    verdict::{CheckName, Verdict},
};

/// A bundle's end has come, or nobody can tell when it comes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Expired {
    #[error("expired at {at}, it is {now}")]
    At { at: Timestamp, now: Timestamp },
    #[error("expires_at is {text}, which is no moment, so it counts as expired")]
    Unreadable { text: String },
}

/// Refuses what has ended at `now`: the moment of the end is the first at which it is expired. An
/// end that cannot be read refuses too, because its author meant there to be one.
pub fn check_expiry(expiry: &Expiry, now: Timestamp) -> Result<(), Expired> {
    match expiry {
        Expiry::At(at) if *at <= now => Err(Expired::At { at: *at, now }),
        Expiry::Unreadable(text) => Err(Expired::Unreadable { text: text.clone() }),
        Expiry::Never | Expiry::At(_) => Ok(()),
    }
}

/// Checks the signature of a bundle as [`verify_signed_json`] does, and that it is not expired.
///
/// The signature alone says who made a bundle, which stays true for ever; use this to decide whether
/// it may be taken now.
pub fn verify_signed_json_at(bundle: &SignedJson, keys: &KeySet, now: Timestamp) -> Verdict {
    let mut verdict = verify_signed_json(bundle, keys);
    let expiry = &bundle.metadata().expiry;
    match (check_expiry(expiry, now), expiry.at()) {
        (Ok(()), None) => verdict.check(CheckName::NotExpired, true, "it sets no end"),
        (Ok(()), Some(at)) => verdict.check(CheckName::NotExpired, true, format!("until {at}")),
        (Err(expired), _) => verdict.check(CheckName::NotExpired, false, expired.to_string()),
    };
    verdict
}
