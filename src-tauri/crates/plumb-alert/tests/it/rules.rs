use plumb_alert::{
    Acknowledgement, Alert, Caller, ConversionTerms, Draft, Failure, Frozen, IncidentEvent,
    IncidentState, Lease, Linked, Outcome, Refusal, Retention, Severity, SignatureState, State,
    Status, TriageDecision, Why, convert, postmortem_draft, spread, triage,
};

use crate::world::{alert, alert_ref, at, draft, incident_ref, taken};

fn lease() -> Lease {
    Lease::new("sofiia-supervisor", 600).expect("a lease")
}

fn ack(by: &str) -> Acknowledgement {
    Acknowledgement { caller: Caller::new(by), note: String::new() }
}

fn failure(retry_after_s: i64) -> Failure {
    let error = "gateway timeout".to_owned();
    Failure { caller: Caller::new("sofiia-supervisor"), error, retry_after_s }
}

const TERMS: ConversionTerms =
    ConversionTerms { severity_cap: Severity::P1, dedupe_window_minutes: 60 };

/// R096 to R104: the states and their transitions.
#[test]
fn an_alert_is_claimed_fails_is_tried_again_and_is_acked() {
    let new = alert(1);
    assert_eq!(new.status(), Status::New);
    let held = new.claim(&lease(), at(10)).expect("free").value;
    assert_eq!(held.claimable_at(), Some(at(610)), "locked for ten minutes");
    let failed = held.fail(&failure(300), at(20)).expect("held").value;
    assert_eq!(failed.status(), Status::Failed);
    assert!(failed.requeue(at(319)).is_none());
    let again = failed.requeue(at(320)).expect("due");
    assert_eq!(again.why, [Why::RetryDue { retry_at: at(320) }]);
    assert_eq!(again.value.status(), Status::New);
    assert_eq!(again.value.last_error.as_deref(), Some("gateway timeout"), "R143");
    let held = again.value.claim(&lease(), at(330)).expect("free").value;
    let acked = held.ack(&ack("sofiia-supervisor"), at(340)).expect("held").value;
    assert_eq!(acked.status(), Status::Acked);
    assert_eq!(acked.claimable_at(), None);
    assert!(matches!(acked.ack(&ack("else"), at(350)), Err(Refusal::Settled { .. })));
}

/// R105 and R106: nobody takes what is held, everybody takes what was left lying.
#[test]
fn a_claim_is_exclusive_until_it_expires() {
    let held = alert(1).claim(&lease(), at(0)).expect("free").value;
    let other = Lease::new("loop-2", 600).expect("a lease");
    assert!(matches!(held.claim(&other, at(599)), Err(Refusal::Held { .. })));
    let taken = held.claim(&other, at(600)).expect("expired");
    assert!(
        matches!(&taken.why[0], Why::LockExpired { owner, .. } if owner == "sofiia-supervisor")
    );
    assert_eq!(taken.value.counts().requeues, 1);
    let mut late = ack("sofiia-supervisor");
    late.caller.claim = Some(1);
    assert!(matches!(
        taken.value.ack(&late, at(601)),
        Err(Refusal::StaleClaim { given: 1, current: 2, .. })
    ));
    late.caller = Caller { owner: Some("sofiia-supervisor".to_owned()), ..late.caller };
    assert!(matches!(taken.value.ack(&late, at(601)), Err(Refusal::Held { .. })));
}

#[test]
fn a_lease_needs_a_name_and_a_time() {
    for (owner, ttl) in [("", 600), ("loop", 0), ("loop", -1), ("loop", i64::MAX), ("a\nb", 1)] {
        assert!(Lease::new(owner, ttl).is_err(), "{owner:?} {ttl}");
    }
}

/// R119: a false positive is closed by whoever sees it, and no incident comes of it.
#[test]
fn a_false_positive_needs_no_claim_and_makes_no_incident() {
    let mut positive = ack("oncall");
    positive.note = "false positive".to_owned();
    let acked = alert(1).ack(&positive, at(5)).expect("free");
    assert_eq!(acked.why, [Why::ClaimedToSettle { by: "oncall".to_owned() }]);
    assert!(matches!(acked.value.state(), State::Acked { outcome: Outcome::Dismissed, .. }));
    assert_eq!(acked.value.counts().claims, 1);
}

