use plumb_alert::{
    BypassKind, BypassReason, ConversionTerms, Entitlement, GateMode, GateRequest, GateVerdict,
    Incident, IncidentEvent, Measured, ReleaseGates, Retention, RetentionPolicy, RoleMatrix,
    RoutingPolicy, Severity, SloPolicy, convert, judge,
};

use crate::world::{alert, at, incident_ref};

/// R108: the key of the seed, and a rule over it.
#[test]
fn the_first_matching_route_decides_and_is_named() {
    let policy = RoutingPolicy::from_yaml(
        "defaults:\n  triage_cooldown_minutes: 20\nroutes:\n  - name: prod-gateway\n    env_in: [prod]\n    service_in: [gateway]\n    auto_incident: true\n    incident_severity_cap: P0\n    assign_to: sofiia\n",
    )
    .expect("a policy");
    let route = policy.route(&alert(1));
    assert!(route.value.auto_incident);
    assert_eq!(route.value.triage_cooldown_minutes, 20);
    assert_eq!(route.value.terms.severity_cap, Severity::P0);
    assert_eq!(route.why[0].to_string(), "rule prod-gateway of alert_routing_policy.yml matches");
    let plain = RoutingPolicy::from_yaml("defaults: {}").expect("a policy").route(&alert(1));
    assert_eq!((plain.value.triage_cooldown_minutes, plain.value.auto_incident), (15, false));
    for wrong in ["defaults: {triage_cooldown: 5}", "routes: [{env_in: [prod]}]", "- a"] {
        assert!(RoutingPolicy::from_yaml(wrong).is_err(), "{wrong}");
    }
}

/// R149: without a policy everything is kept, and one that would remove everything by itself is refused.
#[test]
fn a_retention_policy_says_what_goes_and_what_goes_by_itself() {
    let nothing = RetentionPolicy::from_yaml("{}").expect("a policy");
    assert_eq!(nothing, RetentionPolicy::default());
    let asked = RetentionPolicy::from_yaml("acked_days: 30\nlog_days: 365\n").expect("a policy");
    assert_eq!((asked.automatic_alerts(), asked.automatic_logs(at(0))), (None, None));
    let ruled = RetentionPolicy::from_yaml("acked_days: 30\nautomatic: true\n").expect("a policy");
    assert_eq!(ruled.automatic_alerts(), Some(Retention { acked_days: 30 }));
    assert_eq!(ruled.automatic_logs(at(0)), None);
    for (wrong, why) in [
        ("automatic: true", "automatic removes nothing without acked_days or log_days"),
        ("acked_days: 0\nautomatic: true", "0 days would remove everything by itself"),
        ("log_days: 4000", "more than 3650"),
    ] {
        let refused = RetentionPolicy::from_yaml(wrong).expect_err(wrong).to_string();
        assert!(refused.starts_with("retention_policy.yml") && refused.contains(why), "{refused}");
    }
    for wrong in ["acked_days: -1", "keep: 30", "acked_days: many"] {
        assert!(RetentionPolicy::from_yaml(wrong).is_err(), "{wrong}");
    }
}

/// R147 and R148: who may what, and a refusal that says who may.
#[test]
fn a_role_without_an_entitlement_is_told_who_has_it() {
    let matrix = RoleMatrix::default();
    assert!(matrix.check("agent_monitor", Entitlement::Ingest).is_ok());
    for role in ["agent_cto", "agent_oncall", "supervisor"] {
        assert!(matrix.check(role, Entitlement::Claim).is_ok(), "{role}");
    }
    let denied = matrix.check("agent_monitor", Entitlement::Claim).expect_err("denied").to_string();
    assert!(denied.starts_with("tools.alerts.claim denied") && denied.contains("agent_oncall"));
    assert!(matrix.check("stranger", Entitlement::Read).is_err());
    let own =
        RoleMatrix::from_yaml("roles: {agent_monitor: [tools.alerts.ingest]}").expect("reads");
    assert!(own.check("agent_monitor", Entitlement::Read).is_err());
    assert!(RoleMatrix::from_yaml("roles: {a: [tools.alerts.everything]}").is_err());
}

fn request(run_slo_watch: bool, reason: Option<BypassReason>) -> GateRequest {
    GateRequest {
        service: "gateway".to_owned(),
        env: "staging".to_owned(),
        by: "sofiia".to_owned(),
        run_slo_watch,
        reason,
    }
}

/// R135 to R138, R146 and C11: the gate blocks, and a bypass leaves its reason in the timeline.
#[test]
fn a_strict_gate_blocks_and_a_bypass_is_written_down() {
    let slo = "services:\n  gateway:\n    latency_p95_ms: 300\n    error_rate_pct: 1.0\n";
    let slo = SloPolicy::from_yaml(slo).expect("objectives");
    let gates = "staging:\n  gates:\n    slo_watch:\n      mode: \"strict\"\n";
    let gates = ReleaseGates::from_yaml(gates).expect("gates");
    assert_eq!(
        (gates.slo_watch("staging"), gates.slo_watch("dev")),
        (GateMode::Strict, GateMode::Warn)
    );
    let measured = |p95: f64| {
        Measured([("latency_p95_ms".to_owned(), p95), ("error_rate_pct".to_owned(), 0.2)].into())
    };
    let ask = |request: &GateRequest, measured: &Measured, incident: Option<&Incident>| {
        judge(request, &gates, &slo, measured, incident, at(0))
    };
    assert_eq!(ask(&request(true, None), &measured(299.0), None), Ok(GateVerdict::Passed));
    for bad in [measured(301.0), measured(f64::NAN), Measured::default()] {
        assert!(matches!(ask(&request(true, None), &bad, None), Ok(GateVerdict::Blocked(_))));
    }
    let terms = ConversionTerms { severity_cap: Severity::P1, dedupe_window_minutes: 60 };
    let incident = convert(&alert(1), None, terms, "x", incident_ref(1), at(0)).expect("opens");
    let incident = incident.value.appended.incident;
    let reason = |text: &str| {
        Some(BypassReason { kind: BypassKind::EmergencyDeploy, text: text.to_owned() })
    };
    assert!(ask(&request(false, None), &measured(1.0), Some(&incident)).is_err());
    assert!(ask(&request(false, reason("because")), &measured(1.0), Some(&incident)).is_err());
    let told = request(false, reason("customers cannot log in, fix is in 1.2.3"));
    assert!(ask(&told, &measured(1.0), None).is_err(), "needs an incident");
    let Ok(GateVerdict::Bypassed(appended)) = ask(&told, &measured(1.0), Some(&incident)) else {
        panic!("bypassed")
    };
    assert!(matches!(&appended.entries[0].event, IncidentEvent::GateBypassed { .. }));
    assert!(SloPolicy::from_yaml("services: {a: {b: -1}}").is_err());
    assert!(ReleaseGates::from_yaml("staging: {gates: {other: {mode: strict}}}").is_err());
}
