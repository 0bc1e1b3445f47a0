//! One approval, read and verified against a roster, beside the bare check of its signature.

use anyhow::{Result, ensure};
use plumb_testkit::company::{Company, NOW, at, fleet, group, key, person};
use plumb_trust::{
    approval::{Act, Expected, VerifiedApproval, verify_approval},
    dsse::{Algorithm, SigningKey},
    roster::{PEOPLE_MAX, Person, PersonKey, Roster},
};

use crate::report::{Report, best_of_five};

/// Promised for one approval, in milliseconds.
const VERIFY_MS: f64 = 0.2;
/// Verifications in one run.
const TIMES: u32 = 200;
const FLEET: &str = "payments-eu";

/// An approval with everything it is judged by.
#[derive(Debug)]
pub struct Case {
    pub name: &'static str,
    envelope: Vec<u8>,
    roster: Roster,
    expected: Expected,
}

/// Measures approvals of both kinds of key, in a small roster and in the largest.
pub fn run(report: &mut Report) -> Result<()> {
    for case in cases()? {
        ensure!(case.verify().is_some(), "{} counts", case.name);
        let figure = many(|| case.verify());
        report.timed(&format!("approval verified, {}", case.name), figure, "ms", VERIFY_MS);
    }
    Ok(())
}

/// Milliseconds of one call, the best of five runs of many.
fn many<T>(mut work: impl FnMut() -> T) -> f64 {
    let all = best_of_five(|| (0..TIMES).map(|_| work()).last());
    all / f64::from(TIMES)
}

/// An approval by each kind of key; mara signs with Ed25519, piet with ECDSA.
pub fn cases() -> Result<Vec<Case>> {
    let small = Company::new();
    let large = crowded(Company::new());
    let case = |name, company: &Company, who: &str, role: &str| {
        let envelope = company.act(FLEET, who, role, Act::Approve);
        Case { name, envelope, roster: company.roster(), expected: company.expected(FLEET) }
    };
    let (security, storage) = ("platform-security", "storage");
    let all = vec![
        case("Ed25519, 6 people", &small, "mara", storage),
        case("ECDSA P-256, 6 people", &small, "piet", security),
        case("Ed25519, 500 people", &large, "mara", storage),
        case("ECDSA P-256, 500 people", &large, "piet", security),
    ];
    ensure!(large.document.people.len() == PEOPLE_MAX, "the largest roster there can be");
    Ok(all)
}

fn crowded(company: Company) -> Company {
    company.with(|roster| {
        for number in roster.people.len()..PEOPLE_MAX {
            let made: SigningKey = key(Algorithm::Ed25519);
            let one =
                PersonKey { key: made.public().clone(), from: None, until: None, revoked_at: None };
            let someone = Person {
                name: format!("Person {number}"),
                groups: [group("storage")].into(),
                keys: vec![one],
            };
            // Before and behind the others in the order of names.
            roster.people.insert(person(&format!("{}{number}", ["a", "z"][number % 2])), someone);
        }
        roster.fleets.insert(fleet("payments-ap"), "production".to_owned());
    })
}

impl Case {
    pub fn verify(&self) -> Option<VerifiedApproval> {
        verify_approval(&self.envelope, &self.roster, &self.expected, at(NOW)).ok()
    }
}
