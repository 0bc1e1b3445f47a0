use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{
    answer::Answer,
    limits::DECISION_TIME_MAX,
    semantics::rego::{Module as Text, Question, RegoPolicy, RegoSource},
};

const RULES: usize = 80;

fn source(text: &str) -> RegoSource {
    let module = Text { name: "a.rego".to_owned(), text: format!("package a\n{text}") };
    let data = json!({ "roles": ["admin"] });
    RegoSource { modules: vec![module], data, version: RegoVersion::V1 }
}

fn question(input: &Json) -> Question {
    let now = "2026-03-01T12:00:00Z".parse().unwrap();
    Question { entrypoint: "a/allow".parse().unwrap(), input: input.clone(), now }
}

/// Asks with and without an index and tells whether there is one.
#[track_caller]
fn alike(text: &str, inputs: &[Json]) -> bool {
    let (whole, indexed) = (source(text), source(text));
    let (whole, indexed) =
        (RegoPolicy::prepare(&whole).unwrap(), RegoPolicy::prepare(&indexed).unwrap());
    indexed.index();
    for input in inputs {
        let asked = |policy: &RegoPolicy| policy.ask(&question(input), DECISION_TIME_MAX);
        assert_eq!(asked(&indexed), asked(&whole), "{input}");
    }
    indexed.engine.is_indexed()
}

fn many(rule: impl Fn(usize) -> String) -> String {
    (0..RULES).map(rule).collect()
}

fn inputs() -> Vec<Json> {
    let mut all = vec![
        json!(null),
        json!("tool.3"),
        json!({}),
        json!({ "tool": 3 }),
        json!({ "tool": ["tool.3"] }),
        json!({ "tool": { "name": "tool.3" } }),
        json!({ "tool": "nothing", "risk": 1 }),
    ];
    for n in 0..RULES + 2 {
        for risk in [0, 50, 100] {
            all.push(json!({ "tool": format!("tool.{n}"), "risk": risk, "role": "admin" }));
        }
    }
    all
}

#[test]
fn what_is_left_out_could_not_have_held() {
    let rule = |n| format!("allow if {{\n\tinput.tool == \"tool.{n}\"\n\tinput.risk < {n}\n}}\n");
    assert!(alike(&format!("default allow := false\n{}", many(rule)), &inputs()));
    let rule = |n| format!("allow if {{ \"tool.{n}\" = input[\"tool\"]; input.risk < {n} }}\n");
    assert!(alike(&many(rule), &inputs()));
    let rule = |n| format!("allow contains {n} if input.tool == \"tool.{}\"\n", n % 40);
    assert!(alike(&many(rule), &inputs()));
}

#[test]
fn rules_that_others_ask_are_indexed_too() {
    let helper = |n| format!("known if input.tool == `tool.{n}`\n");
    let text = format!(
        "default allow := false\nallow if {{ known; not input.suspended }}\n\
         allow if input.role in data.roles\n{}",
        many(helper)
    );
    assert!(alike(&text, &inputs()));
}

#[test]
fn an_error_is_told_by_the_whole_policy() {
    let rule = |n| format!("allow := {n} if input.tool == \"tool.{}\"\n", n / 2);
    let text = many(rule);
    assert!(alike(&text, &inputs()));
    let policy = RegoPolicy::prepare(&source(&text)).unwrap();
    policy.index();
    let asked = policy.ask(&question(&json!({ "tool": "tool.7" })), DECISION_TIME_MAX);
    assert!(matches!(asked, Answer::Error { message } if message.contains("a.rego:17")));
}

#[test]
fn there_is_no_index_where_it_cannot_help_or_could_be_wrong() {
    let rule = |n| format!("allow if {{ input.tool == \"tool.{n}\"; input.risk < {n} }}\n");
    let all = many(rule);
    let few: String = (0..INDEX_DEFINITIONS_MIN).map(rule).collect();
    assert!(!alike(&few, &inputs()), "too few");
    assert!(!alike(&many(|_| "allow if input.tool == \"tool.1\"\n".to_owned()), &inputs()));
    let other = "other if allow with input as {\"tool\": \"tool.3\", \"risk\": 0}\n";
    assert!(!alike(&format!("{other}{all}"), &inputs()));
    assert!(!alike(&format!("f(input) := input.tool\n{all}"), &inputs()));
    let chain =
        |n| format!("allow := 1 if input.tool == \"tool.{n}\" else := 2 if input.risk == 0\n");
    assert!(!alike(&many(chain), &inputs()), "the next arm may hold");
    let negated = |n| format!("allow if not input.tool == \"tool.{n}\"\n");
    assert!(!alike(&many(negated), &inputs()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Definitions of several rules, wanting one, two or no strings, in any order.
    #[test]
    fn indexed_and_whole_answer_alike(
        rules in prop::collection::vec((0_usize..4, 0_usize..30, 0_usize..5, 0_u8..4), 60..140),
        asked in prop::collection::vec((0_usize..32, 0_usize..6), 20),
    ) {
        let definitions: Vec<_> = rules.iter().map(|(name, tool, role, form)| {
            let name = ["allow", "known", "deep", "allow"][*name];
            let body = match form {
                0 => format!("input.tool == \"tool.{tool}\""),
                1 => format!("input.tool == \"tool.{tool}\"; input.user.role == \"r{role}\""),
                2 => format!("\"r{role}\" == input.user.role; not input.tool == \"tool.{tool}\""),
                _ => format!("input.tool == \"tool.{tool}\"; input.risk > {role}"),
            };
            format!("{name} if {{ {body} }}\n")
        }).collect();
        let text = format!(
            "known if false\ndeep if false\nallow if {{ known; deep }}\ndefault allow := false\n{}",
            definitions.concat()
        );
        let inputs: Vec<Json> = asked.iter().map(|(tool, role)| {
            let tool = format!("tool.{tool}");
            json!({ "tool": tool, "risk": role, "user": { "role": format!("r{role}") } })
        }).collect();
        alike(&text, &inputs);
    }
}
