use plumb_bundle::{SignedJson, json::parse};
use plumb_fleet::ids::Digest;
use serde_json::json;

use super::*;

const NOON: &str = "2026-11-20T12:00:00Z"; // a Friday

fn policies(policies: &Value) -> Vec<Policy> {
    let list = policies.as_array().unwrap();
    list.iter()
        .map(|policy| {
            let text = policy.to_string();
            let id = policy["id"].as_str().unwrap().to_owned();
            Policy { id, digest: Digest::of(text.as_bytes()), text }
        })
        .collect()
}

/// The answer in short: allowed or not, the reason, and the place of the policy that decided.
#[track_caller]
fn decide(reading: Reading, list: &Value, capability: &str, context: Value, now: &str) -> String {
    let request = Request::new(capability).with_context(context);
    let now = now.parse().unwrap();
    let decision = evaluate(&policies(list), &request, reading, now).unwrap();
    let metadata = json!({"bundle_id": "b", "version": "1", "issued_at": "x"});
    let file = json!({"metadata": metadata, "policies": list}).to_string();
    let bundle = SignedJson::read(file.as_bytes()).unwrap();
    let prepared = PreparedRules::of_signed_json(&bundle, reading).unwrap();
    assert_eq!(prepared.evaluate(&request, now), decision, "both ways of making rules agree");
    let answer = match (decision.allowed, decision.require_confirmation) {
        (true, false) => "allow",
        (false, false) => "deny",
        (false, true) => "ask",
        (true, true) => panic!("{decision:?}"),
    };
    let at =
        decision.matched.map_or_else(|| "default".to_owned(), |matched| matched.index.to_string());
    format!("{answer} {at} {}", decision.reason)
}

#[track_caller]
fn check(list: &Value, capability: &str, context: Value, documented: &str, field: &str) {
    assert_eq!(decide(Reading::Documented, list, capability, context.clone(), NOON), documented);
    assert_eq!(decide(Reading::Field, list, capability, context, NOON), field, "as the field does");
}

#[track_caller]
fn both(list: &Value, capability: &str, expected: &str) {
    check(list, capability, json!({}), expected, expected);
}

#[test]
fn the_first_policy_whose_id_starts_the_capability_decides() {
    let list = json!([
        {"id": "unison.storage.write", "effect": "deny", "description": "No writing"},
        {"id": "unison.storage", "effect": "allow"},
        {"id": "unison", "effect": "require_confirmation", "priority": 1000},
    ]);
    both(&list, "unison.storage.write", "deny 0 No writing");
    both(&list, "unison.storage.write.all", "deny 0 No writing");
    both(&list, "unison.storage.read", "allow 1 policy:unison.storage");
    both(&list, "unison.echo", "ask 2 policy:unison");
    both(&list, "uniso", "allow default default-allow");
    both(&list, "", "allow default default-allow");
    let none = PreparedRules::none(Reading::Documented);
    assert_eq!(none.evaluate(&Request::new("x"), NOON.parse().unwrap()), Decision::default_allow());
}

#[test]
fn enabled_and_priority_are_not_looked_at() {
    let list = json!([
        {"id": "a", "effect": "deny", "enabled": false, "priority": 0},
        {"id": "a", "effect": "allow", "priority": 9},
    ]);
    both(&list, "a", "deny 0 policy:a");
}

#[test]
fn one_class_matches_where_the_context_names_it() {
    let list =
        json!([{"id": "a", "effect": "deny", "conditions": {"data_classification": "restricted"}}]);
    let (deny, default) = ("deny 0 policy:a", "allow default default-allow");
    check(&list, "a", json!({"safety_context": {"data_classification": "restricted"}}), deny, deny);
    check(&list, "a", json!({"data_classification": "restricted"}), deny, default);
    check(&list, "a", json!({"data_classification": "public"}), default, default);
    check(&list, "a", json!({}), default, default);
    check(&list, "a", json!({"data_classification": ["public", "restricted"]}), deny, default);
    check(&list, "a", json!({"safety_context": "restricted"}), default, default);
}

#[test]
fn a_list_of_classes_means_any_as_documented_and_the_same_list_in_the_field() {
    let list =
        json!([{"id": "a", "effect": "deny", "conditions": {"data_classification": ["x", "y"]}}]);
    let (deny, default) = ("deny 0 policy:a", "allow default default-allow");
    check(&list, "a", json!({"safety_context": {"data_classification": "y"}}), deny, default);
    check(&list, "a", json!({"safety_context": {"data_classification": ["x", "y"]}}), deny, deny);
    check(&list, "a", json!({"safety_context": {"data_classification": "z"}}), default, default);
}

