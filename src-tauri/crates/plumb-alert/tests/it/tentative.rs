//! Claims made offline, and what becomes of them.

use plumb_alert::{Acknowledgement, Alert, Caller, Failure, Lease, Reconciled, TentativeClaim};

use crate::world::{alert, alert_ref, at};

fn claimed_at(seconds: i64) -> TentativeClaim {
    let (alert, owner) = (alert_ref(1), "mira@laptop".to_owned());
    TentativeClaim { alert, owner, made_at: at(seconds), lease_s: 600 }
}

fn held_by(owner: &str, seconds: i64) -> Alert {
    let lease = Lease::new(owner, 600).expect("a lease");
    alert(1).claim(&lease, at(seconds)).expect("free").value
}

/// The claim was made at 100 s and is settled at 200 s.
fn check(found: Option<&Alert>) -> Reconciled {
    claimed_at(100).reconcile(found, at(200), at(200))
}

#[test]
fn a_free_alert_is_claimed_now() {
    assert_eq!(check(Some(&alert(1))), Reconciled::ClaimNow);
    let over = held_by("sofiia", -500);
    assert_eq!(check(Some(&over)), Reconciled::ClaimNow, "the lease of the other one is over");
}

#[test]
fn a_claim_that_arrived_after_all_is_won() {
    let until = at(720);
    assert_eq!(check(Some(&held_by("mira@laptop", 120))), Reconciled::Won { lock_until: until });
}

#[test]
fn a_claim_is_lost_to_whoever_was_there_first() {
    let held = Reconciled::Held { owner: "sofiia".to_owned(), lock_until: at(650) };
    assert_eq!(check(Some(&held_by("sofiia", 50))), held);
    let ack = Acknowledgement { caller: Caller::new("sofiia"), note: String::new() };
    let acked = held_by("sofiia", 50).ack(&ack, at(60)).expect("held").value;
    let settled = Reconciled::Settled { by: "sofiia".to_owned(), at: at(60) };
    assert_eq!(check(Some(&acked)), settled);
    let failure = Failure {
        caller: Caller::new("sofiia"),
        error: "gateway timeout".to_owned(),
        retry_after_s: 300,
    };
    let failed = held_by("sofiia", 50).fail(&failure, at(60)).expect("held").value;
    let waiting = Reconciled::Waiting { by: "sofiia".to_owned(), retry_at: at(360) };
    assert_eq!(check(Some(&failed)), waiting);
    assert_eq!(claimed_at(100).reconcile(Some(&failed), at(360), at(360)), Reconciled::ClaimNow);
}

#[test]
fn an_alert_that_is_gone_is_told() {
    assert_eq!(check(None), Reconciled::Gone);
    assert_eq!(claimed_at(100).reconcile(None, at(9_000), at(9_000)), Reconciled::Gone);
}

#[test]
fn a_claim_ends_with_its_lease_also_offline() {
    let late = claimed_at(100);
    assert_eq!(late.reconcile(Some(&alert(1)), at(699), at(699)), Reconciled::ClaimNow);
    let lapsed = Reconciled::Lapsed { at: at(700) };
    assert_eq!(late.reconcile(Some(&alert(1)), at(700), at(700)), lapsed);
    let ours = held_by("mira@laptop", 300);
    let won = Reconciled::Won { lock_until: at(900) };
    assert_eq!(
        late.reconcile(Some(&ours), at(800), at(800)),
        won,
        "what the inbox says comes first"
    );
}

/// The console's clock is hours off: it says how long ago the claim was made, and nothing about leases of others.
#[test]
fn the_clock_of_the_console_decides_about_its_own_claim_only() {
    let ahead = |seconds: i64| at(seconds + 36_000);
    let made_ahead = TentativeClaim { made_at: ahead(100), ..claimed_at(100) };
    let free = alert(1);
    assert_eq!(made_ahead.reconcile(Some(&free), at(200), ahead(200)), Reconciled::ClaimNow);
    let held = Reconciled::Held { owner: "sofiia".to_owned(), lock_until: at(650) };
    let of_sofiia = held_by("sofiia", 50);
    assert_eq!(made_ahead.reconcile(Some(&of_sofiia), at(200), ahead(200)), held);
    let lapsed = Reconciled::Lapsed { at: ahead(700) };
    assert_eq!(made_ahead.reconcile(Some(&free), at(800), ahead(800)), lapsed);
}
