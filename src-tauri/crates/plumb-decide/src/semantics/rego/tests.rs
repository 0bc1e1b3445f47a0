use serde_json::json;

use super::*;
use crate::limits::DECISION_TIME_MAX;

fn source(text: &str) -> RegoSource {
    let module = Module { name: "a.rego".to_owned(), text: text.to_owned() };
    let data = json!({ "users": ["ada", "bob"] });
    RegoSource { modules: vec![module], data, version: RegoVersion::V1 }
}

fn question(entrypoint: &str, input: Value) -> Question {
    let now = "2026-03-01T12:00:00Z".parse().unwrap();
    Question { entrypoint: entrypoint.parse().unwrap(), input, now }
}

fn ask_for(text: &str, entrypoint: &str, input: Value) -> Answer {
    match RegoPolicy::prepare(&source(text)) {
        Ok(policy) => policy.ask(&question(entrypoint, input), DECISION_TIME_MAX),
        Err(reason) => Answer::NotEvaluated { reason },
    }
}

/// What `data.a.allow` is for an input with a few usual fields.
fn ask(text: &str) -> Answer {
    let input = json!({ "user": "ada", "text": "abc", "n": 3 });
    ask_for(&format!("package a\n{text}"), "data.a.allow", input)
}

#[track_caller]
fn not_evaluated(answer: Answer) -> Reason {
    match answer {
        Answer::NotEvaluated { reason } => reason,
        other => panic!("{other:?} is an answer"),
    }
}

#[test]
fn answers_are_told_apart() {
    assert_eq!(ask("allow if input.user in data.users"), Answer::Allow);
    assert_eq!(ask("default allow := false\nallow if input.user == \"eve\""), Answer::Deny);
    assert_eq!(ask("allow if input.user == \"eve\""), Answer::Undefined);
    assert_eq!(ask("deny := true"), Answer::Undefined);
    assert_eq!(
        ask("allow := {\"ok\": true, \"tags\": {\"b\", \"a\"}}"),
        Answer::Value { value: json!({ "ok": true, "tags": ["a", "b"] }) }
    );
    assert!(matches!(ask("allow := 1 if true\nallow := 2 if true"), Answer::Error { .. }));
}

#[test]
fn a_package_and_data_can_be_asked_too() {
    let text = "package a.b\nx := 1\ny := 2";
    let value = json!({ "x": 1, "y": 2 });
    assert_eq!(ask_for(text, "a/b", json!({})), Answer::Value { value });
    assert_eq!(
        ask_for(text, "data.users", json!({})),
        Answer::Value { value: json!(["ada", "bob"]) }
    );
    assert_eq!(ask_for(text, "data.nowhere.allow", json!({})), Answer::Undefined);
}

#[test]
fn the_time_is_the_one_of_the_question() {
    let noon = 1_772_366_400_000_000_000_i64;
    assert_eq!(ask(&format!("allow if time.now_ns() == {noon}")), Answer::Allow);
    assert_eq!(ask(&format!("allow if time[\"now_ns\"]() == {noon}")), Answer::Allow);
    assert_eq!(ask("allow if time.clock(time.now_ns()) == [12, 0, 0]"), Answer::Allow);
}

#[test]
fn each_step_is_told_before_it_is_done_and_can_be_the_last() {
    let mut source = source("package a\nallow := data.b.x == 1");
    source.modules.push(Module { name: "b.rego".to_owned(), text: "package b\nx :=".to_owned() });
    let steps_to = |source: &RegoSource, last: Step| {
        let mut told = Vec::new();
        let prepared = RegoPolicy::prepare_in_steps(source, source.digest(), |step| {
            told.push(step);
            let stop =
                Reason::Unsupported { module: String::new(), line: 0, feature: String::new() };
            if step == last { Err(stop) } else { Ok(()) }
        });
        (told, prepared.map_err(|reason| matches!(reason, Reason::NotUnderstood { .. })).err())
    };
    let broken = [Step::Look, Step::Parse(0), Step::Parse(1)];
    assert_eq!(steps_to(&source, Step::Analyse), (broken.to_vec(), Some(true)));
    assert_eq!(steps_to(&source, Step::Parse(1)), (broken.to_vec(), Some(false)));
    source.modules[1].text.push_str(" 1");
    let all = [&broken[..], &[Step::Analyse]].concat();
    assert_eq!(steps_to(&source, Step::Analyse), (all, Some(false)));
    assert_eq!(steps_to(&source, Step::Look), (vec![Step::Look], Some(false)));
    let policy = RegoPolicy::prepare(&source).unwrap();
    assert_eq!(policy.digest(), source.digest());
    assert_eq!(policy.ask(&question("a/allow", json!({})), DECISION_TIME_MAX), Answer::Allow);
}