#[test]
fn empty_conditions_always_hold() {
    for conditions in [
        json!({}),
        json!({"data_classification": null, "time_restrictions": {}}),
        json!({"data_classification": []}),
    ] {
        let list = json!([{"id": "a", "effect": "deny", "conditions": conditions}]);
        both(&list, "a", "deny 0 policy:a");
    }
}

#[track_caller]
fn in_window(window: &Value, now: &str) -> bool {
    let list = json!([{"id": "a", "effect": "deny", "conditions": {"time_restrictions": window}}]);
    let answers = [Reading::Documented, Reading::Field]
        .map(|reading| decide(reading, &list, "a", json!({}), now) == "deny 0 policy:a");
    assert!(answers[0] == answers[1] || window.get("days").is_some(), "{window} at {now}");
    answers[0]
}

#[test]
fn hours_are_utc_and_include_both_ends() {
    let day = json!({"start": "09:00", "end": "17:30"});
    assert!(!in_window(&day, "2026-11-20T08:59:59Z"));
    assert!(in_window(&day, "2026-11-20T09:00:00Z"));
    assert!(in_window(&day, "2026-11-20T17:30:59Z"));
    assert!(!in_window(&day, "2026-11-20T17:31:00Z"));
    assert!(in_window(&day, "2026-11-20T11:00:00+02:00"), "09:00 in UTC");
}

#[test]
fn hours_may_go_over_midnight() {
    let night = json!({"start": "22:00", "end": "06:00"});
    assert!(in_window(&night, "2026-11-20T23:00:00Z"));
    assert!(in_window(&night, "2026-11-20T06:00:30Z"));
    assert!(!in_window(&night, "2026-11-20T06:01:00Z"));
    assert!(!in_window(&night, "2026-11-20T12:00:00Z"));
}

#[test]
fn days_are_those_on_which_a_window_opens() {
    let night = json!({"start": "22:00", "end": "06:00", "days": ["fri"]});
    assert!(in_window(&night, "2026-11-20T22:00:00Z"));
    assert!(in_window(&night, "2026-11-21T05:00:00Z"), "Saturday morning still belongs to Friday");
    assert!(!in_window(&night, "2026-11-20T05:00:00Z"));
    let office = json!({"days": ["Monday", 4]});
    assert!(in_window(&office, NOON));
    assert!(!in_window(&office, "2026-11-21T12:00:00Z"));
}

#[test]
fn conditions_that_cannot_be_read_are_errors_as_documented() {
    let error = |conditions: Value| {
        let list = json!([{"id": "a", "effect": "deny", "conditions": conditions}]);
        PreparedRules::of_policies(&policies(&list), Reading::Documented).unwrap_err().to_string()
    };
    assert_eq!(error(json!([])), "policy 0 (a): conditions must be an object");
    assert_eq!(
        error(json!({"data_classification": 7})),
        "policy 0 (a): the condition data_classification must name classes as texts"
    );
    let times = "policy 0 (a): the condition time_restrictions";
    for (window, problem) in [
        (json!([1]), "must be an object with start and end"),
        (json!({"start": "09:00"}), "must have start and end as HH:MM"),
        (json!({"start": "9", "end": "10"}), "must have start and end as HH:MM"),
        (json!({"start": "25:00", "end": "26:00"}), "must have start and end as HH:MM"),
        (
            json!({"start": "01:00", "end": "02:00", "days": ["noday"]}),
            "names a day that is no day of the week",
        ),
        (json!({"days": "mon"}), "must list its days"),
    ] {
        assert_eq!(error(json!({"time_restrictions": window})), format!("{times} {problem}"));
    }
}

#[test]
fn conditions_that_cannot_be_read_never_hold_in_the_field_or_end_it() {
    let field = |window: Value| {
        let list = json!([
            {"id": "a", "effect": "deny", "conditions": {"time_restrictions": window}},
            {"id": "a", "effect": "require_confirmation"},
        ]);
        decide(Reading::Field, &list, "a", json!({}), NOON)
    };
    assert_eq!(field(json!({"start": "x", "end": "y"})), "ask 1 policy:a");
    assert_eq!(field(json!({"start": 9, "end": 17})), "ask 1 policy:a");
    assert_eq!(
        field(json!("09:00-17:00")),
        "allow default default-allow",
        "the program fails there"
    );
}

