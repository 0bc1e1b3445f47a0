//! Valid bundles with one byte or one member changed: no panic, and nothing that is authenticated
//! survives a change.

use plumb_pki::{Content, LogKind, Material, Recipe, Version};
use plumb_trust::SigstoreRoot;
use serde_json::Value;

use super::{issue, profile, recipe, verdict, verdict_by};
use crate::seeded;

/// Members that nothing authenticates and nothing depends on, as the module says. Everything else
/// must be refused when it changes.
const UNAUTHENTICATED: [&str; 4] = [
    "/mediaType",
    "/verificationMaterial/publicKey/hint",
    "/dsseEnvelope/signatures/0/keyid",
    // Outside what the authority signed: version numbers, algorithm names, lengths of the wrapping.
    "/verificationMaterial/timestampVerificationData/rfc3161Timestamps/0/signedTimestamp",
];

/// Members that may be missing; what they say is checked.
const MAY_BE_MISSING: [&str; 2] =
    ["/messageSignature/messageDigest", "/verificationMaterial/x509CertificateChain/certificates"];

/// Members of a Rekor v1 entry that only its promise authenticates.
const BY_PROMISE: [&str; 2] = [
    "/verificationMaterial/tlogEntries/0/integratedTime",
    "/verificationMaterial/tlogEntries/0/logIndex",
];

/// Timestamps, none of which a key in a log needs.
const STAMPS: &str = "/verificationMaterial/timestampVerificationData";

fn kinds() -> Vec<Recipe> {
    let plain = recipe();
    vec![
        plain.clone(),
        Recipe { version: Version::V01, ..plain.clone() },
        Recipe { version: Version::V02, content: Content::Statement, ..plain.clone() },
        Recipe { content: Content::Statement, log: LogKind::FirstInToto, ..plain.clone() },
        Recipe { content: Content::Statement, ..plain.clone() }.in_second_log(),
        Recipe { material: Material::Key, ..plain.clone() },
        plain.clone().in_second_log(),
        // Without any time, and with one that nothing depends on.
        Recipe { material: Material::Key, log: LogKind::Second, ..plain.clone() },
        Recipe { material: Material::Key, ..plain.clone() }.in_second_log(),
        plain.stamped_only(),
    ]
}

/// A number below a limit, from seeded bytes.
fn below(fill: &mut impl FnMut(&mut [u8]), limit: usize) -> usize {
    let mut bytes = [0; 8];
    fill(&mut bytes);
    usize::try_from(u64::from_le_bytes(bytes) % limit as u64).expect("smaller than a length")
}

/// The members that differ, as JSON pointers.
fn differences(before: &Value, after: &Value, at: &str, found: &mut Vec<String>) {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            for key in before.keys().chain(after.keys().filter(|key| !before.contains_key(*key))) {
                let none = Value::Null;
                let (before, after) =
                    (before.get(key).unwrap_or(&none), after.get(key).unwrap_or(&none));
                differences(before, after, &format!("{at}/{key}"), found);
            }
        }
        (Value::Array(before), Value::Array(after)) if before.len() == after.len() => {
            for (index, (before, after)) in before.iter().zip(after).enumerate() {
                differences(before, after, &format!("{at}/{index}"), found);
            }
        }
        _ if before == after => {}
        _ => found.push(at.to_owned()),
    }
}

/// Empty and absent say the same.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(members) => members.values().all(is_nothing),
        _ => false,
    }
}

fn may_change(pointer: &str, before: &Value, after: &Value) -> bool {
    let nothing = Value::Null;
    let at = |value: &Value| value.pointer(pointer).unwrap_or(&nothing).clone();
    let (before, after) = (at(before), at(after));
    let shorter = match (&before, &after) {
        // The signer's certificate is still there, and an authority's own is in the trusted root.
        (Value::Array(before), Value::Array(after)) => after.len() == 1 && before[0] == after[0],
        (_, after) => after.is_null(),
    };
    UNAUTHENTICATED.contains(&pointer)
        || MAY_BE_MISSING.contains(&pointer) && shorter
        || is_nothing(&before) && is_nothing(&after)
}

/// What survived a change that it should not have.
fn survivors(before: &Value, text: &[u8]) -> Vec<String> {
    let after: Value = serde_json::from_slice(text).expect("a valid bundle is JSON");
    let mut found = Vec::new();
    differences(before, &after, "", &mut found);
    let no_promise =
        after.pointer("/verificationMaterial/tlogEntries/0/inclusionPromise").is_none();
    let untimed = after.pointer("/verificationMaterial/publicKey").is_some()
        && after.pointer(STAMPS).is_none_or(is_nothing);
    found.retain(|pointer| {
        !(may_change(pointer, before, &after)
            || no_promise && BY_PROMISE.contains(&pointer.as_str())
            || untimed && pointer.starts_with(STAMPS))
    });
    found
}

