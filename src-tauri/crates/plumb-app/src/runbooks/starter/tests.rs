//! When a start was signed, held to when its run began.

use jiff::SignedDuration;
use plumb_fleet::{Digest, PlanHash};
use plumb_testkit::{
    company::{Company, NOW, at, fleet, person},
    ids::SeededIds,
};

use super::*;

const BEGAN: &str = "2026-02-01T12:00:00Z";
const SECOND: SignedDuration = SignedDuration::from_secs(1);
const MOMENT: SignedDuration = SignedDuration::from_nanos(1);

/// A run whose start rick signed as of some time after it began, or before; who runs it then, as it is told
/// a month later.
fn runner(company: &Company, apart: SignedDuration) -> Result<String, String> {
    let (fleet, run) = (fleet("payments-eu"), SeededIds::new("start").run());
    let plan = PlanHash(Digest::of(b"the plan of the runbook"));
    let began = at(BEGAN);
    let by = person("rick");
    let start = RunbookStart { fleet: fleet.clone(), run, by, at: began + apart };
    let signed = Envelope::sign(&start.statement(plan), &[&company.keys["rick"]]).expect("signed");
    let envelope = String::from_utf8(signed.to_bytes()).expect("an envelope is JSON");
    let mut state = StepsState::default();
    state.started_at = Some(began);
    // What stands beside the envelope is nobody's word.
    state.signed = Some(SignedStart { by: "mara".to_owned(), envelope });
    let of = OfRun { fleet: &fleet, run, plan };
    let told = super::runner(of, &state, &company.roster(), at(NOW));
    told.map(|person| person.to_string()).map_err(|error| error.message)
}

#[test]
fn a_start_counts_for_a_run_that_began_within_ten_minutes_of_it() {
    let company = Company::new();
    let rick = Ok("rick".to_owned());
    for apart in [SignedDuration::ZERO, SECOND, -SECOND, SIGNED_WITHIN, -SIGNED_WITHIN] {
        assert_eq!(runner(&company, apart), rick, "{apart}");
    }
    assert_eq!(SIGNED_WITHIN, SignedDuration::from_mins(10));
    for apart in [SIGNED_WITHIN + MOMENT, -SIGNED_WITHIN - MOMENT, SignedDuration::from_hours(24)] {
        let refused = runner(&company, apart).expect_err("it is of another time");
        assert!(refused.contains("and the run began at another time"), "{apart}: {refused}");
    }
}

/// A key that has ended cannot start a run by naming a day on which it was good; what it started then stays.
#[test]
fn a_key_that_has_ended_signs_as_of_its_own_days_only() {
    let began = at(BEGAN);
    let ended = |until: Timestamp| {
        Company::new().with(|document| {
            document.people.get_mut(&person("rick")).expect("somebody here").keys[0].until =
                Some(until);
        })
    };
    let rick = Ok("rick".to_owned());
    assert_eq!(runner(&ended(began + SECOND), SignedDuration::ZERO), rick, "it was good then");
    let before = ended(began - SignedDuration::from_hours(1));
    let refused = runner(&before, SignedDuration::ZERO).expect_err("it had ended");
    assert!(!refused.contains("at another time"), "{refused}");
    let dated_back = runner(&before, SignedDuration::from_hours(-2)).expect_err("hours before");
    assert!(dated_back.contains("the run began at another time"), "{dated_back}");
}

/// A run of which nobody knows when it began has nobody who started it.
#[test]
fn a_run_that_has_no_beginning_has_no_runner() {
    let (company, fleet) = (Company::new(), fleet("payments-eu"));
    let run = SeededIds::new("start").run();
    let plan = PlanHash(Digest::of(b"the plan of the runbook"));
    let start = RunbookStart { fleet: fleet.clone(), run, by: person("rick"), at: at(BEGAN) };
    let signed = Envelope::sign(&start.statement(plan), &[&company.keys["rick"]]).expect("signed");
    let envelope = String::from_utf8(signed.to_bytes()).expect("an envelope is JSON");
    let signed = Some(SignedStart { by: "rick".to_owned(), envelope });
    let of = OfRun { fleet: &fleet, run, plan };
    for signed in [signed, None] {
        let mut state = StepsState::default();
        state.signed = signed;
        super::runner(of, &state, &company.roster(), at(NOW)).expect_err("it never began");
    }
}
