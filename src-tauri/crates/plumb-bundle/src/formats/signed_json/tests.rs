use super::*;
use crate::canonical::canonical;

const FIELD: &[u8] = include_bytes!("../../../../../../tests/fixtures/bundles/field.signed.json");
const UNSORTED: &[u8] =
    include_bytes!("../../../../../../tests/fixtures/bundles/unsorted.signed.json");
const COMPACT: &[u8] =
    include_bytes!("../../../../../../tests/fixtures/bundles/compact.signed.json");
const UNSIGNED: &[u8] = include_bytes!("../../../../../../tests/fixtures/bundles/unsigned.json");

#[track_caller]
fn refuses(text: &str, expected: &str) {
    let error = SignedJson::read(text.as_bytes()).expect_err(text);
    assert_eq!(error.to_string(), expected, "{text}");
    assert_eq!(Bundle::read(text.as_bytes()).unwrap_err().to_string(), expected);
}

fn with_policies(policies: &str) -> String {
    format!(
        r#"{{"policies":{policies},"metadata":{{"bundle_id":"b","version":"1","issued_at":"x"}}}}"#
    )
}

#[test]
fn the_layout_of_a_file_does_not_change_what_is_signed() {
    let field = SignedJson::read(FIELD).unwrap();
    assert_eq!(
        field.signature().unwrap().hash,
        field.signed_hash().to_hex(),
        "as Python computed it"
    );
    for bytes in [UNSORTED, COMPACT, UNSIGNED] {
        let other = SignedJson::read(bytes).unwrap();
        assert_eq!(other.signed_hash(), field.signed_hash());
        assert_eq!(other.policy_refs(), field.policy_refs());
        assert_eq!(other.rules().collect::<Vec<_>>(), field.rules().collect::<Vec<_>>());
    }
    assert_eq!(SignedJson::read(UNSIGNED).unwrap().signature(), None);
}

#[test]
fn a_bundle_says_what_its_file_says() {
    let bundle = Bundle::read(FIELD).unwrap();
    assert_eq!((bundle.id.as_str(), bundle.version.as_str()), ("edge-policies", "2.1.0"));
    assert_eq!(bundle.issued_at.unwrap().to_string(), "2026-11-07T19:30:00.123456Z");
    assert_eq!(bundle.issuer.as_deref(), Some("policy-admin"));
    assert_eq!(bundle.metadata.description.as_deref(), Some("Edge policies, Köln 🔒"));
    assert_eq!(bundle.metadata.tags, ["edge", "q4"]);
    assert_eq!(bundle.digest, BundleDigest(Digest::of(FIELD)));
    let ids: Vec<&str> = bundle.policies.iter().map(|policy| policy.id.as_str()).collect();
    assert_eq!(ids, ["unison.echo", "unison.storage.write", "unison.admin", "unison.sensitive"]);
    assert_eq!(
        bundle.policies[2].text,
        r#"{"description":"Ask first","effect":"require_confirmation","id":"unison.admin"}"#
    );
    for policy in &bundle.policies {
        assert_eq!(policy.digest, Digest::of(policy.text.as_bytes()));
    }
    assert_eq!(bundle.content, content_of(&bundle.policy_refs()));
}