#[test]
fn no_byte_of_an_authenticated_field_can_change() {
    let mut survived = Vec::new();
    let mut refused = 0;
    for (index, recipe) in kinds().iter().enumerate() {
        let issued = issue(recipe);
        let root = SigstoreRoot::read("r", issued.trusted_root_json().as_bytes()).expect("a root");
        let text = issued.bundle_json().into_bytes();
        let before = verdict_by(&root, &issued, &text, profile(recipe));
        let mut fill = seeded(index as u64);
        let mut below = |limit| below(&mut fill, limit);
        for _ in 0..1_500 {
            let mut changed = text.clone();
            let at = below(changed.len());
            match below(4) {
                0 => changed[at] ^= 1 << below(8),
                1 => changed[at] = b"0AZaz9+/=\"{}[]:, -"[below(18)],
                2 => drop(changed.remove(at)),
                _ => changed.insert(at, b"0AZaz9+/=\"{}[]:, -"[below(18)]),
            }
            let after = verdict_by(&root, &issued, &changed, profile(recipe));
            if !after.is_valid() {
                refused += 1;
                continue;
            }
            assert_eq!(after.carried(), before.carried(), "{}", String::from_utf8_lossy(&changed));
            let fields = survivors(&issued.bundle, &changed);
            if !fields.is_empty() {
                survived.push(format!(
                    "{:?}: {fields:?}: {}",
                    recipe.log,
                    String::from_utf8_lossy(&changed)
                ));
            }
        }
    }
    assert!(survived.is_empty(), "{} survived:\n{}", survived.len(), survived.join("\n"));
    assert!(refused > 10_000, "{refused} refused");
}

/// Every pointer into a document, its root left out.
fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    let mut go = |key: String, value: &Value| {
        let pointer = format!("{at}/{key}");
        found.push(pointer.clone());
        pointers(value, &pointer, found);
    };
    match value {
        Value::Object(members) => members.iter().for_each(|(key, value)| go(key.clone(), value)),
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(index, value)| go(index.to_string(), value));
        }
        _ => {}
    }
}

fn remove(document: &mut Value, pointer: &str) {
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
    match document.pointer_mut(parent) {
        Some(Value::Object(members)) => drop(members.remove(key)),
        Some(Value::Array(list)) => drop(list.remove(key.parse().expect("an index"))),
        _ => {}
    }
}

#[test]
fn no_member_can_be_dropped_doubled_or_replaced() {
    let mut survived = Vec::new();
    for recipe in kinds() {
        // The other bundle is of the same kind, by the same authorities, for the same artifact.
        let (issued, other) = (issue(&recipe), issue(&recipe));
        let root = SigstoreRoot::read("r", issued.trusted_root_json().as_bytes()).expect("a root");
        let mut all = Vec::new();
        pointers(&issued.bundle, "", &mut all);
        let none = [Value::Null, Value::from(""), Value::from(0), serde_json::json!({})];
        for pointer in &all {
            let mut changes = vec![issued.bundle.clone(); 2];
            remove(&mut changes[0], pointer);
            if let Some(Value::Array(list)) = changes[1].pointer_mut(pointer) {
                let again = list.clone();
                list.extend(again);
            }
            let replaced = none.iter().chain(other.bundle.pointer(pointer)).map(|value| {
                let mut bundle = issued.bundle.clone();
                *bundle.pointer_mut(pointer).expect("it is there") = value.clone();
                bundle
            });
            for changed in changes.into_iter().chain(replaced) {
                let text = changed.to_string();
                if verdict_by(&root, &issued, text.as_bytes(), profile(&recipe)).is_valid() {
                    let fields = survivors(&issued.bundle, text.as_bytes());
                    if !fields.is_empty() {
                        survived.push(format!(
                            "{pointer} of {:?}: {fields:?} now {changed}",
                            recipe.log
                        ));
                    }
                }
            }
        }
    }
    assert!(survived.is_empty(), "{} survived:\n{}", survived.len(), survived.join("\n"));
}

#[test]
fn what_nothing_authenticates_may_change_and_changes_nothing() {
    let key = issue(&Recipe { material: Material::Key, ..recipe() });
    let mut bundle = key.bundle.clone();
    bundle["verificationMaterial"]["publicKey"]["hint"] = "another".into();
    let profile = plumb_trust::Profile::Logged;
    let before = verdict(&key, key.bundle_json().as_bytes(), profile);
    let after = verdict(&key, bundle.to_string().as_bytes(), profile);
    assert!(after.is_valid());
    assert_eq!(before.carried(), after.carried());
    let chain = issue(&Recipe { version: Version::V01, ..recipe() });
    let mut bundle = chain.bundle.clone();
    bundle["mediaType"] = "application/vnd.dev.sigstore.bundle+json;version=0.2".into();
    assert!(verdict(&chain, bundle.to_string().as_bytes(), profile).is_valid());
}