#[test]
fn conditions_nobody_looks_at_are_named() {
    let list = json!([{"id": "a", "effect": "allow", "risk_level": "high",
        "suggested_alternative": "ask first",
        "conditions": {"required_scopes": ["x"], "max_tokens": 5, "data_classification": []}}]);
    let rules = PreparedRules::of_policies(&policies(&list), Reading::Documented).unwrap();
    let decision = rules.evaluate(&Request::new("a"), NOON.parse().unwrap());
    let matched = decision.matched.clone().unwrap();
    let names: Vec<&str> = matched.ignored_conditions.iter().map(|name| &**name).collect();
    assert_eq!(names, ["max_tokens", "required_scopes"]);
    assert_eq!(rules.ignored_conditions().count(), 1);
    assert_eq!(
        serde_json::to_value(&decision).unwrap(),
        json!({"allowed": true, "require_confirmation": false, "reason": "policy:a",
            "suggested_alternative": "ask first", "risk_level": "high"}),
        "exactly what stands on the wire"
    );
}

#[test]
fn policies_that_are_no_policies_are_errors() {
    let error = |text: &str| {
        let policy = Policy { id: "a".to_owned(), digest: Digest::of(b""), text: text.to_owned() };
        PreparedRules::of_policies(&[policy], Reading::Field).unwrap_err().to_string()
    };
    assert_eq!(error("package a"), "policy 0 (a) is not JSON");
    assert_eq!(
        error(r#"{"id":"a","effect":"maybe"}"#),
        "policy 0 (a) has no effect, or one that is not allow, deny or require_confirmation"
    );
}

#[test]
fn rules_in_the_form_of_the_field_decide_alike() {
    let list = json!([
        {"id": "a.b", "effect": "deny", "description": "No",
            "conditions": {"data_classification": "x", "time_restrictions": {"start": "09:00", "end": "17:00"}}},
        {"id": "a", "effect": "require_confirmation"},
    ]);
    let texts = list.as_array().unwrap().iter().map(|policy| {
        let rule = field_rule(&parse(policy.to_string().as_bytes()).unwrap());
        serde_json::from_str(&plumb_bundle::canonical::canonical(&rule)).unwrap()
    });
    let rules: Vec<Value> = texts.collect();
    assert_eq!(
        rules[1],
        json!({"match": {"intent_prefix": "a", "auth_scope": null, "safety_context": {"data_classification": null},
            "time_window": {}, "persons": null},
            "decision": {"action": "require_confirmation", "reason": "policy:a", "suggested_alternative": null}})
    );
    let rules = PreparedRules::of_field_rules(&rules).unwrap();
    let direct = PreparedRules::of_policies(&policies(&list), Reading::Field).unwrap();
    for (capability, class) in [("a.b.c", "x"), ("a.b", "y"), ("a", "x"), ("b", "x")] {
        let context = json!({"safety_context": {"data_classification": class}});
        let request = Request::new(capability).with_context(context);
        let (one, other) = (
            rules.evaluate(&request, NOON.parse().unwrap()),
            direct.evaluate(&request, NOON.parse().unwrap()),
        );
        assert_eq!(
            (one.allowed, one.reason),
            (other.allowed, other.reason),
            "{capability} {class}"
        );
    }
}

#[test]
fn field_rules_know_scopes_and_persons() {
    let rules = [
        json!({"match": {"auth_scope": "s"}, "decision": {"action": "deny"}}),
        json!({"match": {"intent_prefix": "p", "persons": ["ana"]}, "decision": {"action": "deny", "reason": "r"}}),
        json!({"match": {"intent_prefix": "p", "persons": "ana"}, "decision": {"action": "deny"}}),
        json!({"match": {}, "decision": {}}),
    ];
    let rules = PreparedRules::of_field_rules(&rules).unwrap();
    let reason = |capability: &str, context: Value| {
        rules
            .evaluate(&Request::new(capability).with_context(context), NOON.parse().unwrap())
            .reason
    };
    assert_eq!(reason("x", json!({"auth_scope": "s"})), "rule:*");
    assert_eq!(reason("p1", json!({"person_id": "ana"})), "r");
    assert_eq!(reason("p1", json!({"person_id": "bo"})), "rule:*");
    let error = |rule: Value| PreparedRules::of_field_rules(&[rule]).unwrap_err().to_string();
    assert_eq!(error(json!(1)), "rule 0 is not an object");
    assert_eq!(error(json!({"match": {}})), "rule 0 missing 'match' or 'decision'");
}
