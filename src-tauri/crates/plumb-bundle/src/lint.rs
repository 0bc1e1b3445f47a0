//! Advice on bundles that are sound: what works, but not as its author may think.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::{
    bundle::{Bundle, Format},
    json::{Value, parse},
    limits::LINT_BYTES_LARGE,
};

/// One piece of advice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Lint {
    pub rule: LintRule,
    /// The policy it is about.
    pub policy: Option<String>,
    pub detail: String,
}

/// What advice there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LintRule {
    /// Larger than the field advises (R271).
    LargeBundle,
    /// Two policies have one name.
    DuplicateId,
    /// An earlier policy matches whatever this one would match, so it never decides.
    NeverReached,
    /// `enabled: false` is not looked at by nodes that take the first match.
    EnabledIgnored,
    /// `priority` is not looked at by nodes that take the first match.
    PriorityIgnored,
}

/// Looks a bundle over.
pub fn lint(bundle: &Bundle) -> Vec<Lint> {
    let mut found = Vec::new();
    if bundle.bytes > LINT_BYTES_LARGE {
        let detail = format!(
            "{} bytes; the advice is to stay below {LINT_BYTES_LARGE}, remove unused policies and simplify conditions",
            bundle.bytes
        );
        found.push(Lint { rule: LintRule::LargeBundle, policy: None, detail });
    }
    if bundle.format == Format::SignedJson {
        lint_first_match(bundle, &mut found);
    }
    found
}

fn lint_first_match(bundle: &Bundle, found: &mut Vec<Lint>) {
    let mut names: BTreeSet<&str> = BTreeSet::new();
    // Policies without conditions, which match whatever starts with their name.
    let mut broad: BTreeSet<&str> = BTreeSet::new();
    for policy in &bundle.policies {
        let mut add = |rule, detail: String| {
            found.push(Lint { rule, policy: Some(policy.id.clone()), detail });
        };
        if !names.insert(&policy.id) {
            add(LintRule::DuplicateId, "another policy has the same name".to_owned());
        }
        if let Some(earlier) = prefixes(&policy.id).find(|prefix| broad.contains(prefix)) {
            add(LintRule::NeverReached, format!("{earlier:?} stands before it and matches first"));
        }
        let Ok(value) = parse(policy.text.as_bytes()) else { continue };
        if value.get("conditions").is_none_or(Value::is_empty) {
            broad.insert(&policy.id);
        }
        if value.get("enabled").and_then(Value::as_bool) == Some(false) {
            add(LintRule::EnabledIgnored, "enabled is false, yet nodes apply it".to_owned());
        }
        if value.get("priority").is_some() {
            add(LintRule::PriorityIgnored, "nodes go by position, not by priority".to_owned());
        }
    }
}

/// Every start of a name, itself included.
fn prefixes(name: &str) -> impl Iterator<Item = &str> {
    (0..=name.len()).filter_map(|end| name.get(..end))
}

#[cfg(test)]
mod tests;
