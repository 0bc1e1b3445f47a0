//! Rules as requests are answered by them, and as the field's service shows them.

use std::sync::OnceLock;

use axum::body::Bytes;
use jiff::Timestamp;
use plumb_bundle::{SignedJson, canonical::canonical, json};
use plumb_decide::{
    Decision, PreparedRules, Reading, Request, RuleError, semantics::first_match::field_rule,
};
use serde_json::Value;

/// Prepared rules, and their printed form once somebody asked for it.
#[derive(Debug)]
pub(crate) struct Rules {
    prepared: PreparedRules,
    shown: OnceLock<Bytes>,
}

impl Rules {
    pub(crate) fn of(document: &SignedJson, reading: Reading) -> Result<Self, RuleError> {
        let prepared = PreparedRules::of_signed_json(document, reading)?;
        Ok(Self { prepared, shown: OnceLock::new() })
    }

    /// Rules in the field's own form, put in place in memory.
    pub(crate) fn of_field_rules(rules: &[Value]) -> Result<Self, RuleError> {
        let prepared = PreparedRules::of_field_rules(rules)?;
        let shown = serde_json::to_vec(rules).expect("JSON values always serialise");
        Ok(Self { prepared, shown: OnceLock::from(Bytes::from(shown)) })
    }

    pub(crate) fn len(&self) -> usize {
        self.prepared.len()
    }

    pub(crate) fn evaluate(&self, request: &Request, now: Timestamp) -> Decision {
        self.prepared.evaluate(request, now)
    }

    /// The rules as a JSON list in the field's form.
    pub(crate) fn shown(&self, document: Option<&SignedJson>) -> Bytes {
        let print = || match document {
            None => Bytes::from_static(b"[]"),
            Some(document) => list(document.policies().map(|(_, _, text)| {
                let policy = json::parse(text.as_bytes());
                canonical(&field_rule(&policy.expect("the canonical form of a document is JSON")))
            })),
        };
        self.shown.get_or_init(print).clone()
    }
}

/// A JSON list of texts that are JSON.
pub(crate) fn list(items: impl Iterator<Item = impl AsRef<str>>) -> Bytes {
    let mut out = vec![b'['];
    for (index, item) in items.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(item.as_ref().as_bytes());
    }
    out.push(b']');
    Bytes::from(out)
}
