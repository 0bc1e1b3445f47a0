//! The law of conservation: whatever storm comes, no report and no claim is unaccounted for.

use std::collections::BTreeMap;

use plumb_alert::{
    Acknowledgement, Alert, AlertRef, Caller, ConversionTerms, Draft, Failure, Frozen, Incident,
    IncidentState, Lease, Outcome, Severity, SignatureState, State, convert, ingest, triage,
};
use proptest::prelude::*;

use crate::world::{alert_ref, at, draft, incident_ref};

#[derive(Debug, Clone)]
enum Step {
    Report { service: u8, title: u8, resolved: bool, broken: bool },
    Claim { nth: usize, owner: u8, ttl_s: i64 },
    Ack { nth: usize, owner: u8 },
    Fail { nth: usize, owner: u8, retry_s: i64 },
    Triage { nth: usize, owner: u8 },
    Close { nth: usize },
    Wait { seconds: i64 },
}

fn step() -> impl Strategy<Value = Step> {
    let (nth, owner) = (0..64_usize, 0..3_u8);
    prop_oneof![
        6 => (0..4_u8, 0..4_u8, prop::bool::weighted(0.1), prop::bool::weighted(0.1)).prop_map(
            |(service, title, resolved, broken)| Step::Report { service, title, resolved, broken }
        ),
        4 => (nth.clone(), owner.clone(), 1..900_i64)
            .prop_map(|(nth, owner, ttl_s)| Step::Claim { nth, owner, ttl_s }),
        2 => (nth.clone(), owner.clone()).prop_map(|(nth, owner)| Step::Ack { nth, owner }),
        2 => (nth.clone(), owner.clone(), 0..900_i64)
            .prop_map(|(nth, owner, retry_s)| Step::Fail { nth, owner, retry_s }),
        3 => (nth.clone(), owner).prop_map(|(nth, owner)| Step::Triage { nth, owner }),
        1 => nth.prop_map(|nth| Step::Close { nth }),
        3 => (0..1_200_i64).prop_map(|seconds| Step::Wait { seconds }),
    ]
}

/// What a store would keep, and tallies of its own made from what callers were told.
#[derive(Default)]
struct Inbox {
    seconds: i64,
    alerts: Vec<Alert>,
    incidents: Vec<Incident>,
    signatures: BTreeMap<String, SignatureState>,
    told: BTreeMap<&'static str, u64>,
    triaged_at: BTreeMap<String, i64>,
}

impl Inbox {
    fn tell(&mut self, what: &'static str) {
        *self.told.entry(what).or_default() += 1;
    }

    fn told(&self, what: &str) -> u64 {
        self.told.get(what).copied().unwrap_or_default()
    }

    fn report(&mut self, draft: &Draft) {
        self.tell("received");
        let fingerprint = draft.fingerprint();
        let newest = self.alerts.iter().rposition(|alert| alert.fingerprint == fingerprint);
        let fresh: AlertRef = alert_ref(u32::try_from(self.alerts.len()).expect("few"));
        let known = newest.map(|index| &self.alerts[index]);
        let decided =
            draft.check(None).and_then(|()| ingest(draft, known, 30, fresh, at(self.seconds)));
        match decided {
            Err(_) => self.tell("rejected"),
            Ok(decided) if decided.value.deduped() => {
                self.tell("deduplicated");
                self.alerts[newest.expect("known")] = decided.value.alert().clone();
            }
            Ok(decided) => {
                self.tell("created");
                self.alerts.push(decided.value.alert().clone());
            }
        }
    }

    /// As a store does before a claim.
    fn requeue(&mut self) {
        for index in 0..self.alerts.len() {
            let held = matches!(self.alerts[index].state(), State::Processing { .. });
            if let Some(again) = self.alerts[index].requeue(at(self.seconds)) {
                self.alerts[index] = again.value;
                if held {
                    self.tell("requeued");
                }
            }
        }
    }

    fn pick(&self, nth: usize) -> Option<usize> {
        (!self.alerts.is_empty()).then(|| nth % self.alerts.len())
    }

    fn claim(&mut self, nth: usize, owner: u8, ttl_s: i64) {
        self.requeue();
        let Some(index) = self.pick(nth) else { return };
        let lease = Lease::new(&format!("loop-{owner}"), ttl_s).expect("a lease");
        if let Ok(decided) = self.alerts[index].claim(&lease, at(self.seconds)) {
            assert!(matches!(self.alerts[index].state(), State::New), "taken from nobody");
            self.alerts[index] = decided.value;
            self.tell("claims");
        }
    }

    fn settled(&mut self, index: usize, after: Alert, outcome: &'static str) {
        if !matches!(self.alerts[index].state(), State::Processing { .. }) {
            self.tell("claims");
        }
        self.alerts[index] = after;
        self.tell(outcome);
    }

    fn ack(&mut self, nth: usize, owner: u8) {
        let Some(index) = self.pick(nth) else { return };
        let ack = acknowledgement(owner);
        if let Ok(decided) = self.alerts[index].ack(&ack, at(self.seconds)) {
            let appended = decided.value.incident_ref.is_some();
            self.settled(index, decided.value, if appended { "appended" } else { "dismissed" });
        }
    }

