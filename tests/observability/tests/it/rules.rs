//! Recording and alerting rules: what they ask for, and `promtool` cases that notice every change.

use std::{collections::BTreeMap, fs, path::Path};

use observability_tests::programs::{outcome, packaging, program, succeeds, text, yaml};
use plumb_agent::AlertRule;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::queries::{asked, known};

const FILES: [&str; 2] = ["recording.rules.yml", "alerting.rules.yml"];
/// The first takes a second, the others what takes days.
const CASES: [&str; 2] = ["alerting.test.yml", "alerting-days.test.yml"];

/// Alerts only Prometheus can raise: an agent has no counters that end, and knows nothing of other nodes.
const ONLY_HERE: [&str; 2] = ["PolicyReloadCountersSaturated", "PolicyVersionMismatch"];

fn documents() -> BTreeMap<&'static str, Value> {
    let folder = packaging().join("observability");
    FILES.map(|file| (file, yaml(&text(&folder.join(file))))).into()
}

/// Every rule of every group.
fn rules(documents: &BTreeMap<&'static str, Value>) -> Vec<Value> {
    let groups =
        documents.values().flat_map(|document| document["groups"].as_array().expect("groups"));
    groups.flat_map(|group| group["rules"].as_array().expect("rules").clone()).collect()
}

fn field<'a>(rule: &'a Value, name: &str) -> &'a str {
    rule[name].as_str().unwrap_or_else(|| panic!("{name} in {rule}"))
}

#[test]
fn prometheus_reads_the_rules() {
    let Some(mut promtool) = program("promtool") else { return };
    succeeds(
        promtool
            .args(["check", "rules"])
            .args(FILES)
            .current_dir(packaging().join("observability")),
    );
}

#[test]
fn the_cases_pass() {
    let Some(mut promtool) = program("promtool") else { return };
    promtool.args(["test", "rules"]).args(CASES).current_dir(packaging().join("observability"));
    let said = succeeds(&mut promtool);
    assert!(said.contains("SUCCESS"), "{said}");
}

/// The cases with changed rules beside them; JSON is YAML.
fn cases_pass_with(documents: &BTreeMap<&'static str, Value>) -> bool {
    let folder = TempDir::new().expect("a temporary folder");
    for (file, document) in documents {
        fs::write(folder.path().join(file), document.to_string()).expect("writable");
    }
    CASES.iter().all(|cases| {
        let from = packaging().join("observability").join(cases);
        fs::copy(from, folder.path().join(cases)).expect("writable");
        let mut promtool = program("promtool").expect("was there a moment ago");
        outcome(promtool.args(["test", "rules", cases]).current_dir(folder.path())).0
    })
}

/// A change of one expression has to be noticed.
#[track_caller]
fn check(rule: &str, change: &str, changed: impl Fn(&str) -> String) {
    let mut documents = documents();
    let mut found = false;
    for document in documents.values_mut() {
        for group in document["groups"].as_array_mut().expect("groups") {
            for candidate in group["rules"].as_array_mut().expect("rules") {
                if candidate["alert"] == rule || candidate["record"] == rule {
                    let before = field(candidate, "expr").to_owned();
                    let after = changed(&before);
                    assert_ne!(before, after, "{rule}: {change} changes nothing");
                    candidate["expr"] = json!(after);
                    found = true;
                }
            }
        }
    }
    assert!(found, "there is no rule {rule}");
    assert!(!cases_pass_with(&documents), "{rule}: no case notices: {change}");
}

#[test]
fn the_cases_notice_an_alert_that_never_and_one_that_always_fires() {
    if program("promtool").is_none() {
        return;
    }
    assert!(cases_pass_with(&documents()), "unchanged rules pass in this form, too");
    for rule in rules(&documents()) {
        let Some(alert) = rule["alert"].as_str() else { continue };
        check(alert, "never fires", |_| "vector(0) > 1".to_owned());
        check(alert, "always fires", |_| "vector(1)".to_owned());
    }
}