#[test]
fn the_older_language_is_read_when_the_bundle_says_so() {
    let mut source = source("package a\nallow { input.user == \"ada\" }");
    assert!(matches!(RegoPolicy::prepare(&source), Err(Reason::NotUnderstood { .. })));
    source.version = RegoVersion::V0;
    let policy = RegoPolicy::prepare(&source).unwrap();
    let asked = policy.ask(&question("a/allow", json!({ "user": "ada" })), DECISION_TIME_MAX);
    assert_eq!(asked, Answer::Allow);
}

#[test]
fn a_missing_function_is_named_and_never_an_answer() {
    let missing = |name: &str| Reason::MissingBuiltin { name: name.to_owned() };
    let cases = [
        ("allow if http.send({\"url\": \"http://localhost\"}).status_code == 200", "http.send"),
        (
            "default allow := false\nallow if io.jwt.decode(input.text)[1].sub == \"a\"",
            "io.jwt.decode",
        ),
        ("allow if not io.jwt.decode(input.text)", "io.jwt.decode"),
        ("allow if { io.jwt.decode(input.text, x); x[0] }", "io.jwt.decode"),
        ("allow if count([x | x := crypto.sha256(input.text)]) == 0", "crypto.sha256"),
        ("allow if yaml.unmarshal(input.text) == 1", "yaml.unmarshal"),
    ];
    for (text, name) in cases {
        assert_eq!(not_evaluated(ask(text)), missing(name), "{text}");
    }
}

#[test]
fn a_missing_function_in_another_spelling_is_no_answer_either() {
    for text in ["allow if not http[\"send\"](input)", "allow if http[\"send\"](input) == 1"] {
        let asked = ask(text);
        let told = matches!(asked, Answer::Error { .. } | Answer::NotEvaluated { .. });
        assert!(told, "{text}: {asked:?}");
    }
}

#[test]
fn a_missing_function_that_is_not_reached_does_no_harm() {
    let text = "allow if input.user == \"ada\"\nother := http.send({\"url\": \"x\"})";
    assert_eq!(ask(text), Answer::Allow);
    let policy = RegoPolicy::prepare(&source(&format!("package a\n{text}"))).unwrap();
    assert_eq!(policy.refused_builtins(), ["http.send"]);
}

#[test]
fn an_answer_by_chance_or_by_machine_is_none() {
    for text in [
        "rand.intn(\"a\", 2) >= 0",
        "rand[\"intn\"](\"a\", 2) >= 0",
        "opa.runtime().version",
        "uuid.rfc4122(\"a\")",
    ] {
        let reason = not_evaluated(ask(&format!("allow if {text}")));
        assert!(matches!(reason, Reason::DiffersByMachine { .. }), "{text}: {reason}");
    }
}

#[test]
fn text_the_engine_does_not_read_is_not_evaluated() {
    for text in ["allow if", "allow if foo(", "allow if x == 1", "allow := $\"{input.user}\""] {
        let reason = not_evaluated(ask(text));
        let told = matches!(reason, Reason::NotUnderstood { .. } | Reason::Unsupported { .. });
        assert!(told, "{text}: {reason}");
    }
}

#[test]
fn a_panic_of_the_engine_ends_one_question_only() {
    let policy =
        RegoPolicy::prepare(&source("package a\nallow if strings.count(input.text, input.of) > 0"))
            .unwrap();
    let ask = |of| {
        policy.ask(&question("a/allow", json!({ "text": "abc", "of": of })), DECISION_TIME_MAX)
    };
    assert!(matches!(not_evaluated(ask("")), Reason::Panicked { .. }));
    assert_eq!(ask("b"), Answer::Allow);
}

#[test]
fn an_endless_comprehension_is_ended() {
    let text = "n := numbers.range(1, 4000)\nallow if count([1 | some i in n; some j in n; i * j == -1]) > 0";
    let policy = RegoPolicy::prepare(&source(&format!("package a\n{text}"))).unwrap();
    let asked = policy.ask(&question("a/allow", json!({})), Duration::from_millis(50));
    assert_eq!(not_evaluated(asked), Reason::TimeOver { limit_ms: 50 });
}

