use super::*;

fn rules(policies: &str, padding: usize) -> Vec<(LintRule, Option<String>)> {
    let text = format!(
        r#"{{"metadata":{{"bundle_id":"b","version":"1","issued_at":"x","padding":"{}"}},"policies":{policies}}}"#,
        "x".repeat(padding)
    );
    let bundle = Bundle::read(text.as_bytes()).unwrap();
    lint(&bundle).into_iter().map(|lint| (lint.rule, lint.policy)).collect()
}

#[test]
fn a_sound_bundle_draws_no_advice() {
    assert_eq!(rules(r#"[{"id":"a.b","effect":"deny"},{"id":"a","effect":"allow"}]"#, 0), []);
}

#[test]
fn size_names_reach_and_ignored_fields_draw_advice() {
    // R271
    let policies = r#"[{"id":"a","effect":"allow","priority":1},{"id":"a.b","effect":"deny","enabled":false},
        {"id":"c","effect":"deny","conditions":{"x":1}},{"id":"c","effect":"allow"}]"#;
    let named = |rule, id: &str| (rule, Some(id.to_owned()));
    assert_eq!(
        rules(policies, 1_000_000),
        [
            (LintRule::LargeBundle, None),
            named(LintRule::PriorityIgnored, "a"),
            named(LintRule::NeverReached, "a.b"),
            named(LintRule::EnabledIgnored, "a.b"),
            named(LintRule::DuplicateId, "c"),
        ]
    );
}