#[test]
fn rules_carry_what_deciding_needs() {
    let bundle = SignedJson::read(UNSORTED).unwrap();
    let rules: Vec<RuleTexts<'_>> = bundle.rules().collect();
    assert_eq!(rules[0].description, Some("\"Allow the echo skill\""));
    assert_eq!(
        rules[0].conditions,
        ConditionTexts::Members(vec![r#""time_restrictions":{"end":"23:59","start":"00:00"}"#])
    );
    assert_eq!(
        rules[1].conditions,
        ConditionTexts::Members(vec![
            r#""data_classification":["public","internal"]"#,
            r#""required_scopes":["unison.storage.write"]"#,
        ])
    );
    assert_eq!(rules[2].conditions, ConditionTexts::Missing);
    assert_eq!(rules[3].effect, Effect::Deny);
}

#[test]
fn structure_errors_use_the_words_of_the_manual() {
    refuses("[]", "Bundle must be a dictionary");
    refuses("1", "Bundle must be a dictionary");
    refuses("{}", "Bundle missing metadata");
    refuses(r#"{"metadata":{},"policies":[]}"#, "Bundle missing metadata");
    refuses(r#"{"metadata":[1]}"#, "Bundle metadata must be a dictionary");
    refuses(
        r#"{"metadata":{"bundle_id":"b","version":"1"},"policies":[]}"#,
        "Bundle metadata missing required field: issued_at",
    );
    refuses(
        r#"{"metadata":{"bundle_id":"b","version":2,"issued_at":""}}"#,
        "Bundle metadata field version must be a text without unpaired surrogates",
    );
    refuses(
        r#"{"metadata":{"bundle_id":"b","version":"1\u0007","issued_at":""}}"#,
        "Bundle metadata field version holds the control character '\\u{7}'",
    );
    refuses(
        r#"{"metadata":{"bundle_id":"b","version":"1","issued_at":""}}"#,
        "Bundle missing policies field",
    );
    refuses(&with_policies("{}"), "Bundle policies must be a list");
    refuses(&with_policies("null"), "Bundle policies must be a list");
    refuses(&with_policies("[]"), "Bundle contains no policies");
    refuses(&with_policies("[1]"), "Policy 0 is not a dictionary");
    refuses(
        &with_policies(r#"[{"id":"a","effect":"deny"},{"effect":"deny"}]"#),
        "Policy 1 missing 'id' field",
    );
    refuses(&with_policies(r#"[{"id":"a"}]"#), "Policy 0 missing 'effect' field");
    refuses(&with_policies(r#"[{"id":7,"effect":"deny"}]"#), "Policy 0 field 'id' must be a text");
    refuses(
        &with_policies(r#"[{"id":"\ud800","effect":"deny"}]"#),
        "Policy 0 field 'id' holds an unpaired surrogate",
    );
    refuses(
        &with_policies(r#"[{"id":"a","effect":"Allow"}]"#),
        "Policy 0 field 'effect' must be allow, deny or require_confirmation, not \"Allow\"",
    );
    let signed = |signature: &str| {
        with_policies(r#"[{"id":"a","effect":"deny"}]"#).replacen(
            '{',
            &format!(r#"{{"signature":{signature},"#),
            1,
        )
    };
    refuses(&signed("7"), "Bundle signature must be a dictionary");
    refuses(
        &signed(r#"{"algorithm":"x"}"#),
        "Bundle signature field signature_b64 is missing or not a text",
    );
    assert_eq!(SignedJson::read(signed("null").as_bytes()).unwrap().signature(), None);
}

#[test]
fn a_broken_text_is_reported_before_a_broken_structure() {
    let error = SignedJson::read(br#"{"policies":[1,{"a":1,"a":2}]}"#).unwrap_err();
    assert!(matches!(error, BundleError::Json(_)), "{error}");
    let twice = r#"{"policies":[],"metadata":{},"policies":[]}"#;
    assert!(matches!(SignedJson::read(twice.as_bytes()), Err(BundleError::Json(_))));
}

#[test]
fn an_escaped_key_is_the_same_key() {
    let text =
        with_policies(r#"[{"\u0069d":"caf\u00e9","effect":"deny","cond\u0069tions":{"x":1}}]"#)
            .replace("policies", "polic\\u0069es");
    let bundle = SignedJson::read(text.as_bytes()).unwrap();
    let rule = bundle.rules().next().unwrap();
    assert_eq!((rule.id, rule.conditions), ("café", ConditionTexts::Members(vec![r#""x":1"#])));
}

#[test]
fn a_draft_becomes_a_file_that_reads_back() {
    let policy = parse(r#"{"id":"a.b","effect":"deny","note":"\ud800"}"#.as_bytes()).unwrap();
    let draft = BundleDraft {
        id: "night".to_owned(),
        version: "3.0.0".to_owned(),
        issued_at: "2026-11-21T05:35:42Z".parse().unwrap(),
        issuer: Some("desk".to_owned()),
        description: None,
        expires_at: Some("2027-11-21T05:35:42Z".parse().unwrap()),
        tags: vec!["night".to_owned()],
        policies: vec![policy],
    };
    let unsigned = draft.build().unwrap();
    let read = SignedJson::read(&unsigned.to_file()).unwrap();
    assert_eq!(read.signed_hash(), unsigned.signed_hash());
    assert_eq!(read.metadata().expiry.at().unwrap().to_string(), "2027-11-21T05:35:42Z");
    let block = SignatureBlock {
        algorithm: SIGNATURE_ALGORITHM.to_owned(),
        key_id: Some("k".to_owned()),
        signature_b64: "AAAA".to_owned(),
        hash: unsigned.signed_hash().to_hex(),
    };
    let file = unsigned.to_signed_file(&block);
    let signed = SignedJson::read(&file).unwrap();
    assert_eq!(signed.signature(), Some(&block));
    assert_eq!(signed.signed_hash(), unsigned.signed_hash());
    assert_eq!(canonical(signed.to_unsigned().document()), canonical(unsigned.document()));
    assert_eq!(
        UnsignedBundle::read(&file).unwrap(),
        UnsignedBundle::read(&unsigned.to_file()).unwrap()
    );
    assert!(UnsignedBundle::read(b"{}").is_err());
}

#[test]
fn a_moment_without_zone_is_utc_and_nonsense_is_none() {
    let issued = |at: &str| {
        let text =
            with_policies(r#"[{"id":"a","effect":"deny"}]"#).replace("\"x\"", &format!("{at:?}"));
        SignedJson::read(text.as_bytes()).unwrap().issued_at().map(|at| at.to_string())
    };
    assert_eq!(issued("2026-11-07T19:30:00").as_deref(), Some("2026-11-07T19:30:00Z"));
    assert_eq!(issued("2026-11-07T19:30:00+02:00").as_deref(), Some("2026-11-07T17:30:00Z"));
    assert_eq!(issued("yesterday"), None);
    assert_eq!(issued("9999999-01-01T00:00:00Z"), None);
}
