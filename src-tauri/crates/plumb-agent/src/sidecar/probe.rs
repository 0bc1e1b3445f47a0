//! Questions whose answers show that OPA decides by the new pack.

use plumb_bundle::formats::pack::OpaForm;
use serde_json::Value;

use super::limits::PACKAGES_PROBED_MAX;
use crate::probe_file::ProbeEntry;

/// What is asked where nobody gave a file: each package has to be there.
pub(super) fn of_packages(form: &OpaForm) -> Vec<ProbeEntry> {
    let ask = |package: &String| ProbeEntry {
        path: package.clone(),
        input: Value::Object(serde_json::Map::new()),
        expect: None,
    };
    form.packages.iter().take(PACKAGES_PROBED_MAX).map(ask).collect()
}

/// What speaks against an answer; `None` is undefined.
pub(super) fn objection(probe: &ProbeEntry, answer: Option<&Value>) -> Option<String> {
    let shown = |value: Option<&Value>| match value {
        Some(value) => value.to_string().chars().take(120).collect(),
        None => "undefined".to_owned(),
    };
    let place = probe.path.replace('/', ".");
    match (&probe.expect, answer) {
        (None, Some(_)) => None,
        (None, None) => Some(format!("data.{place} is undefined")),
        (Some(expected), answer) if answer == Some(expected) => None,
        (Some(expected), answer) => {
            Some(format!("data.{place} is {}, not {}", shown(answer), shown(Some(expected))))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_is_held_against_what_was_expected() {
        let probe = |expect| ProbeEntry { path: "a/b".to_owned(), input: json!({}), expect };
        let one = probe(Some(json!(true)));
        assert_eq!(objection(&one, Some(&json!(true))), None);
        assert_eq!(objection(&one, Some(&json!(1))).as_deref(), Some("data.a.b is 1, not true"));
        assert_eq!(objection(&one, None).as_deref(), Some("data.a.b is undefined, not true"));
        let any = probe(None);
        assert_eq!(objection(&any, Some(&json!(1))), None);
        assert_eq!(objection(&any, None).as_deref(), Some("data.a.b is undefined"));
    }
}
