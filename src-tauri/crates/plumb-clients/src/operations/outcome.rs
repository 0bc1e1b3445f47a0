//! What is known after a mutation was attempted.

use plumb_fleet::{NodeApi, NodeFailure};
use plumb_wire::v1;

use crate::{
    error::{from_status, words},
    http::Answer,
    node::said,
    nodes::reload::wire,
    operations::Operation,
};

/// The node's answer to an operation, or what its absence means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The node says it did it. Arrival is proved by the next observation, not by this.
    Accepted { detail: String },
    /// The node says no; nothing changed.
    Refused { message: String },
    /// What was named does not stand on the node (404).
    Missing { message: String },
    /// The request may have arrived and no usable answer did. Observe before trying again.
    InDoubt { message: String },
    /// The request never left.
    NotSent { failure: NodeFailure },
}

impl Outcome {
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Accepted { .. } => "accepted",
            Self::Refused { .. } => "refused",
            Self::Missing { .. } => "missing",
            Self::InDoubt { .. } => "in doubt",
            Self::NotSent { .. } => "not sent",
        }
    }
}

/// Reads a complete answer.
pub(crate) fn read(api: NodeApi, operation: &Operation, path: &str, answer: &Answer) -> Outcome {
    let message = || from_status(path, answer.status, &answer.body).message;
    match answer.status.as_u16() {
        200..=299 => accepted(api, operation, path, &answer.body),
        404 => Outcome::Missing { message: words(&answer.body).unwrap_or_else(message) },
        // A gateway gave up waiting; what stands behind it may still be at work.
        502 | 504 | 408 => Outcome::InDoubt { message: message() },
        500 => Outcome::Refused { message: words(&answer.body).unwrap_or_else(message) },
        _ => Outcome::Refused { message: message() },
    }
}

fn accepted(api: NodeApi, operation: &Operation, path: &str, body: &[u8]) -> Outcome {
    let read = match operation {
        Operation::Verify { .. } => verified(body),
        Operation::Reload { .. } => reloaded(body),
        _ if api != NodeApi::Agent => Ok(Outcome::Accepted { detail: String::new() }),
        Operation::Sync { .. } | Operation::Rollback { .. } => synced(body),
        Operation::Pin { .. } | Operation::Unpin => pinned(body),
        Operation::Restart => restarted(body),
        Operation::ConfigSet { key, .. } => configured(body, key),
    };
    read.unwrap_or_else(|error| Outcome::InDoubt {
        message: said(&format!(
            "{path}: answered with success and a document that cannot be read: {error}"
        )),
    })
}

type Read = Result<Outcome, serde_json::Error>;

fn verified(body: &[u8]) -> Read {
    let answer: wire::Verified = serde_json::from_slice(body)?;
    if !answer.valid {
        let message =
            answer.error.map_or_else(|| "the bundle is not valid".to_owned(), |e| said(&e));
        return Ok(Outcome::Refused { message });
    }
    let mut detail = "valid".to_owned();
    if let Some(id) = &answer.bundle_id {
        detail = format!("{detail}: {}", said(&id.0));
    }
    if let Some(version) = &answer.version {
        detail = format!("{detail} {}", said(&version.0));
    }
    if let Some(count) = answer.policies_count.and_then(super::super::nodes::loose::Number::count) {
        detail = format!("{detail}, {count} policies");
    }
    Ok(Outcome::Accepted { detail })
}

fn reloaded(body: &[u8]) -> Read {
    let answer: wire::Reloaded = serde_json::from_slice(body)?;
    if !answer.success {
        let message = answer.error.map_or_else(|| "the reload failed".to_owned(), |e| said(&e));
        return Ok(Outcome::Refused { message });
    }
    let version = answer.version.map_or_else(|| "a bundle".to_owned(), |label| said(&label.0));
    let mut detail = format!("loaded {version}");
    if let Some(count) = answer.policies_loaded.and_then(super::super::nodes::loose::Number::count)
    {
        detail = format!("{detail}, {count} policies");
    }
    if let Some(took) =
        answer.duration_ms.and_then(super::super::nodes::loose::Number::milliseconds_as_us)
    {
        detail = format!("{detail}, in {}.{:02} ms", took / 1_000, took % 1_000 / 10);
    }
    Ok(Outcome::Accepted { detail })
}

fn synced(body: &[u8]) -> Read {
    let answer: v1::Reloaded = serde_json::from_slice(body)?;
    let verb = if answer.changed { "loaded" } else { "already ran" };
    Ok(Outcome::Accepted {
        detail: format!(
            "{verb} {}, {} policies, from {}",
            said(&answer.version),
            answer.policies_loaded,
            said(&answer.path)
        ),
    })
}

fn pinned(body: &[u8]) -> Read {
    let answer: v1::Pinned = serde_json::from_slice(body)?;
    let name =
        |pin: Option<v1::Pin>| pin.map_or_else(|| "nothing".to_owned(), |pin| said(&pin.version));
    Ok(Outcome::Accepted {
        detail: format!("pinned {}, before {}", name(answer.pinned), name(answer.previous)),
    })
}

fn restarted(body: &[u8]) -> Read {
    let answer: v1::Restarted = serde_json::from_slice(body)?;
    let with = answer.version.map_or_else(|| "no verified bundle".to_owned(), |v| said(&v));
    Ok(Outcome::Accepted { detail: format!("restarted at {} with {with}", answer.started_at) })
}

fn configured(body: &[u8], key: &str) -> Read {
    let answer: v1::Config = serde_json::from_slice(body)?;
    let value = answer.settings.into_iter().find(|setting| setting.key == key).map(|s| s.value);
    let detail = match value {
        Some(v1::ConfigValue::Flag(flag)) => format!("{key} = {flag}"),
        Some(v1::ConfigValue::Number(number)) => format!("{key} = {number}"),
        Some(v1::ConfigValue::Text(text)) => format!("{key} = {}", said(&text)),
        None => format!("{key} was changed"),
    };
    Ok(Outcome::Accepted { detail })
}
