//! The agent writes modules and documents.

use std::time::Duration;

use plumb_agent::{
    ProbeEntry,
    sidecar::{OpaMode, Return},
};
use serde_json::{Value, json};

use super::{
    replay::{Fault, Opa},
    setting::{Setting, Wanted, broken, pack, pack_of},
};

async fn begun(opa: &Opa, change: impl FnOnce(&mut Wanted<'_>)) -> Setting {
    let url = opa.url();
    let mut wanted = Wanted::new(&url, OpaMode::Put);
    change(&mut wanted);
    let mut setting = Setting::new(&wanted, &pack("1", "true", 365)).await;
    opa.start();
    setting.begin().await;
    let _ = setting.look().await;
    setting
}

/// What every OPA does, recorded or real.
pub(crate) async fn assert_takes_refuses_and_restores(setting: &Setting) {
    setting.until_decision("cos/abac/allow", &json!(true)).await;
    assert_eq!(setting.decision("cos/purpose_tags").await, json!(["billing"]));
    setting.taken(&pack("2", "false", 30)).await;
    assert_eq!(setting.decision("cos/abac/allow").await, json!(false));
    assert!(setting.report().mixed_for_ms.is_some(), "the mixture is told");
    assert!(setting.log().contains("mixed_for_ms="));
    // One of its two modules is taken before the other is refused.
    let why = setting.refused(&broken("3")).await;
    assert!(why.contains("rego_parse_error") && why.contains("the former pack answers"), "{why}");
    let report = setting.report();
    assert_eq!(report.fault.expect("what OPA said").code, "invalid_parameter");
    assert_eq!(report.returned, Some(Return::Answers));
    assert_eq!(setting.decision("cos/abac/allow").await, json!(false));
    assert_eq!(setting.decision("cos/retention/gold").await, json!(30));
    // What a pack has no longer goes away with it.
    let slim = pack_of("4", &[("opa/cos.other.rego", "package cos.other\nx := 1\n")]);
    setting.taken(&slim).await;
    assert_eq!(setting.decision("cos/abac/allow").await, Value::Null);
    assert_eq!(setting.decision("cos/retention").await, Value::Null);
    assert_eq!(setting.decision("cos/other/x").await, json!(1));
}

/// R181 in the way of the field.
#[tokio::test(flavor = "multi_thread")]
async fn modules_and_documents_are_put_and_all_come_back_when_one_is_refused() {
    let opa = Opa::new();
    let setting = begun(&opa, |_| ()).await;
    assert_eq!(
        opa.writes(),
        ["PUT cos.abac", "PUT data/cos/purpose_tags", "PUT data/cos/retention"]
    );
    opa.holds("somebody.else", "package somebody.else\n");
    assert_takes_refuses_and_restores(&setting).await;
    assert_eq!(opa.modules(), ["cos.other", "somebody.else"], "what others put stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_may_wait_for_another() {
    let opa = Opa::new();
    let setting = begun(&opa, |_| ()).await;
    let needy = pack_of(
        "2",
        &[
            ("opa/a.rego", "package cos.a\nimport data.cos.b\nx := b.y\n"),
            ("opa/b.rego", "package cos.b\ny := 3\n"),
        ],
    );
    setting.taken(&needy).await;
    assert_eq!(setting.decision("cos/a/x").await, json!(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_that_is_answered_wrongly_brings_the_former_set_back() {
    let opa = Opa::new();
    let probe = ProbeEntry {
        path: "cos/abac/allow".to_owned(),
        input: json!({}),
        expect: Some(json!(true)),
    };
    let setting = begun(&opa, |wanted| wanted.probes = vec![probe]).await;
    let why = setting.refused(&pack("2", "false", 30)).await;
    assert!(
        why.ends_with("data.cos.abac.allow is false, not true; the former pack answers"),
        "{why}"
    );
    assert_eq!(setting.decision("cos/abac/allow").await, json!(true));
    assert_eq!(setting.decision("cos/retention/gold").await, json!(365));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_opa_that_dies_between_policy_and_data_gets_the_former_set_when_it_is_back() {
    let opa = Opa::new();
    // The pack that is under way when OPA dies is never taken, however often the fetcher tries.
    let probe = ProbeEntry {
        path: "cos/abac/allow".to_owned(),
        input: json!({}),
        expect: Some(json!(true)),
    };
    let setting = begun(&opa, |wanted| {
        wanted.limit = Duration::from_secs(5);
        wanted.probes = vec![probe];
    })
    .await;
    opa.fault(Fault::DiesBeforeData);
    let why = setting.refused(&pack("2", "false", 30)).await;
    assert!(why.contains("not yet seen to be back"), "{why}");
    assert!(setting.report().restoring);
    opa.fault(Fault::None);
    opa.start();
    setting.told(|report| !report.restoring).await;
    assert!(setting.log().contains("The former policies are back in OPA"), "{}", setting.log());
    let attempt = setting.publish(&pack("1", "true", 365)).await;
    assert_eq!(attempt.cause, None, "{:?}", attempt.text);
    assert_eq!(setting.decision("cos/abac/allow").await, json!(true));
    assert_eq!(setting.decision("cos/retention/gold").await, json!(365));
    setting.taken(&pack("3", "true", 31)).await;
    assert_eq!(setting.decision("cos/retention/gold").await, json!(31));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_restarts_takes_the_half_done_change_back() {
    let opa = Opa::new();
    let url = opa.url();
    let wanted = Wanted::new(&url, OpaMode::Put);
    let mut setting = begun(&opa, |wanted| wanted.limit = Duration::from_secs(5)).await;
    opa.fault(Fault::DiesBeforeData);
    setting.refused(&pack("2", "false", 30)).await;
    setting.end_agent().await;
    opa.fault(Fault::None);
    opa.start();
    assert_eq!(setting.decision("cos/abac/allow").await, Value::Null, "it restarted empty");
    setting.restart_agent(&wanted, None).await;
    setting.until_decision("cos/retention/gold", &json!(365)).await;
    setting.until_decision("cos/abac/allow", &json!(true)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_opa_that_restarts_empty_gets_back_what_it_lost() {
    let opa = Opa::new();
    let setting = begun(&opa, |_| ()).await;
    opa.kill();
    opa.start();
    setting.until_decision("cos/abac/allow", &json!(true)).await;
    setting.until_decision("cos/retention/gold", &json!(365)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn yaml_cannot_be_put_and_says_so_before_anything_is_changed() {
    let opa = Opa::new();
    let setting = begun(&opa, |_| ()).await;
    let before = opa.writes().len();
    let yaml = pack_of(
        "2",
        &[("opa/cos.abac.rego", "package cos.abac\n"), ("data/limits.yaml", "gold: 1\n")],
    );
    let why = setting.refused(&yaml).await;
    assert!(why.contains("data/limits.yaml is YAML") && why.contains("--opa-mode bundle"), "{why}");
    assert_eq!(opa.writes().len(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_changes_nothing() {
    let opa = Opa::new();
    let setting = begun(&opa, |_| ()).await;
    let before = opa.writes().len();
    opa.fault(Fault::Garbage);
    let why = setting.refused(&pack("2", "false", 30)).await;
    assert!(why.contains("something else than the API says"), "{why}");
    assert_eq!(opa.writes().len(), before);
}
