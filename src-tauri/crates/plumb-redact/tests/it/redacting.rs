use std::collections::BTreeSet;

use plumb_redact::{
    Class, CustomPattern, Form, RedactError, Redactor, RuleError, RuleSpec, Rules, TokenKey,
    canary::plant,
};
use proptest::prelude::*;

use crate::redactor;

fn check(text: &str) -> String {
    redactor(&RuleSpec::default()).text(text).expect("text is redacted")
}

/// The text with its tokens made short, so that it can be read.
fn shape(text: &str) -> String {
    regex_free_tokens(&check(text))
}

fn regex_free_tokens(text: &str) -> String {
    let mut parts = text.split("redacted-");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push('#');
        out.push_str(&part[24..]);
    }
    out
}

#[test]
fn secrets_are_replaced_and_their_surroundings_stay() {
    for (text, wanted) in [
        ("Authorization: Bearer abcdef0123456789", "Authorization: Bearer #"),
        (
            "authorization: Bearer abc authorization: Negotiate YIIabc",
            "authorization: Bearer # authorization: #",
        ),
        ("authorization=Negotiate YIIabc def", "authorization=#"),
        ("Proxy-Authorization: Basic dXNlcjpwYXNz", "Proxy-Authorization: Basic #"),
        ("Cookie: sid=1; theme=dark", "Cookie: #"),
        ("https://reader:p@ss@gw-1.example/v1", "https://#@gw-1.example/v1"),
        ("GET /v1?version=3&token=s3cr3t HTTP/1.1", "GET /v1?version=3&token=# HTTP/1.1"),
        ("plumb sync --password=hunter2 gw-1", "plumb sync --password=# gw-1"),
        // Where a secret is found is none; one that only looks like it is.
        ("{HUB_TOKEN: 'secret:env:HUB_TOKEN'}", "{HUB_TOKEN: 'secret:env:HUB_TOKEN'}"),
        ("password=secret:env:hunter2", "password=#"),
        ("{\"api_key\":\"k-1\"}", "{\"api_key\":\"#\"}"),
        ("-----BEGIN EC PRIVATE KEY-----\nMHcC\n", "#"),
        ("by ana.b@example.org, from 192.0.2.17", "by #, from #"),
        ("no answer from [2001:db8::17] at 12:30:45", "no answer from [#] at 12:30:45"),
        ("bundle 4.2.0 on gw-1 took 12 ms", "bundle 4.2.0 on gw-1 took 12 ms"),
    ] {
        assert_eq!(shape(text), wanted, "{text}");
    }
}

/// A runbook names its secrets; the names stand in its plan, which is bound by a hash and taken as it is or not at all.
#[test]
fn a_name_of_a_secret_that_was_told_is_passed_over_and_nothing_else_is() {
    let plan = r#"{"documents":{"own.md":"headers: {authorization: 'secret:env:HUB'}\nenvironment: {GIVEN: 'secret:hub-token', API_KEY: 'secret:hub-token'}"},"api_key":"secret:hub-token"}"#;
    let mut redactor = redactor(&RuleSpec::default());
    assert!(!redactor.finds_credentials(plan.as_bytes()).unwrap().is_empty(), "nobody told them");
    for name in ["secret:env:HUB", "secret:hub-token", "secret:", "hunter2"] {
        redactor.passes_over(name);
    }
    assert_eq!(redactor.finds_credentials(plan.as_bytes()).unwrap(), BTreeSet::new());
    let kept = redactor.document(Form::Json, plan.as_bytes()).unwrap();
    assert_eq!(String::from_utf8(kept).unwrap(), plan);
    for leak in [
        "secret:hub-tokenx",
        "secret:other",
        "secret: hub-token",
        "password=hunter2",
        "password=secret:hub-token/hunter2",
        "authorization: 'secret:env:HUB2'",
    ] {
        let told = redactor.text(leak).unwrap();
        assert_ne!(told, leak);
    }
}

