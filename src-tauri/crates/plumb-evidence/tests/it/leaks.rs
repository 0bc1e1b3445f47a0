//! The self-test: a planted secret that gets through keeps the evidence from being sealed.

use std::collections::BTreeSet;

use plumb_evidence::{About, Capture, Seal, SealError, seal};
use plumb_redact::{Redactor, RuleSpec, Rules, TokenKey};
use plumb_testkit::company::at;

use crate::support::{Folder, Inside, TOKENS, about, captured, console};

fn rules() -> Vec<String> {
    let rules = Rules::compile(&RuleSpec::default()).expect("rules");
    let receipt = Redactor::new(rules, TokenKey::new(TOKENS)).receipt();
    receipt.rules.into_iter().map(|rule| rule.rule).collect()
}

/// Sources in which something is found when a rule is taken away.
fn leaking_without(rule: &str) -> BTreeSet<String> {
    let folder = Folder::new();
    let off = RuleSpec { off: vec![rule.to_owned()], ..RuleSpec::default() };
    let captured =
        captured(&folder.join("draft"), &Inside { rules: Some(off), ..Inside::default() });
    let path = folder.join("evidence.zip");
    let with =
        Seal { key: console(), made_at: at("2026-03-01T12:00:00Z"), canaries: captured.canaries };
    match seal(&captured.draft, with, &path) {
        Err(SealError::Leaks(hits)) => {
            assert!(!path.exists(), "nothing is sealed");
            hits.into_iter().map(|hit| hit.canary.source).collect()
        }
        Err(error) => panic!("{error}"),
        Ok(_) => BTreeSet::new(),
    }
}

#[test]
fn a_secret_is_caught_in_each_source_when_its_rule_is_removed() {
    let lines = rules().into_iter().map(|rule| {
        let sources: Vec<String> = leaking_without(&rule).into_iter().collect();
        format!("{rule}: {}", sources.join(", "))
    });
    insta::assert_snapshot!(lines.collect::<Vec<_>>().join("\n"));
}

#[test]
fn what_evidence_is_about_is_told_without_secrets() {
    let folder = Folder::new();
    let about = About {
        by: "mira@example.org".to_owned(),
        environment: "https://reader:hunter22@localhost/production".to_owned(),
        selection: "filter label:owner=ops@example.org".to_owned(),
        ..about()
    };
    let rules = Rules::compile(&RuleSpec::default()).expect("rules");
    let spec = RuleSpec::default();
    let capture = Capture::begin(&folder.join("draft"), about, spec, rules, TOKENS);
    let capture = capture.expect("begins");
    let told = serde_json::to_string(capture.draft().about()).expect("it serialises");
    for secret in ["mira@example.org", "hunter22", "ops@example.org"] {
        assert!(!told.contains(secret), "{told}");
    }
    assert!(told.contains("label:owner=") && told.contains("/production"), "{told}");
}
