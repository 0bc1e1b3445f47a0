//! A request that is put to several policies at the same moment, so that their answers compare.

use jiff::Timestamp;
use plumb_fleet::ids::Digest;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::request::Request;

/// Where a case comes from. What was recorded weighs more than what was made up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// From a decision log: somebody asked this.
    Recorded,
    /// From a file of requests or the tests of a pack.
    Given,
    /// Made from the conditions of the compared policies.
    Generated,
}

/// One request with its moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Case {
    /// What Rego sees as `input`, and what the field's services take as their request.
    pub input: Value,
    /// The time at which it is asked; taken in UTC.
    pub now: Timestamp,
    pub origin: Origin,
    /// How often it was asked; at least 1.
    pub weight: u64,
}

impl Case {
    pub fn new(input: Value, now: Timestamp, origin: Origin) -> Self {
        Self { input, now, origin, weight: 1 }
    }

    /// A case of the field's form.
    pub fn of_request(request: &Request, now: Timestamp, origin: Origin) -> Self {
        let members = [
            ("capability_id".to_owned(), Value::from(request.capability_id.clone())),
            ("context".to_owned(), request.context.clone()),
        ];
        Self::new(Value::Object(Map::from_iter(members)), now, origin)
    }

    /// The request as the field's services read it; none where `input` is no such request.
    pub fn request(&self) -> Option<Request> {
        let capability = self.input.get("capability_id")?.as_str()?;
        let context = self.input.get("context").cloned();
        Some(Request::new(capability).with_context(context.unwrap_or_else(|| Map::new().into())))
    }

    /// Its canonical bytes (RFC 8785): equal cases have equal bytes, whatever their weight and origin.
    pub fn key(&self) -> Vec<u8> {
        serde_json_canonicalizer::to_vec(&(&self.input, self.now))
            .expect("a case always serialises")
    }
}

/// One case for each key, in the order of keys, so that a list means the same however it was
/// collected. Weights add up; the first origin in the order of [`Origin`] is kept.
pub fn merged(cases: Vec<Case>) -> Vec<Case> {
    let mut by_key = std::collections::BTreeMap::<Vec<u8>, Case>::new();
    for case in cases {
        by_key
            .entry(case.key())
            .and_modify(|known| {
                known.weight = known.weight.saturating_add(case.weight);
                known.origin = known.origin.min(case.origin);
            })
            .or_insert(case);
    }
    by_key.into_values().collect()
}

/// A Monday at midnight, UTC: generated cases lie in its week, so that they are the same every day.
pub(crate) const GENERATED_WEEK: &str = "2024-01-01T00:00:00Z";

/// The `number`th draw about something. A digest, so that a seed means the same in every release.
pub(crate) fn drawn(seed: u64, about: &str, number: usize) -> usize {
    let hex = Digest::of(format!("{seed} {number} {about}").as_bytes()).to_hex();
    usize::from_str_radix(&hex[..12], 16).unwrap_or_default()
}
