use serde_json::json;

use super::*;
use crate::{
    Answer, Case, FlipReport, Outcome,
    limits::DECISION_TIME_MAX,
    semantics::rego::{Entrypoint, Module, Question, RegoPolicy, RegoVersion, cases_of_outlines},
};

const ENTRYPOINT: &str = "data.app.allow";

fn source(text: &str) -> RegoSource {
    let module = Module { name: "app.rego".to_owned(), text: format!("package app\n{text}") };
    let data = json!({ "admins": {"ada": true}, "regions": ["eu", "us"], "limits": {"max": 10} });
    RegoSource { modules: vec![module], data, version: RegoVersion::V1 }
}

/// A policy that tells which of its definitions hold.
struct Traceable {
    outline: Outline,
    policy: RegoPolicy,
}

impl Traceable {
    fn of(text: &str) -> Self {
        let traced = source(text).outline().unwrap();
        let policy = RegoPolicy::prepare(&source(text).telling(&traced.added)).unwrap();
        policy.index();
        Self { outline: traced.outline, policy }
    }

    fn ask(&self, case: &Case) -> (Answer, BTreeSet<usize>) {
        let entrypoint: Entrypoint = ENTRYPOINT.parse().unwrap();
        let question = Question { entrypoint, input: case.input.clone(), now: case.now };
        self.policy.trace(&question, DECISION_TIME_MAX)
    }

    fn outcomes(&self, cases: &[Case]) -> Vec<Outcome> {
        cases
            .iter()
            .map(|case| {
                let (answer, held) = self.ask(case);
                Outcome {
                    rule: self.outline.label(&held, &ENTRYPOINT.parse().unwrap()),
                    ..answer.into()
                }
            })
            .collect()
    }

    fn cover(&self, cases: &[Case]) -> crate::Coverage {
        let held: Vec<_> = cases.iter().map(|case| self.ask(case).1).collect();
        self.outline.cover(cases, &held)
    }
}

/// What each flip of two policies is, with the input of its example.
fn flips(before: &str, after: &str) -> Vec<String> {
    let (before, after) = (Traceable::of(before), Traceable::of(after));
    let cases = cases_of_outlines(&[&before.outline, &after.outline], 1);
    let report = FlipReport::of(&cases, &before.outcomes(&cases), &after.outcomes(&cases));
    assert_eq!(report.not_evaluated, []);
    report
        .groups
        .iter()
        .map(|group| {
            let kind = &group.kind;
            let rule = kind.rule_after.as_ref().or(kind.rule_before.as_ref());
            let rule = rule.map_or("-", String::as_str);
            let (before, after) = (kind.before.word(), kind.after.word());
            format!("{before} to {after} by {rule}: {}", group.example.case.input)
        })
        .collect()
}

#[track_caller]
fn one_flip(before: &str, after: &str, expected: &str) {
    assert_eq!(flips(before, after), [expected]);
}

#[test]
fn a_threshold_moved_by_one_is_found_at_its_edge() {
    one_flip(
        "default allow := false\nallow if input.amount < 100",
        "default allow := false\nallow if input.amount <= 100",
        "deny to allow by app.allow (app.rego:3): {\"amount\":100}",
    );
}

#[test]
fn a_condition_that_was_dropped_is_found() {
    one_flip(
        "default allow := false\nallow if {\n  input.action == \"read\"\n  input.user.role == \"admin\"\n}",
        "default allow := false\nallow if input.action == \"read\"",
        "deny to allow by app.allow (app.rego:3): {\"action\":\"read\"}",
    );
}

#[test]
fn what_a_rule_asks_of_others_is_followed() {
    let before = "default allow := false\nallow if {\n  is_admin\n  input.region in data.regions\n}\n\
        is_admin if data.admins[input.user]";
    let after = "default allow := false\nallow if {\n  is_admin\n  input.region == \"eu\"\n}\n\
        is_admin if data.admins[input.user]";
    one_flip(
        before,
        after,
        "allow to deny by app.allow (app.rego:3): {\"region\":\"us\",\"user\":\"ada\"}",
    );
}

#[test]
fn elements_of_lists_and_names_are_followed() {
    assert_eq!(
        flips(
            "default allow := false\nallow if {\n  some role in input.roles\n  role == \"ops\"\n}",
            "default allow := false\nallow if {\n  who := input.roles\n  \"dev\" in who\n}",
        ),
        [
            "deny to allow by app.allow (app.rego:3): {\"roles\":[\"dev\"]}",
            "allow to deny by app.allow (app.rego:3): {\"roles\":[\"ops\"]}",
        ]
    );
}

#[test]
fn negations_prefixes_and_the_base_document_are_read() {
    let outline = source(
        "allow if {\n  not input.blocked\n  startswith(input.path, \"/api\")\n  data.limits.max >= input.n\n}",
    )
    .outline()
    .unwrap()
    .outline;
    let wants: Vec<_> =
        outline.definitions[0].wants.iter().map(|want| (&want.wish, want.negated)).collect();
    assert_eq!(
        wants,
        [
            (&Wish::Truth, true),
            (&Wish::StartsWith("/api".to_owned()), false),
            (&Wish::AtMost(json!(10)), false),
        ]
    );
}