#[test]
fn sizes_and_depths_are_refused_before_anything_is_parsed() {
    let deep = (0..=INPUT_DEPTH_MAX).fold(json!(1), |inner, _| json!([inner]));
    let policy = RegoPolicy::prepare(&source("package a\nallow := input.x")).unwrap();
    let reason = not_evaluated(policy.ask(&question("a/allow", deep.clone()), DECISION_TIME_MAX));
    assert_eq!(reason.to_string(), "the input is nested deeper than 64");
    let large = json!({ "x": "y".repeat(INPUT_BYTES_MAX) });
    let reason = not_evaluated(policy.ask(&question("a/allow", large), DECISION_TIME_MAX));
    assert_eq!(reason.to_string(), "the input has 1048584 bytes, more than the limit of 1048576");

    let with_data = RegoSource { data: deep, ..source("package a") };
    assert!(matches!(
        RegoPolicy::prepare(&with_data),
        Err(Reason::TooDeep { what: Part::Data, .. })
    ));
    let long = source(&format!("package a\n# {}", "x".repeat(MODULE_BYTES_MAX)));
    assert!(matches!(RegoPolicy::prepare(&long), Err(Reason::TooLarge { what: Part::Module, .. })));
    let nested = source(&format!("package a\nx := {}", "[".repeat(50)));
    assert!(matches!(RegoPolicy::prepare(&nested), Err(Reason::BracketsTooDeep { .. })));
}

#[test]
fn an_answer_over_the_limit_is_refused() {
    let reason = not_evaluated(ask("allow := numbers.range(1, 200000)"));
    assert!(matches!(reason, Reason::TooLarge { what: Part::Output, .. }), "{reason}");
}

#[test]
fn a_message_that_quotes_a_long_line_is_cut() {
    let reason = not_evaluated(ask(&format!("allow := [{}", "1, ".repeat(5_000)))).to_string();
    assert!(reason.len() < 1_000, "{reason}");
    assert!(reason.contains("a.rego:2"), "{reason}");
}

#[test]
fn the_digest_names_the_content_in_any_order() {
    let one = RegoSource {
        modules: vec![
            Module { name: "a".to_owned(), text: "package a".to_owned() },
            Module { name: "b".to_owned(), text: "package b".to_owned() },
        ],
        ..source("")
    };
    let mut other = one.clone();
    other.modules.reverse();
    assert_eq!(one.digest(), other.digest());
    other.modules[0].text.push(' ');
    assert_ne!(one.digest(), other.digest());
    assert_ne!(one.digest(), RegoSource { data: json!({}), ..one.clone() }.digest());
}

#[test]
fn a_policy_is_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<RegoPolicy>();
}

/// What OPA answers by its documentation, feature by feature.
#[derive(serde::Deserialize)]
struct Language {
    cases: Vec<Feature>,
}

#[derive(serde::Deserialize)]
struct Feature {
    #[serde(rename = "feature")]
    name: String,
    rego: String,
    #[serde(default)]
    input: Value,
    expect: Expected,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "snake_case")]
enum Expected {
    Value(Value),
    Undefined(bool),
    Error(bool),
    /// OPA answers, and this evaluator says that it cannot.
    NotEvaluated(bool),
}

#[test]
fn the_language_is_answered_as_opa_documents_it() {
    let file = include_str!("../../../../../../tests/fixtures/rego/opa-language.json");
    let language: Language = serde_json::from_str(file).unwrap();
    let mut otherwise = Vec::new();
    for Feature { name, rego, input, expect } in language.cases {
        let answer = ask_for(&format!("package a\n{rego}"), "data.a.v", input);
        let alike = match (&answer, &expect) {
            (Answer::Allow, Expected::Value(value)) => *value == json!(true),
            (Answer::Deny, Expected::Value(value)) => *value == json!(false),
            (Answer::Value { value: answered }, Expected::Value(value)) => answered == value,
            (Answer::Undefined, Expected::Undefined(true))
            | (Answer::Error { .. }, Expected::Error(true))
            | (Answer::NotEvaluated { .. }, Expected::NotEvaluated(true)) => true,
            _ => false,
        };
        if !alike {
            otherwise.push(format!("{name}: {answer:?}"));
        }
    }
    assert_eq!(otherwise, Vec::<String>::new());
}

#[test]
fn the_help_names_everything_that_is_not_evaluated() {
    let help = include_str!("../../../../../../assets/help/decisions.md");
    let (_, section) = help.split_once("has not of OPA 1.x:").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let named: Vec<&str> = section.split('`').skip(1).step_by(2).collect();
    let told = |name: &str| {
        named
            .iter()
            .any(|one| *one == name || one.strip_suffix('*').is_some_and(|of| name.starts_with(of)))
    };
    let untold: Vec<_> =
        builtins::refused().map(|one| one.name).filter(|name| !told(name)).collect();
    assert_eq!(untold, Vec::<&str>::new());
}