/// R114, R115, R117 and R140: one reference, more occurrences, and the reason for it.
#[test]
fn the_same_fingerprint_within_the_window_is_the_same_alert() {
    let first = alert(1);
    let told = draft("gateway", "p95 above objective");
    let again = taken(&told, Some(&first), 2, 1_799);
    assert!(again.value.deduped());
    assert_eq!(again.value.alert().alert_ref, alert_ref(1));
    assert_eq!(again.value.alert().occurrences, 2);
    assert!(again.why[0].to_string().contains("dedupe window of 30 min"));
    let later = taken(&told, Some(&first), 2, 1_800);
    assert!(!later.value.deduped(), "the window is over: {:?}", later.why);
    let short = Draft { dedupe_ttl_minutes: Some(5), ..told.clone() };
    assert!(!taken(&short, Some(&first), 2, 300).value.deduped());
    assert_ne!(told.fingerprint(), draft("billing", "p95 above objective").fingerprint());
    assert_eq!(
        draft("gateway", "p95 is 301").fingerprint(),
        draft("gateway", "p95 is 47").fingerprint()
    );
}

#[test]
fn a_resolution_marks_the_alert_and_makes_none() {
    let over = Draft { resolved: true, ..draft("gateway", "p95 above objective") };
    let first = alert(1);
    let resolved = taken(&over, Some(&first), 2, 9_000).value.alert().clone();
    assert_eq!(resolved.resolved_at, Some(at(9_000)));
    assert!(plumb_alert::ingest(&over, None, 30, alert_ref(3), at(0)).is_err());
}

/// R118 and R139: what is missing or wrong is named.
#[test]
fn a_payload_that_cannot_be_accepted_says_which_field() {
    let sound = draft("gateway", "slow");
    let check = |draft: Draft| draft.check(None).expect_err("refused").to_string();
    assert!(
        check(Draft { service: " ".into(), ..sound.clone() }).starts_with("service is missing")
    );
    assert!(check(Draft { title: String::new(), ..sound.clone() }).starts_with("title is missing"));
    assert!(
        check(Draft { kind: "no kind".into(), ..sound.clone() })
            .contains("\"no kind\" is not valid")
    );
    assert!(check(Draft { env: "a\u{0}".into(), ..sound.clone() }).contains("control character"));
    assert!(check(Draft { title: "x".repeat(1_001), ..sound.clone() }).contains("1001 bytes"));
    let known = ["latency".to_owned()];
    assert!(sound.check(Some(&known)).expect_err("refused").to_string().contains("latency"));
    assert_eq!(sound.check(None), Ok(()));
}

/// R116: many fingerprints for one thing are a problem of the source.
#[test]
fn a_source_that_never_repeats_a_fingerprint_is_named() {
    let alerts: Vec<Alert> = (0..20)
        .map(|n| {
            let fingerprint = Some(format!("at-{n}"));
            let told = Draft { fingerprint, ..draft("gateway", "slow") };
            taken(&told, None, n, i64::from(n)).value.alert().clone()
        })
        .collect();
    let found = spread(&alerts, 10);
    assert_eq!((found.len(), found[0].fingerprints), (1, 20));
    assert!(spread(&alerts[..9], 10).is_empty());
}

