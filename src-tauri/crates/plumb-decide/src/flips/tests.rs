use jiff::Timestamp;
use plumb_fleet::{content::Policy, ids::Digest};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{
    case::{Origin, merged},
    semantics::first_match::{PreparedRules, Reading, cases_of_rules},
};

fn rules(list: &Value) -> PreparedRules {
    let policies: Vec<Policy> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|policy| {
            let text = policy.to_string();
            let id = policy["id"].as_str().unwrap().to_owned();
            Policy { id, digest: Digest::of(text.as_bytes()), text }
        })
        .collect();
    PreparedRules::of_policies(&policies, Reading::Documented).unwrap()
}

fn answers(rules: &PreparedRules, cases: &[Case]) -> Vec<Outcome> {
    cases.iter().map(|case| rules.answer(case)).collect()
}

fn compared(before: &PreparedRules, after: &PreparedRules) -> (Vec<Case>, FlipReport) {
    let cases = cases_of_rules(&[before, after], 7);
    let report = FlipReport::of(&cases, &answers(before, &cases), &answers(after, &cases));
    (cases, report)
}

/// Each group in a line.
fn told(report: &FlipReport) -> Vec<String> {
    let line = |group: &FlipGroup| {
        let Kind { change, before, after, rule_before, rule_after } = &group.kind;
        let rule = |rule: &Option<String>| rule.clone().unwrap_or_else(|| "-".to_owned());
        let (before, after) = (before.word(), after.word());
        format!("{change:?} {before}/{after} {} {}", rule(rule_before), rule(rule_after))
    };
    report.groups.iter().map(line).collect()
}

#[test]
fn a_window_moved_by_a_minute_is_found_at_its_edge() {
    let night = |end: &str| {
        rules(&json!([{"id": "backup.delete", "effect": "deny", "description": "not at night",
            "conditions": {"time_restrictions": {"start": "22:00", "end": end}}}]))
    };
    let (_, report) = compared(&night("06:00"), &night("05:59"));
    assert_eq!(told(&report), ["Wider deny/allow backup.delete -"]);
    let example = &report.groups[0].example;
    assert_eq!(example.case.now, "2024-01-01T06:00:00Z".parse::<Timestamp>().unwrap());
    assert_eq!(example.before.reason.as_deref(), Some("not at night"));
}

#[test]
fn an_order_that_looks_harmless_flips_what_the_first_rule_said() {
    let deny = json!({"id": "db", "effect": "deny", "description": "d",
        "conditions": {"data_classification": ["secret", "restricted"]}});
    let allow = json!({"id": "db.read", "effect": "allow", "description": "a"});
    let (before, after) = (rules(&json!([deny, allow])), rules(&json!([allow, deny])));
    let (cases, report) = compared(&before, &after);
    assert_eq!(told(&report), ["Wider deny/allow db db.read"]);
    let coverage = before.cover(&cases);
    assert_eq!((coverage.rules, coverage.reached), (2, 2));
    assert_eq!((coverage.conditions, coverage.both_ways), (1, 1));
    assert_eq!(coverage.not_reached, Vec::<String>::new());
}

#[test]
fn a_rule_behind_one_that_catches_everything_is_never_reached() {
    let list = json!([{"id": "a", "effect": "allow"}, {"id": "a.b", "effect": "deny"}]);
    let rules = rules(&list);
    let coverage = rules.cover(&cases_of_rules(&[&rules], 1));
    assert_eq!((coverage.reached, coverage.not_reached), (1, vec!["a.b".to_owned()]));
}

#[test]
fn another_wording_is_told_apart_from_another_answer() {
    let say = |text: &str| rules(&json!([{"id": "a", "effect": "deny", "description": text}]));
    let (_, report) = compared(&say("no"), &say("never"));
    assert_eq!(told(&report), ["ReasonOnly deny/deny a a"]);
}

#[test]
fn what_was_asked_often_weighs_more() {
    let before = rules(&json!([{"id": "a", "effect": "deny"}, {"id": "b", "effect": "deny"}]));
    let after = PreparedRules::none(Reading::Documented);
    let noon = "2024-01-01T12:00:00Z".parse().unwrap();
    let recorded = |name: &str, weight| Case {
        weight,
        ..Case::new(json!({ "capability_id": name }), noon, Origin::Recorded)
    };
    let cases = merged(vec![recorded("a", 1), recorded("b", 2), recorded("b", 3)]);
    let report = FlipReport::of(&cases, &answers(&before, &cases), &answers(&after, &cases));
    assert_eq!(told(&report), ["Wider deny/allow b -", "Wider deny/allow a -"]);
    let weights: Vec<_> = report.groups.iter().map(|group| (group.cases, group.weight)).collect();
    assert_eq!(weights, [(1, 5), (1, 1)]);
    assert_eq!((report.cases, report.weight, report.flips()), (2, 6, 2));
}