#[test]
fn the_traced_policy_answers_as_the_policy_does_in_every_form_of_a_body() {
    for text in [
        "allow := true",
        "default allow := false",
        "allow if input.x",
        "allow if { input.x }",
        "allow if { input.x; input.y }",
        "allow := \"a\" if input.x == 1 else := \"b\" if { input.x == 2 } else := \"c\"",
        "allow contains name if some name in input.x",
        "allow if {\n  every n in input.x { n > 1 } # all of them\n}",
        "allow if count([n | some n in input.x; n > 1]) > 0",
        "allow if \"é\" == input.x",
        "allow if input.x == `é`",
        "allow if {\"é\" == input.x}",
        "allow if (input.x == \"é\")",
        "allow if input.x in {\"é\", \"e\"}",
        "allow if {\"é\", 1} == {input.x, 1}",
        "allow := f(input.x)\nf(n) := n + 1 if n > 1\nf(n) := 0 if n <= 1",
        "allow if input.x == 1 with input.y as 2",
    ] {
        let plain = RegoPolicy::prepare(&source(text)).unwrap();
        let traceable = Traceable::of(text);
        for x in
            [json!(null), json!(1), json!(2), json!([1]), json!([2, 3]), json!("é"), json!(true)]
        {
            let now = "2024-01-01T12:00:00Z".parse().unwrap();
            let case = Case::new(json!({ "x": x, "y": 2 }), now, crate::Origin::Given);
            let entrypoint = ENTRYPOINT.parse().unwrap();
            let question = Question { entrypoint, input: case.input.clone(), now };
            let answers = (traceable.ask(&case).0, plain.ask(&question, DECISION_TIME_MAX));
            // An error names columns, which are others.
            if !matches!(answers, (Answer::Error { .. }, Answer::Error { .. })) {
                assert_eq!(answers.0, answers.1, "{text} for {}", case.input);
            }
        }
    }
}

#[test]
fn coverage_names_the_definitions_that_no_case_reached() {
    let traceable = Traceable::of(
        "allow if input.x == 1\nallow if {\n  input.y == 2\n  crypto_is_far\n}\ncrypto_is_far if 1 == 2",
    );
    let cases = cases_of_outlines(&[&traceable.outline], 1);
    let coverage = traceable.cover(&cases);
    assert_eq!((coverage.rules, coverage.reached), (3, 1));
    assert_eq!(coverage.not_reached, ["app.allow (app.rego:3)", "app.crypto_is_far (app.rego:7)"]);
    assert_eq!((coverage.conditions, coverage.both_ways), (2, 2));
}

#[test]
fn what_tests_ask_is_asked_and_tests_are_no_rules() {
    let text = "allow if input.deep == data.limits.max\n\
                test_all if allow with input as {\"deep\": 10, \"list\": [1, {\"a\": null}]}\n\
                test_not if {\n  ada := {\"user\": \"ada\"}\n  not allow with input as ada with data.limits as {\"max\": 3}\n}\n\
                test_parts if not allow with input.user.name as \"eve\" with input.deep as 4\n\
                test_run if {\n  some x in [1, 2]\n  not allow with input as {\"x\": x}\n}\n\
                todo_test_later if allow with input.deep as 5";
    let outline = source(text).outline().unwrap().outline;
    let rules: Vec<&str> = outline.definitions.iter().map(|one| one.rule.as_str()).collect();
    assert_eq!(rules, ["app.allow"]);
    let asked = [
        json!({"deep": 10, "list": [1, {"a": null}]}),
        json!({"user": "ada"}),
        json!({"user": {"name": "eve"}, "deep": 4}),
        json!({"x": 1}),
        json!({"deep": 5}),
    ];
    assert_eq!(outline.tests, asked);
    let cases = cases_of_outlines(&[&outline, &outline], 1);
    let given = cases.iter().filter(|case| case.origin == crate::Origin::Given);
    let given: Vec<&Value> = given.map(|case| &case.input).collect();
    for input in &asked {
        assert!(given.contains(&input), "{input} of {given:?}");
    }
    // A test that is also made from the conditions counts as one that somebody wrote.
    assert_eq!(given.len(), asked.len());
}

#[test]
fn a_policy_that_looks_at_the_time_is_asked_at_several() {
    let text = |hour: u8| {
        format!("default allow := false\nallow if time.clock(time.now_ns())[0] < {hour}")
    };
    let (before, after) = (Traceable::of(&text(18)), Traceable::of(&text(17)));
    let cases = cases_of_outlines(&[&before.outline, &after.outline], 1);
    let report = FlipReport::of(&cases, &before.outcomes(&cases), &after.outcomes(&cases));
    assert_eq!(report.groups.len(), 1);
    assert_eq!(report.groups[0].example.case.now.to_string(), "2024-01-01T17:00:00Z");
}

#[test]
fn the_order_of_versions_makes_no_difference() {
    let a = source("allow if input.x == 1").outline().unwrap().outline;
    let b = source("allow if input.x == 2\nallow if input.y > 3").outline().unwrap().outline;
    assert_eq!(cases_of_outlines(&[&a, &b], 9), cases_of_outlines(&[&b, &a], 9));
}

#[test]
fn text_that_is_no_rego_is_not_understood() {
    let reason = source("allow if {").outline().unwrap_err();
    assert!(matches!(reason, Reason::NotUnderstood { .. }), "{reason}");
}
