//! What the adapters make of recorded replies.

use insta::assert_debug_snapshot;
use plumb_bundle::Bundle;
use plumb_clients::operations::policies;
use plumb_fleet::{CredentialRef, NodeApi};
use wiremock::{
    Mock, ResponseTemplate,
    matchers::{method, path},
};

use crate::support::{PATIENT, fixture, node, now, observed, pool, recorded};

/// Observes a recorded node and snapshots the report or the failure.
async fn check(api: NodeApi, case: &str) {
    let server = recorded(api, case).await;
    let seen = observed(&node(api, &server.uri())).await;
    let asked = server.received_requests().await.expect("requests are recorded");
    // A reload node seen for the first time is asked what its rules were made of as well.
    let first = if api == NodeApi::Reload { 4 } else { 3 };
    assert!(asked.len() <= first, "a sweep is three requests, {} were sent", asked.len());
    assert!(asked.iter().all(|request| request.method == wiremock::http::Method::GET));
    insta::with_settings!({ snapshot_suffix => format!("{}_{case}", api.name()), prepend_module_to_snapshot => false }, {
        assert_debug_snapshot!("report", seen);
    });
}

macro_rules! cases {
    ($($name:ident: $api:ident $case:ident;)*) => {$(
        #[tokio::test]
        async fn $name() {
            check(NodeApi::$api, stringify!($case)).await;
        }
    )*};
}

cases! {
    the_reload_service_as_documented: Reload documented;
    a_bare_list_is_a_history_too: Reload bare_history;
    local_rules_have_a_version_and_no_signature: Reload local_rules;
    a_node_without_a_bundle_is_not_ready: Reload no_bundle;
    errors_of_both_shapes_are_gaps: Reload detail_errors;
    names_with_markup_and_controls_are_escaped: Reload hostile_names;
    wrong_types_are_a_failure_of_the_node: Reload wrong_types;
    one_odd_field_costs_that_field: Reload odd_fields;
    nan_is_no_json: Reload nan;
    clocks_may_be_years_off: Reload clock_years_off;
    opa_in_good_health: Opa ok;
    opa_without_status_plugin_still_has_content: Opa no_status_plugin;
    opa_that_refused_a_signature: Opa signed_wrong_key;
    opa_without_a_key_is_misconfigured: Opa signed_no_key_configured;
    opa_that_refused_a_scope: Opa signed_scope_mismatch;
    opa_that_wants_a_signature: Opa unsigned_when_required;
    opa_that_could_not_parse: Opa parse_error;
    opa_whose_server_has_no_bundle: Opa http404;
    opa_with_a_cut_archive: Opa truncated;
    opa_with_two_bundles: Opa overlapping_roots;
    opa_that_started_from_disk: Opa persisted_load_server_404;
    opa_with_discovery: Opa discovery;
    opa_writes_empty_maps_as_null: Opa nulls;
    opa_with_hostile_names: Opa hostile_names;
    the_agent_in_good_health: Agent ok;
    the_agent_with_an_invalid_signature: Agent invalid_signature;
    an_agent_that_refused_a_pack: Agent refused_pack;
    a_newer_agent_with_a_broken_digest: Agent newer_and_broken;
    an_agent_that_is_only_a_reload_service: Agent old_agent;
}

#[tokio::test]
async fn the_content_of_a_node_is_that_of_the_bundle_it_loaded() {
    let server = recorded(NodeApi::Reload, "documented").await;
    let node = node(NodeApi::Reload, &server.uri());
    let report = observed(&node).await.expect("answers");
    let bundle = Bundle::read(&fixture("reload/bundle.json")).expect("a bundle");
    assert_eq!(report.content.expect("content").value, bundle.content);
    assert_eq!(report.policies.expect("policies").value, bundle.policy_refs());
    let content = policies(&pool(), &node, PATIENT, &now()).await.expect("answers");
    assert_eq!(content.policies, bundle.policies);
    assert_eq!(content.digest, bundle.content);
}

#[tokio::test]
async fn order_is_content() {
    let (one, other) = (
        recorded(NodeApi::Reload, "documented").await,
        recorded(NodeApi::Reload, "reordered").await,
    );
    let one = observed(&node(NodeApi::Reload, &one.uri())).await.expect("answers");
    let other = observed(&node(NodeApi::Reload, &other.uri())).await.expect("answers");
    assert_eq!(one.version.map(|v| v.value), other.version.map(|v| v.value));
    assert_ne!(one.content.expect("content").value, other.content.expect("content").value);
}

#[tokio::test]
async fn opa_modules_are_named_as_in_the_bundle() {
    let server = recorded(NodeApi::Opa, "ok").await;
    let content = policies(&pool(), &node(NodeApi::Opa, &server.uri()), PATIENT, &now()).await;
    let ids: Vec<String> = content.expect("answers").policies.into_iter().map(|p| p.id).collect();
    assert_eq!(ids, ["b1/authz/authz.rego", "b1/authz/authz_test.rego"]);
}

#[tokio::test]
async fn a_steady_reload_node_is_asked_three_things() {
    let server = recorded(NodeApi::Reload, "documented").await;
    let (pool, node) = (pool(), node(NodeApi::Reload, &server.uri()));
    let first = plumb_clients::observe(&pool, &node, PATIENT, &now()).await.expect("a report");
    let before = server.received_requests().await.expect("requests are recorded").len();
    let again = plumb_clients::observe(&pool, &node, PATIENT, &now()).await.expect("a report");
    let after = server.received_requests().await.expect("requests are recorded").len();
    assert_eq!((before, after), (4, 7));
    assert_eq!(
        first.content.map(|content| content.value),
        again.content.map(|content| content.value)
    );
}

#[tokio::test]
async fn a_reload_that_needs_no_token_is_found_without_a_reload() {
    for (status, open) in [(405, true), (401, false), (403, false), (404, false), (200, false)] {
        let server = recorded(NodeApi::Reload, "documented").await;
        let answer = ResponseTemplate::new(status);
        let probe = Mock::given(method("GET")).and(path("/reload")).respond_with(answer);
        probe.expect(1).mount(&server).await;
        let mut node = node(NodeApi::Reload, &server.uri());
        let words = ["printf", "canary-token"].map(str::to_owned);
        node.credential = Some(CredentialRef::Command(words.into()));
        let pool = pool();
        for _ in 0..2 {
            let report = plumb_clients::observe(&pool, &node, PATIENT, &now()).await;
            let report = report.expect("a report");
            assert_eq!(report.unauthenticated_reload, open, "answered {status}");
        }
        for request in server.received_requests().await.expect("requests are recorded") {
            assert_eq!(request.method, wiremock::http::Method::GET, "nothing is changed");
            let shown = request.headers.contains_key("authorization");
            assert_eq!(shown, request.url.path() != "/reload", "{}", request.url);
        }
    }
}