#[test]
fn what_one_side_did_not_evaluate_is_no_flip_and_no_proof() {
    let noon = "2024-01-01T12:00:00Z".parse().unwrap();
    let cases = [Case::new(json!({"x": 1}), noon, Origin::Given)];
    let allow = Outcome::from(crate::Answer::Allow);
    let not = Outcome::not_evaluated("the policy calls http.send");
    let report = FlipReport::of(&cases, std::slice::from_ref(&allow), std::slice::from_ref(&not));
    assert_eq!((report.groups.len(), report.is_clean()), (0, false));
    assert_eq!(report.not_evaluated[0].before, None);
    assert_eq!(report.not_evaluated[0].after.as_deref(), Some("the policy calls http.send"));
    let same = FlipReport::of(&cases, std::slice::from_ref(&not), std::slice::from_ref(&not));
    assert!(!same.is_clean());
}

#[test]
fn a_case_that_is_no_request_of_the_field_is_an_error_and_not_a_permission() {
    let noon = "2024-01-01T12:00:00Z".parse().unwrap();
    let case = Case::new(json!({"path": "/"}), noon, Origin::Given);
    let outcome = PreparedRules::none(Reading::Documented).answer(&case);
    assert_eq!(outcome.effect, Effect::Error);
}

#[test]
fn documents_with_allow_and_a_reason_are_decisions() {
    let outcome = |value: Value| Outcome::from(crate::Answer::Value { value });
    let denied = outcome(json!({"allow": false, "reason": "late"}));
    assert_eq!((denied.effect, denied.reason.as_deref()), (Effect::Deny, Some("late")));
    let asks = outcome(json!({"allowed": false, "require_confirmation": true}));
    assert_eq!(asks.effect, Effect::Confirm);
    assert_eq!(outcome(json!([1])).effect, Effect::Value);
}

/// Few names, so that rules meet.
fn any_rules() -> impl Strategy<Value = Value> {
    let id = prop::sample::select(vec!["a", "a.b", "a.b.c", "ab", "c"]);
    let effect = prop::sample::select(vec!["allow", "deny", "require_confirmation"]);
    let classes = prop::option::of(prop::sample::select(vec!["secret", "public"]));
    let window = prop::option::of((0..24_u8, 0..24_u8));
    let rule = (id, effect, classes, window).prop_map(|(id, effect, classes, window)| {
        let mut conditions = serde_json::Map::new();
        if let Some(class) = classes {
            conditions.insert("data_classification".to_owned(), json!([class]));
        }
        if let Some((start, end)) = window {
            let times = json!({"start": format!("{start:02}:00"), "end": format!("{end:02}:30")});
            conditions.insert("time_restrictions".to_owned(), times);
        }
        json!({"id": id, "effect": effect, "description": effect, "conditions": conditions})
    });
    prop::collection::vec(rule, 0..6).prop_map(Value::Array)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_policy_does_not_differ_from_itself(list in any_rules()) {
        let rules = rules(&list);
        prop_assert!(compared(&rules, &rules).1.is_clean());
    }

    #[test]
    fn the_other_way_round_is_the_mirror(a in any_rules(), b in any_rules()) {
        let (a, b) = (rules(&a), rules(&b));
        let (there, back) = (compared(&a, &b).1, compared(&b, &a).1);
        prop_assert_eq!(there.clone().mirrored(), back);
        prop_assert_eq!(there.clone().mirrored().mirrored().digest(), there.digest());
    }

    #[test]
    fn a_smaller_example_is_the_same_kind_of_flip(
        a in any_rules(),
        b in any_rules(),
        extra in prop::collection::btree_map("[a-z]{1,4}", any::<u8>(), 0..4),
    ) {
        let (a, b) = (rules(&a), rules(&b));
        for group in compared(&a, &b).1.groups {
            let mut flip = group.example;
            flip.case.input["context"]["extra"] = json!(extra);
            let mut shrinker = Shrinker::new(group.kind.clone(), flip.clone());
            while !shrinker.candidates().is_empty() {
                let asked = shrinker.candidates().to_vec();
                shrinker.told(&answers(&a, &asked), &answers(&b, &asked));
            }
            let smallest = shrinker.into_smallest();
            let (before, after) = (a.answer(&smallest.case), b.answer(&smallest.case));
            prop_assert_eq!(Kind::of(&before, &after), Some(group.kind));
            prop_assert_eq!((&before, &after), (&smallest.before, &smallest.after));
            prop_assert!(smallest.case.input.pointer("/context/extra").is_none());
            prop_assert!(smallest.case.key().len() <= flip.case.key().len());
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_cases(a in any_rules(), b in any_rules(), seed in any::<u64>()) {
        let (a, b) = (rules(&a), rules(&b));
        prop_assert_eq!(cases_of_rules(&[&a, &b], seed), cases_of_rules(&[&b, &a], seed));
    }
}