#[test]
fn the_cases_notice_a_limit_that_moved() {
    if program("promtool").is_none() {
        return;
    }
    for (rule, limit, others) in [
        ("PolicyReloadFailed", "increase5m > 0", ["increase5m > 1.1", "increase5m >= 0"]),
        ("PolicyReloadFailingConsecutively", ">= 3", [">= 2", ">= 4"]),
        ("PolicyReloadFailureRate", ">= 4", [">= 3", ">= 5"]),
        ("PolicyReloadServerErrors", "> 0.005", ["> 0.00499", "> 0.00503"]),
        ("PolicyReloadServerErrors", "increase5m > 0", ["increase5m > 1.1", "increase5m >= 0"]),
        ("PolicyPackRefused", "[5m]", ["[4m]", "[6m]"]),
        ("PolicyFetchFailing", ">= 3", [">= 2", ">= 4"]),
        ("PolicyFallbackActive", "== 1", ["== 0", ">= 0"]),
        ("PolicyDigestStale", "> 900", ["> 899", "> 901"]),
        ("PolicyVersionMismatch", "> 1", ["> 2", ">= 1"]),
        ("PolicyLoadAgeHigh", "> 86400", ["> 86399", "> 90001"]),
        ("instance:policy_reload_failures:increase10m", "[10m]", ["[9m]", "[12m]"]),
        ("instance:policy_reload_counters:saturated", ">= 10", [">= 9", ">= 11"]),
        ("instance:policy_reload_failures:consecutive", ">= 3", [">= 2", ">= 4"]),
    ] {
        for other in others {
            check(rule, &format!("{limit} became {other}"), |expr| expr.replace(limit, other));
        }
    }
}

/// Conflict C3: the same thing under three names.
#[test]
fn the_cases_notice_a_family_that_is_forgotten() {
    if program("promtool").is_none() {
        return;
    }
    let failures = [
        "increase(unison_policy_reload_failure_total",
        "increase(policy_reload_failure_total",
        "increase(bundle_reload_failures_total",
    ];
    let ages = ["policy_digest_age_seconds or", "or bundle_digest_age_seconds"];
    let age_changed = ["nothing_seconds or", "or nothing_seconds"];
    for record in ["increase5m", "increase10m"] {
        let rule = format!("instance:policy_reload_failures:{record}");
        for name in failures {
            check(&rule, name, |expr| expr.replace(name, "increase(nothing_total"));
        }
    }
    for name in [
        "increase(unison_policy_reload_total",
        "increase(policy_reload_success_total",
        "increase(bundle_reload_failures_total",
    ] {
        let rule = "instance:policy_reloads:increase5m";
        check(rule, name, |expr| expr.replace(name, "increase(nothing_total"));
    }
    for name in &failures[..2] {
        let rule = "instance:policy_reload_failures:consecutive";
        check(rule, name, |expr| expr.replace(name, "increase(nothing_total"));
    }
    for (name, other) in ages.into_iter().zip(age_changed) {
        let rule = "instance:policy_digest_age_seconds:current";
        check(rule, name, |expr| expr.replace(name, other));
    }
    for rule in ["increase5m", "increase10m", "consecutive"] {
        let rule = format!("instance:policy_reload_failures:{rule}");
        check(&rule, "saturated counters are counted", |expr| {
            expr.replace("instance:policy_reload_counters:saturated", "nothing_total")
        });
    }
}

#[test]
fn rules_ask_for_what_is_printed_or_recorded() {
    let rules = rules(&documents());
    let mut known = known();
    known.extend(rules.iter().filter_map(|rule| rule["record"].as_str().map(str::to_owned)));
    for rule in &rules {
        let names = asked(field(rule, "expr"));
        assert!(!names.is_empty(), "{rule}");
        for name in names {
            assert!(known.contains(&name), "{name} in {rule}");
        }
    }
}

/// What an agent pushes itself has to end in the same route (R184 to R186, R197 to R199, R221, conflict C2).
#[test]
fn alerts_are_those_the_agent_pushes_with_the_same_urgency() {
    let rules = rules(&documents());
    let alerts: BTreeMap<&str, &Value> =
        rules.iter().filter_map(|rule| Some((rule["alert"].as_str()?, rule))).collect();
    for rule in AlertRule::ALL {
        let alert = alerts.get(rule.name()).unwrap_or_else(|| panic!("no rule {}", rule.name()));
        assert_eq!(alert["labels"]["severity"], rule.severity().name(), "{}", rule.name());
        assert_eq!(alert["labels"]["audience"], rule.audience(), "{}", rule.name());
    }
    assert_eq!(alerts.len(), AlertRule::ALL.len() + ONLY_HERE.len());
    for (name, alert) in alerts {
        for text in ["summary", "description", "help"] {
            assert!(
                alert["annotations"][text].as_str().is_some_and(|text| !text.is_empty()),
                "{name}"
            );
        }
    }
}

#[test]
fn the_help_explains_every_alert_with_its_severity() {
    let help = text(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/help/metrics.md"));
    for rule in rules(&documents()) {
        let Some(name) = rule["alert"].as_str() else { continue };
        let row = format!("| `{name}` | {} |", field(&rule["labels"], "severity"));
        assert!(help.contains(&row), "no row begins with {row}");
    }
}