#[test]
fn the_same_secret_is_the_same_token_in_every_file_and_form() {
    let mut redactor = redactor(&RuleSpec::default());
    let header = redactor.text("authorization: Bearer abcdef0123456789").unwrap();
    let token = header.rsplit(' ').next().unwrap().to_owned();
    let document = redactor.document(Form::Json, br#"{"token": "abcdef0123456789"}"#).unwrap();
    assert_eq!(String::from_utf8(document).unwrap(), format!(r#"{{"token": "{token}"}}"#));
    assert_eq!(redactor.receipt().secrets, 1);
}

#[test]
fn another_key_gives_another_token() {
    let rules = Rules::compile(&RuleSpec::default()).unwrap();
    let mut other = Redactor::new(rules, TokenKey::new([8; 32]));
    assert_ne!(check("password=hunter2"), other.text("password=hunter2").unwrap());
}

#[test]
fn what_only_looks_like_a_token_is_redacted() {
    let fake = format!("password=redacted-{}", "0".repeat(24));
    assert!(!check(&fake).contains(&"0".repeat(24)));
}

#[test]
fn json_keeps_numbers_order_and_spaces() {
    let text =
        "{ \"n\": 12345678901234567890.10, \"a\" : [1e5, \"x\\u0041\"], \"password\": 1234 }";
    let redacted = redactor(&RuleSpec::default()).json(text).unwrap();
    let start =
        "{ \"n\": 12345678901234567890.10, \"a\" : [1e5, \"x\\u0041\"], \"password\": \"redacted-";
    assert!(redacted.starts_with(start), "{redacted}");
}

#[test]
fn escaped_secrets_in_json_are_found() {
    let redacted = redactor(&RuleSpec::default())
        .json(r#"{"log":"pass\u0077ord=hunter2","\u0070assword":"swordfish"}"#)
        .unwrap();
    assert!(!redacted.contains("hunter2") && !redacted.contains("swordfish"), "{redacted}");
}

#[test]
fn a_fleet_adds_patterns_and_paths() {
    let spec = RuleSpec {
        off: vec!["mail".to_owned()],
        patterns: vec![CustomPattern {
            name: "ticket".to_owned(),
            pattern: r"\bOPS-(\d+)".to_owned(),
        }],
        paths: vec!["$.people[*].name".to_owned(), "$..serial".to_owned()],
    };
    let mut redactor = redactor(&spec);
    let text = r#"{"people":[{"name":"Ana","role":"owner"}],"a":{"serial":77},"m":"x@example.org OPS-42"}"#;
    let redacted = regex_free_tokens(&redactor.json(text).unwrap());
    let wanted = r##"{"people":[{"name":"#","role":"owner"}],"a":{"serial":"#"},"m":"x@example.org OPS-#"}"##;
    assert_eq!(redacted, wanted);
}

#[test]
fn rules_that_cannot_work_are_refused() {
    let pattern = |name: &str, pattern: &str| RuleSpec {
        patterns: vec![CustomPattern { name: name.to_owned(), pattern: pattern.to_owned() }],
        ..RuleSpec::default()
    };
    let refused = |spec: &RuleSpec| Rules::compile(spec).unwrap_err().to_string();
    assert!(refused(&pattern("x", "a*")).contains("matches where nothing stands"));
    assert!(refused(&pattern("x", "(?=a)")).contains("look-around"));
    assert!(refused(&pattern("x", "((a{1000}){1000}){1000}")).contains("size limit"));
    assert!(refused(&pattern("Jo", "a")).contains("no name of a rule"));
    assert!(refused(&pattern("mail", "a")).contains("twice"));
    let off = RuleSpec { off: vec!["males".to_owned()], ..RuleSpec::default() };
    assert!(matches!(Rules::compile(&off), Err(RuleError::Unknown { .. })));
    let path = RuleSpec { paths: vec!["$.a[".to_owned()], ..RuleSpec::default() };
    assert!(refused(&path).contains("JSON path"));
}

#[test]
fn what_is_no_text_or_no_json_is_refused() {
    let mut redactor = redactor(&RuleSpec::default());
    assert_eq!(redactor.document(Form::Text, &[0xff, 0xfe]), Err(RedactError::NotText));
    let line = redactor.document(Form::JsonLines, b"{}\n{\n").unwrap_err();
    assert!(matches!(line, RedactError::NotJsonLine { line: 2, .. }), "{line}");
    let deep = "[".repeat(200) + &"]".repeat(200);
    assert!(matches!(redactor.json(&deep), Err(RedactError::NotJson { .. })));
}

#[test]
fn credentials_in_bytes_that_must_stay_are_told() {
    let redactor = redactor(&RuleSpec::default());
    let found = |bytes: &[u8]| redactor.finds_credentials(bytes).unwrap();
    assert!(found(b"{\"by\":\"ana@example.org\",\"at\":\"192.0.2.1\"}").is_empty());
    assert!(found(b"{\"why\":\"GET https://a:b@gw-1/\"}").contains("url-credentials"));
    assert!(found(b"{\"why\":\"pass\\u0077ord=x1\"}").contains("named-secret"));
}

#[test]
fn a_receipt_counts_and_tells_nothing_of_the_secrets() {
    let mut redactor = redactor(&RuleSpec::default());
    redactor.text("mail ana@example.org and ana@example.org").unwrap();
    let receipt = redactor.receipt();
    let mail = receipt.rules.iter().find(|rule| rule.rule == "mail").unwrap();
    assert_eq!((mail.class, mail.replaced, receipt.secrets), (Class::Personal, 2, 1));
    assert!(!serde_json::to_string(&receipt).unwrap().contains("ana"));
}

#[test]
fn long_text_without_an_end_takes_linear_time() {
    for text in ["a".repeat(2 << 20), "://".repeat(1 << 19), "password=".repeat(1 << 16)] {
        check(&text);
    }
}

fn pieces() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just("authorization: Bearer ".to_owned()),
        Just("password=".to_owned()),
        Just("https://".to_owned()),
        Just("?sig=".to_owned()),
        Just("-----BEGIN PRIVATE KEY-----".to_owned()),
        Just("redacted-".to_owned()),
        Just("@example.org".to_owned()),
        Just("192.0.2.1".to_owned()),
        Just("::1".to_owned()),
        Just("\n".to_owned()),
        "[a-z0-9@:/=.\"\\\\ -]{0,12}",
        any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(word, 0..24).prop_map(|words| words.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn redacting_again_changes_nothing(text in pieces()) {
        let once = check(&text);
        prop_assert_eq!(check(&once), once);
    }

    #[test]
    fn json_stays_json_of_the_same_shape(text in pieces(), name in pieces(), number in any::<i64>()) {
        let mut document = serde_json::json!({ "lines": [text, number, null], "token": text });
        document[name] = text.into();
        let written = document.to_string();
        let once = redactor(&RuleSpec::default()).json(&written).unwrap();
        let read: serde_json::Value = serde_json::from_str(&once).unwrap();
        prop_assert_eq!(read.as_object().unwrap().len(), document.as_object().unwrap().len());
        prop_assert_eq!(&read["lines"][1], &document["lines"][1]);
        prop_assert_eq!(redactor(&RuleSpec::default()).json(&once).unwrap(), once);
    }

    #[test]
    fn no_secret_of_a_rule_survives(before in pieces(), after in pieces(), seed in any::<[u8; 32]>()) {
        let planted = plant("log", Form::Text, &RuleSpec::default(), &TokenKey::new(seed));
        // On lines of their own, as where they are met; what stands around is anything.
        let text = format!("{before}\n{}\n{after}", planted.document);
        let redacted = redactor(&RuleSpec::default()).text(&text).unwrap();
        for canary in planted.canaries {
            prop_assert!(!redacted.contains(&canary.secret), "{} in {redacted}", canary.rule);
        }
    }
}