    fn fail(&mut self, nth: usize, owner: u8, retry_after_s: i64) {
        let Some(index) = self.pick(nth) else { return };
        let caller = acknowledgement(owner).caller;
        let failure = Failure { caller, error: "gateway timeout".to_owned(), retry_after_s };
        if let Ok(decided) = self.alerts[index].fail(&failure, at(self.seconds)) {
            self.settled(index, decided.value, "failed");
        }
    }

    fn triage(&mut self, nth: usize, owner: u8) {
        let Some(index) = self.pick(nth) else { return };
        let (alert, now) = (&self.alerts[index], at(self.seconds));
        let known = self.incidents.iter().rev().find(|incident| {
            incident.signature == alert.signature && incident.state != IncidentState::Closed
        });
        let terms = ConversionTerms { severity_cap: Severity::P1, dedupe_window_minutes: 60 };
        let fresh = incident_ref(u32::try_from(self.incidents.len()).expect("few"));
        let converted = convert(alert, known, terms, "loop", fresh, now).expect("converts").value;
        let state = self.signatures.get(&alert.signature);
        let ack = acknowledgement(owner);
        let Ok(decided) = triage(converted, state, 15, Frozen::default(), &ack, now) else {
            return;
        };
        let triaged = decided.value;
        let outcome = match triaged.converted.alert.state() {
            State::Acked { outcome: Outcome::Triaged, .. } => "triaged",
            _ => "appended",
        };
        let signature = triaged.signature.signature.clone();
        if outcome == "triaged" {
            let last = self.triaged_at.insert(signature.clone(), self.seconds);
            assert!(last.is_none_or(|last| self.seconds >= last + 900), "one triage a cooldown");
        }
        self.signatures.insert(signature, triaged.signature);
        let incident = triaged.converted.appended.incident;
        match self.incidents.iter_mut().find(|known| known.incident_ref == incident.incident_ref) {
            Some(known) => *known = incident,
            None => self.incidents.push(incident),
        }
        self.settled(index, triaged.converted.alert, outcome);
    }

    fn close(&mut self, nth: usize) {
        if self.incidents.is_empty() {
            return;
        }
        let index = nth % self.incidents.len();
        if let Ok(closed) = self.incidents[index].close("oncall", "", at(self.seconds)) {
            self.incidents[index] = closed.incident;
        }
    }

    #[track_caller]
    fn check(&self) {
        let sum = |of: &dyn Fn(&Alert) -> u64| self.alerts.iter().map(of).sum::<u64>();
        let is = |wanted: Outcome| {
            sum(&|alert| {
                u64::from(
                    matches!(alert.state(), State::Acked { outcome, .. } if *outcome == wanted),
                )
            })
        };
        let open = sum(&|alert| u64::from(matches!(alert.state(), State::Processing { .. })));
        assert_eq!(
            self.told("received"),
            self.told("rejected") + self.told("created") + self.told("deduplicated")
        );
        assert_eq!(
            sum(&|alert| alert.occurrences),
            self.told("created") + self.told("deduplicated")
        );
        assert_eq!(self.alerts.len() as u64, self.told("created"));
        let settled = is(Outcome::Triaged) + is(Outcome::Appended) + is(Outcome::Dismissed);
        let (failed, requeued) =
            (sum(&|alert| alert.counts().failures), sum(&|alert| alert.counts().requeues));
        assert_eq!(sum(&|alert| alert.counts().claims), settled + failed + requeued + open);
        assert_eq!(sum(&|alert| alert.counts().claims), self.told("claims"));
        assert_eq!(is(Outcome::Triaged), self.told("triaged"));
        assert_eq!(is(Outcome::Appended), self.told("appended"));
        assert_eq!(is(Outcome::Dismissed), self.told("dismissed"));
        assert_eq!((failed, requeued), (self.told("failed"), self.told("requeued")));
    }
}

fn acknowledgement(owner: u8) -> Acknowledgement {
    let owner = format!("loop-{owner}");
    let caller = Caller { owner: Some(owner.clone()), ..Caller::new(owner) };
    Acknowledgement { caller, note: String::new() }
}

proptest! {
    #[test]
    fn every_report_and_every_claim_is_accounted_for(
        steps in prop::collection::vec(step(), 1..150)
    ) {
        let mut inbox = Inbox::default();
        for step in steps {
            match step {
                Step::Report { service, title, resolved, broken } => {
                    let title = ["slow", "down", "lost", "full"][usize::from(title)];
                    let service =
                        if broken { String::new() } else { format!("service-{service}") };
                    inbox.report(&Draft { resolved, ..draft(&service, title) });
                }
                Step::Claim { nth, owner, ttl_s } => inbox.claim(nth, owner, ttl_s),
                Step::Ack { nth, owner } => inbox.ack(nth, owner),
                Step::Fail { nth, owner, retry_s } => inbox.fail(nth, owner, retry_s),
                Step::Triage { nth, owner } => inbox.triage(nth, owner),
                Step::Close { nth } => inbox.close(nth),
                Step::Wait { seconds } => inbox.seconds += seconds,
            }
            inbox.check();
        }
    }
}
