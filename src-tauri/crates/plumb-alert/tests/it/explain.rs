//! What an operator reads when asking why.

use plumb_alert::{Caller, Failure, Lease, RoutingPolicy, SignatureState, Why, explain};

use crate::world::{alert, at};

fn policy() -> RoutingPolicy {
    let text = "routes: [{name: gateways, service_in: [gateway], triage_cooldown_minutes: 5, assign_to: mira}]";
    RoutingPolicy::from_yaml(text).expect("a policy")
}

#[test]
fn a_further_report_joins_within_the_window_and_not_after_it() {
    let told = |s| explain(&alert(1), &policy(), None, at(s)).dedupe;
    assert!(matches!(told(1_799), Why::WithinWindow { ttl_minutes: 30, .. }));
    assert!(matches!(told(1_800), Why::WindowOver { ttl_minutes: 30, .. }));
}

#[test]
fn claims_leases_and_pauses_are_told() {
    let told = |alert: &plumb_alert::Alert, s| explain(alert, &policy(), None, at(s)).claim;
    assert_eq!(told(&alert(1), 0), None);
    let held = alert(1).claim(&Lease::new("mira", 600).expect("a lease"), at(0));
    let held = held.expect("free").value;
    let (owner, lock_until) = ("mira".to_owned(), at(600));
    let over = Why::LockExpired { owner: owner.clone(), lock_until };
    assert_eq!(told(&held, 599), Some(Why::Claimed { owner, lock_until }));
    assert_eq!(told(&held, 600), Some(over));
    let failure = Failure { caller: Caller::new("mira"), error: "no".into(), retry_after_s: 60 };
    let failed = held.fail(&failure, at(0)).expect("held").value;
    assert_eq!(told(&failed, 59), Some(Why::RetryLater { retry_at: at(60) }));
    assert_eq!(told(&failed, 60), Some(Why::RetryDue { retry_at: at(60) }));
}

#[test]
fn the_cooldown_is_the_one_of_its_route() {
    let alert = alert(1);
    let signature = alert.signature.clone();
    let known = SignatureState { signature, last_triage_at: at(0), skipped: 3 };
    let told = |s| explain(&alert, &policy(), Some(&known), at(s));
    assert!(matches!(told(299).triage, Why::Cooldown { minutes: 5, .. }));
    assert!(matches!(told(300).triage, Why::CooldownOver { minutes: 5, .. }));
    assert!(matches!(explain(&alert, &policy(), None, at(0)).triage, Why::NeverTriaged { .. }));
    assert!(matches!(told(0).route, Why::Route { rule, .. } if rule == "gateways"));
    let none = explain(&alert, &RoutingPolicy::default(), None, at(0));
    assert!(matches!(none.route, Why::RouteDefault { .. }));
}
