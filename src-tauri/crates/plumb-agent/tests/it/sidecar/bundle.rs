//! OPA downloads the bundle.

use std::time::Duration;

use plumb_agent::{
    ProbeEntry,
    sidecar::{OpaMode, Return},
};
use serde_json::json;

use super::{
    replay::{Fault, Opa},
    setting::{Setting, Wanted, broken, pack},
};
use crate::fetch::world::ID;

/// An OPA that waits for the bundle, and an agent that has the first pack.
async fn begun(opa: &mut Opa, change: impl FnOnce(&mut Wanted<'_>)) -> Setting {
    let url = opa.url();
    let mut wanted = Wanted::new(&url, OpaMode::Bundle);
    change(&mut wanted);
    let mut setting = Setting::new(&wanted, &pack("1", "true", 365)).await;
    opa.downloads(setting.sidecar.bundle_address().expect("it listens"), ID);
    opa.start();
    setting.begin().await;
    let _ = setting.look().await;
    setting
}

/// Whoever denies is refused, however often the fetcher tries.
fn allowed() -> ProbeEntry {
    ProbeEntry { path: "cos/abac/allow".to_owned(), input: json!({}), expect: Some(json!(true)) }
}

/// What every OPA does, recorded or real: takes packs, refuses what does not compile, and comes back.
pub(crate) async fn assert_takes_refuses_and_returns(setting: &Setting) {
    setting.until_decision("cos/abac/allow", &json!(true)).await;
    assert_eq!(setting.decision("cos/retention/gold").await, json!(365));
    setting.taken(&pack("2", "false", 30)).await;
    assert_eq!(setting.decision("cos/abac/allow").await, json!(false));
    assert_eq!(setting.decision("cos/retention/gold").await, json!(30));
    let report = setting.report();
    assert!(report.in_force.is_some_and(|revision| revision.starts_with("2@sha256:")));
    assert_eq!(report.mixed_for_ms, None, "OPA swaps in one step");
    let why = setting.refused(&broken("3")).await;
    assert!(why.contains("rego_parse_error") && why.contains("the former pack answers"), "{why}");
    let report = setting.report();
    let fault = report.fault.expect("what OPA said");
    assert_eq!(fault.code, "bundle_error");
    assert_eq!(report.returned, Some(Return::Answers));
    assert_eq!(setting.decision("cos/abac/allow").await, json!(false));
    setting.taken(&pack("4", "true", 90)).await;
    assert_eq!(setting.decision("cos/retention/gold").await, json!(90));
}

/// R173, R181: OPA is told and its own confirmation is waited for.
#[tokio::test(flavor = "multi_thread")]
async fn a_pack_is_in_force_once_opa_itself_says_so() {
    let mut opa = Opa::new();
    let setting = begun(&mut opa, |_| ()).await;
    assert_takes_refuses_and_returns(&setting).await;
    let (prefer, conditions) = opa.asked();
    assert_eq!(prefer, "modes=snapshot,delta;wait=30");
    assert!(conditions.iter().any(|etag| etag.starts_with('"')), "{conditions:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_recorded_refusal_keeps_the_former_pack_and_names_opas_reason() {
    let mut opa = Opa::new();
    let setting = begun(&mut opa, |_| ()).await;
    let cases = [
        (Fault::Refuses("signed_no_key_configured"), "verification key not provided"),
        (Fault::Refuses("signed_wrong_key"), "bundle_error: "),
        (Fault::Refuses("unsigned_when_required"), "bundle missing .signatures.json file"),
        (Fault::Owned("cos"), "root cos is in multiple bundles"),
    ];
    for (number, (fault, wanted)) in cases.into_iter().enumerate() {
        opa.fault(fault);
        let answer = if number % 2 == 0 { "false" } else { "true" };
        let why = setting.refused(&pack(&format!("bad-{number}"), answer, 1)).await;
        assert!(why.contains(wanted), "{why}");
        assert!(why.contains("the former pack answers"), "{why}");
        assert_eq!(setting.decision("cos/retention/gold").await, json!(365));
    }
    opa.fault(Fault::None);
    setting.taken(&pack("good", "false", 7)).await;
    assert_eq!(opa.activations(), 2, "nothing was activated in between");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_that_is_answered_wrongly_brings_the_former_pack_back() {
    let mut opa = Opa::new();
    let setting = begun(&mut opa, |wanted| wanted.probes = vec![allowed()]).await;
    let why = setting.refused(&pack("2", "false", 30)).await;
    assert!(why.contains("data.cos.abac.allow is false, not true"), "{why}");
    assert!(why.ends_with("the former pack answers"), "{why}");
    assert_eq!(setting.decision("cos/abac/allow").await, json!(true));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_opa_that_is_too_slow_ends_at_the_former_pack_all_the_same() {
    let mut opa = Opa::new();
    let setting = begun(&mut opa, |wanted| {
        wanted.limit = Duration::from_secs(3);
        wanted.probes = vec![allowed()];
    })
    .await;
    setting.until_taken(&pack("1", "true", 365)).await;
    opa.fault(Fault::Slow);
    let limit = "did not activate it within 3 s";
    let why = setting.until_refused(&pack("2", "false", 30), limit).await;
    assert!(why.contains("not yet seen to be back"), "{why}");
    assert_eq!(setting.report().in_force, None, "nobody knows");
    // It takes the late one, and is offered the former one at once.
    opa.fault(Fault::None);
    setting.until_taken(&pack("1", "true", 365)).await;
    setting.until_decision("cos/retention/gold", &json!(365)).await;
    assert!(opa.activations() >= 3, "the late one, too");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_opa_that_restarts_empty_fetches_the_pack_by_itself() {
    let mut opa = Opa::new();
    let setting = begun(&mut opa, |_| ()).await;
    opa.kill();
    opa.start();
    setting.until_decision("cos/abac/allow", &json!(true)).await;
    setting.taken(&pack("2", "false", 30)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_opa_lacks_is_said_with_what_to_do() {
    let mut opa = Opa::new();
    let setting = begun(&mut opa, |wanted| wanted.limit = Duration::from_secs(1)).await;
    opa.fault(Fault::NoStatus);
    let why = setting.refused(&pack("2", "false", 30)).await;
    assert!(why.contains(r#""status" section, as in {"status": {"prometheus": true}}"#), "{why}");
    opa.fault(Fault::Garbage);
    let why = setting.refused(&pack("3", "false", 31)).await;
    assert!(why.contains("something else than the API says"), "{why}");
    opa.kill();
    let why = setting.refused(&pack("4", "false", 32)).await;
    assert!(why.contains("OPA cannot be reached"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_opa_that_never_asks_is_told_from_one_that_refuses() {
    let opa = Opa::new();
    let url = opa.url();
    let mut wanted = Wanted::new(&url, OpaMode::Bundle);
    wanted.limit = Duration::from_secs(1);
    let mut setting = Setting::new(&wanted, &pack("1", "true", 365)).await;
    opa.start();
    setting.begin().await;
    let why = setting.report().refusal.expect("refused");
    assert!(
        why.contains("OPA never asked for /bundles/policy-pack-v0 at http://127.0.0.1:"),
        "{why}"
    );
    assert!(why.ends_with("there was no pack before, so this one stays on offer"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_restarts_finds_opa_where_it_was() {
    let mut opa = Opa::new();
    let url = opa.url();
    let wanted = Wanted::new(&url, OpaMode::Bundle);
    let mut setting = begun(&mut opa, |_| ()).await;
    assert_eq!(opa.activations(), 1);
    let listen = setting.sidecar.bundle_address().expect("it listens").to_string();
    setting.restart_agent(&wanted, Some(&listen)).await;
    setting.begin().await;
    setting.told(|report| report.in_force.is_some()).await;
    assert_eq!(opa.activations(), 1, "the same pack makes the same bundle, which OPA has already");
    assert_eq!(setting.decision("cos/abac/allow").await, json!(true));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_opa_that_comes_up_after_the_agent_gets_the_pack_all_the_same() {
    let mut opa = Opa::new();
    let url = opa.url();
    let mut wanted = Wanted::new(&url, OpaMode::Bundle);
    wanted.limit = Duration::from_secs(3);
    let mut setting = Setting::new(&wanted, &pack("1", "true", 365)).await;
    opa.downloads(setting.sidecar.bundle_address().expect("it listens"), ID);
    setting.begin().await;
    let report = setting.report();
    assert!(report.refusal.is_some_and(|why| why.contains("OPA cannot be reached")));
    assert_eq!(report.returned, Some(Return::Offered));
    // The registry may be down by now: what was verified is there.
    opa.start();
    setting.until_decision("cos/abac/allow", &json!(true)).await;
    setting.taken(&pack("1", "true", 365)).await;
    assert_eq!(opa.activations(), 1);
}