/// R121, R123 and R124: the cap, the window, and an alert that joins.
#[test]
fn alerts_of_one_signature_share_an_incident_within_the_window() {
    let opened = convert(&alert(1), None, TERMS, "oncall", incident_ref(1), at(0)).expect("ok");
    let incident = opened.value.appended.incident.clone();
    assert_eq!(incident.severity, Severity::P1, "capped");
    assert!(opened.why.contains(&Why::Capped { from: Severity::P0, cap: Severity::P1 }));
    let joined = convert(&alert(2), Some(&incident), TERMS, "oncall", incident_ref(2), at(3_599))
        .expect("ok");
    assert_eq!((joined.value.linked, joined.value.appended.incident.alerts), (Linked::Joined, 2));
    let same = &opened.value.alert;
    let again = convert(same, Some(&incident), TERMS, "x", incident_ref(3), at(9)).expect("ok");
    assert_eq!((again.value.linked, again.value.appended.entries.len()), (Linked::Already, 0));
    let late = convert(&alert(2), Some(&incident), TERMS, "oncall", incident_ref(2), at(3_600))
        .expect("ok");
    assert_eq!(late.value.linked, Linked::Opened);
    let closed = incident.close("oncall", "done", at(60)).expect("open").incident;
    let next =
        convert(&alert(2), Some(&closed), TERMS, "oncall", incident_ref(2), at(61)).expect("ok");
    assert_eq!(next.value.linked, Linked::Opened, "nothing is buried in a closed incident");
}

/// R107 to R109 and R144: one triage per signature and cooldown, a note for the others.
#[test]
fn within_the_cooldown_an_alert_is_only_added() {
    let run = |known: Option<&SignatureState>, seconds| {
        let converted =
            convert(&alert(1), None, TERMS, "s", incident_ref(1), at(seconds)).expect("ok").value;
        let frozen = Frozen { doctor: vec!["clock is off".into()], ..Frozen::default() };
        triage(converted, known, 15, frozen, &ack("s"), at(seconds)).expect("settled")
    };
    let first = run(None, 0);
    assert_eq!(first.value.decision, TriageDecision::Run);
    let entries = &first.value.converted.appended.entries;
    assert!(
        matches!(&entries[1].event, IncidentEvent::Triaged { frozen, .. } if frozen.doctor.len() == 1)
    );
    let second = run(Some(&first.value.signature), 899);
    assert_eq!(second.value.decision, TriageDecision::Append);
    assert_eq!(second.value.signature.last_triage_at, at(0));
    assert!(second.why[0].to_string().contains("cooldown of 15 min lasts until"));
    assert!(matches!(
        second.value.converted.alert.state(),
        State::Acked { outcome: Outcome::Appended, .. }
    ));
    assert_eq!(run(Some(&first.value.signature), 900).value.decision, TriageDecision::Run);
}

/// R120 and R095: an incident ends once, and its timeline becomes a draft.
#[test]
fn an_incident_is_closed_once_and_told_in_full() {
    let opened = convert(&alert(1), None, TERMS, "oncall", incident_ref(1), at(0)).expect("ok");
    let mut timeline = opened.value.appended.entries.clone();
    let mut incident = opened.value.appended.incident;
    let steps = [incident.move_to("oncall", IncidentState::Mitigating, at(5)).expect("open")];
    for step in steps {
        timeline.extend(step.entries);
        incident = step.incident;
    }
    let noted = incident.note("oncall", "rolled <back> gw-1", at(6)).expect("a note");
    timeline.extend(noted.entries);
    let closed = noted.incident.close("oncall", "false positive", at(7)).expect("open");
    timeline.extend(closed.entries);
    assert!(matches!(closed.incident.close("oncall", "", at(8)), Err(Refusal::Transition { .. })));
    assert!(timeline.iter().enumerate().all(|(n, entry)| entry.number == n as u64));
    let draft = postmortem_draft(&closed.incident, &timeline);
    assert!(draft.contains("rolled \\<back\\> gw-1") && draft.contains("closed: false positive"));
}

/// R149: nothing goes that nobody has dealt with.
#[test]
fn retention_takes_old_acked_alerts_only() {
    let month = Retention { acked_days: 30 };
    let late = at(31 * 86_400);
    assert!(!month.expires(&alert(1), late));
    let acked = alert(1).ack(&ack("oncall"), at(0)).expect("free").value;
    assert!(month.expires(&acked, late) && !month.expires(&acked, at(29 * 86_400)));
}

#[test]
fn an_alert_survives_being_written_down() {
    let held = alert(1).claim(&lease(), at(10)).expect("free").value;
    let text = serde_json::to_string(&held).expect("an alert always serialises");
    assert!(text.contains(r#""status":"processing""#));
    assert_eq!(serde_json::from_str::<Alert>(&text).expect("reads"), held);
}
