//! Redaction as somebody sees it who gets the redacted bytes, and the search for what got through.

mod redacting;
mod searching;
mod streaming;

use std::sync::LazyLock;

use plumb_redact::{Redactor, RuleSpec, Rules, TokenKey};

pub(crate) const KEY: [u8; 32] = [7; 32];

/// Compiled once: it takes longer than all that is done with them here.
static BUILT_IN: LazyLock<Rules> =
    LazyLock::new(|| Rules::compile(&RuleSpec::default()).expect("the rules compile"));

pub(crate) fn redactor(spec: &RuleSpec) -> Redactor {
    let built_in = *spec == RuleSpec::default();
    let rules =
        if built_in { BUILT_IN.clone() } else { Rules::compile(spec).expect("the rules compile") };
    Redactor::new(rules, TokenKey::new(KEY))
}
