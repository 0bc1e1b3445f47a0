//! What the gate asks of a plan in a fleet that a signed roster rules.

use std::collections::{BTreeMap, BTreeSet};

use plumb_fleet::{BundleDigest, Digest};
use plumb_runbook::{
    Action, ApprovalError, ApprovalRequest, Approvals, ApprovedPlan, Confirmation, ConsentTerms,
    Evidence, Finding, FindingCode, Plan, Rung, Severity, approve, approve_at_night,
    approve_signed, consent, rung,
};
use plumb_testkit::{
    builders::World,
    company::{Company, NOW, at, fleet as fleet_id, person},
};
use plumb_trust::{
    approval::{Act, ChangeWindow, Nonce},
    roster::Roster,
};

use crate::{SYNC, fleet, planned, rollback};

const EU: &str = "payments-eu";

/// A company, one of its plans, and what was signed for it.
struct Desk {
    company: Company,
    roster: Roster,
    plan: Plan,
    findings: Vec<Finding>,
    evidence: Evidence,
    spent: BTreeSet<Nonce>,
}

impl Desk {
    fn new(action: &Action, world: &World) -> Self {
        let company = Company::new();
        let roster = company.roster();
        let mut plan = planned(action, &["reload-behind", "agent-behind"], world).expect("a plan");
        plan.consent = ConsentTerms::of(&roster, &plan.fleet, person("rick"));
        let evidence = Evidence {
            bundles: BTreeSet::from([BundleDigest(Digest::of(b"two"))]),
            dry_run: Some(Digest::of(b"report")),
            decisions: Some(Digest::of(b"decisions")),
            readiness: BTreeMap::from([("alerts".to_owned(), Digest::of(b"routed"))]),
        };
        let findings = Vec::new();
        Self { company, roster, plan, findings, evidence, spent: BTreeSet::new() }
    }

    fn sync() -> Self {
        Self::new(&SYNC, &fleet("signed"))
    }

    fn signed(&self, who: &str, role: &str, act: Act) -> Vec<u8> {
        let mut draft = self.company.draft(EU, who, role, act);
        draft.bound = consent::bound(&self.plan, &self.evidence).expect("it takes consent");
        draft.acknowledged = consent::warnings(&self.findings);
        self.company.signed(draft, who)
    }

    /// The request and the consent of both groups.
    fn all(&self) -> Vec<Vec<u8>> {
        vec![
            self.signed("rick", "operations", Act::Request),
            self.signed("mara", "storage", Act::Approve),
            self.signed("piet", "platform-security", Act::Approve),
        ]
    }

    fn approvals<'a>(&'a self, envelopes: &'a [Vec<u8>], now: &str) -> Approvals<'a> {
        Approvals {
            roster: &self.roster,
            envelopes,
            evidence: &self.evidence,
            spent: &self.spent,
            now: at(now),
        }
    }

    fn confirmation(&self) -> Confirmation {
        let typed = match rung(&self.plan) {
            Rung::Typed { phrase } => Some(phrase),
            Rung::Undo | Rung::Dialog => None,
        };
        Confirmation { seen: self.plan.hash(), typed, operator: "rick@example".to_owned() }
    }

    fn gate(&self, envelopes: &[Vec<u8>]) -> Result<ApprovedPlan, ApprovalError> {
        let approvals = self.approvals(envelopes, NOW);
        approve_signed(self.plan.clone(), &self.findings, &self.confirmation(), &approvals)
    }

    #[track_caller]
    fn check(&self, envelopes: &[Vec<u8>], expected: &str) {
        let shown = self.gate(envelopes).map_or_else(|error| error.to_string(), |_| "open".into());
        assert!(shown.starts_with(expected), "{shown}");
    }
}

#[test]
fn a_plan_with_all_consent_passes_and_says_whose() {
    let desk = Desk::sync();
    let approved = desk.gate(&desk.all()).expect("everybody consented");
    assert_eq!((approved.plan(), approved.operator()), (&desk.plan, "rick@example"));
    let consent = approved.consent().expect("it was consented to");
    let people: Vec<String> = consent.people().keys().map(ToString::to_string).collect();
    assert_eq!(people, ["mara", "piet"]);
    assert_eq!(approved.review(), None);
}

#[test]
fn what_is_missing_is_said_with_who_may_give_it() {
    let desk = Desk::sync();
    let all = desk.all();
    desk.check(&[], "whoever asks for it has not signed the request");
    desk.check(
        &all[..1],
        "missing 1 of storage, and 1 of platform-security; who may approve: mara, noor, piet, sana",
    );
    desk.check(&all[..2], "missing 1 of platform-security; who may approve: piet, sana");
    let no = desk.signed("noor", "storage", Act::Refuse { reason: "not on a Friday".to_owned() });
    desk.check(&[all.clone(), vec![no]].concat(), "noor refused: not on a Friday");
    desk.check(&all, "open");
}

#[test]
fn the_plain_gate_opens_for_no_plan_that_takes_consent() {
    let desk = Desk::sync();
    let refused = approve(desk.plan.clone(), &[], &desk.confirmation());
    assert_eq!(refused, Err(ApprovalError::Unsigned { rule: "production".to_owned() }));
    // And the other one for none that was made without the roster.
    let all = desk.all();
    let mut desk = desk;
    desk.plan.consent = None;
    assert_eq!(desk.gate(&all), Err(ApprovalError::NoTerms { fleet: fleet_id(EU) }));
}

#[test]
fn consent_is_to_this_plan_and_to_nothing_else() {
    type Change = fn(&mut Desk);
    let changes: [(&str, Change); 12] = [
        ("its targets", |desk| drop(desk.plan.waves[0].nodes.pop())),
        ("what a node is to run", |desk| desk.plan.waves[0].nodes[0].after.content = None),
        ("how long a node may take", |desk| desk.plan.waves[0].nodes[0].deadline_s += 1),
        ("its action", |desk| desk.plan.action = Action::Sync { force: true }),
        ("who asks", |desk| {
            desk.plan.consent.as_mut().expect("terms").requester = person("tove");
        }),
        ("a bundle", |desk| {
            desk.evidence.bundles = BTreeSet::from([BundleDigest(Digest::of(b"other"))]);
        }),
        ("the dry run", |desk| desk.evidence.dry_run = Some(Digest::of(b"other"))),
        ("no dry run", |desk| desk.evidence.dry_run = None),
        ("other decisions", |desk| desk.evidence.decisions = Some(Digest::of(b"other"))),
        ("no decisions", |desk| desk.evidence.decisions = None),
        ("readiness", |desk| desk.evidence.readiness.clear()),
        ("a finding", |desk| desk.findings.push(warning(FindingCode::NoAnswer))),
    ];
    for (what, change) in changes {
        let mut desk = Desk::sync();
        let all = desk.all();
        change(&mut desk);
        let refused = desk.gate(&all).expect_err(what);
        assert!(matches!(refused, ApprovalError::NoConsent { .. }), "{what}: {refused}");
    }
    // The shown plan, confirmed by its hash, is refused before anything else when it changed.
    let desk = Desk::sync();
    let (all, confirmation) = (desk.all(), desk.confirmation());
    let mut other = desk.plan.clone();
    other.whole_fleet = !other.whole_fleet;
    let approvals = desk.approvals(&all, NOW);
    let refused = approve_signed(other, &[], &confirmation, &approvals);
    assert_eq!(refused, Err(ApprovalError::Changed));
}

fn warning(code: FindingCode) -> Finding {
    Finding {
        severity: Severity::Warning,
        code,
        node: None,
        message: "odd".to_owned(),
        remedy: "look".to_owned(),
    }
}

#[test]
fn warnings_are_acknowledged_and_notes_need_not_be() {
    let mut desk = Desk::sync();
    desk.findings = vec![warning(FindingCode::NoAnswer), warning(FindingCode::OldSnapshot)];
    let all = desk.all();
    desk.check(&all, "open");
    // One of them may be gone by now, and a note may be new.
    desk.findings.pop();
    desk.findings.push(Finding { severity: Severity::Note, ..warning(FindingCode::NoUndo) });
    desk.check(&all, "open");
    desk.findings.push(warning(FindingCode::CannotDo));
    desk.check(&all, "missing 1 of storage, and 1 of platform-security");
}

#[test]
fn no_consent_overrules_a_fatal_finding_or_replaces_the_phrase() {
    let mut desk = Desk::sync();
    let all = desk.all();
    let approvals = desk.approvals(&all, NOW);
    let untyped = Confirmation { typed: None, ..desk.confirmation() };
    let refused = approve_signed(desk.plan.clone(), &[], &untyped, &approvals);
    assert_eq!(refused, Err(ApprovalError::Phrase { phrase: "payments-eu 2".to_owned() }));
    desk.findings = vec![Finding { severity: Severity::Fatal, ..warning(FindingCode::NotKnown) }];
    desk.check(&desk.all(), "a finding forbids it: odd");
}

#[test]
fn the_environment_of_the_roster_counts_as_production_too() {
    // The fleet file calls it something harmless.
    let desk = Desk::sync();
    assert!(!plumb_runbook::is_production(&desk.plan.environment));
    assert_eq!(rung(&desk.plan), Rung::Typed { phrase: "payments-eu 2".to_owned() });
}

#[test]
fn a_newer_roster_voids_what_an_older_one_allowed() {
    let mut desk = Desk::sync();
    let all = desk.all();
    let newer = Company::new().with(|roster| roster.version = 4);
    desk.roster = newer.roster();
    desk.check(&all, "the plan was made for another roster: roster was version 3");
}

#[test]
fn used_approvals_do_not_open_it_again() {
    let mut desk = Desk::sync();
    let all = desk.all();
    let approved = desk.gate(&all).expect("the first time");
    desk.spent.clone_from(approved.consent().expect("consent").nonces());
    desk.check(&all, "missing 1 of storage, and 1 of platform-security");
}

#[test]
fn a_fleet_that_no_rule_names_takes_no_consent() {
    let company = Company::new();
    let roster = company.roster();
    for (name, takes) in [(EU, true), ("payments-staging", false), ("unheard-of", false)] {
        let terms = ConsentTerms::of(&roster, &fleet_id(name), person("rick"));
        assert_eq!(terms.is_some(), takes, "{name}");
    }
}

#[test]
fn terms_stand_in_the_plan_and_change_its_hash() {
    let desk = Desk::sync();
    let mut without = desk.plan.clone();
    without.consent = None;
    assert_ne!(without.hash(), desk.plan.hash());
    let bytes = String::from_utf8(without.canonical_bytes()).expect("JSON");
    assert!(!bytes.contains("consent"), "plans without terms keep their former hash");
    let read: Plan = serde_json::from_slice(&desk.plan.canonical_bytes()).expect("it reads back");
    assert_eq!(read, desk.plan);
}

const NIGHT: &str = "2026-03-01T23:10:00Z";

fn at_night(desk: &Desk, now: &str, reason: &str) -> Result<ApprovedPlan, String> {
    let asked = [asked_at_night(desk, now)];
    at_night_with(desk, &asked, now, reason)
}

/// What whoever asks signs in the moment it starts.
fn asked_at_night(desk: &Desk, now: &str) -> Vec<u8> {
    let requester = desk.plan.consent.as_ref().map(|terms| terms.requester.to_string());
    night_request(desk, &requester.unwrap_or_default(), "operations", now)
}

fn night_request(desk: &Desk, who: &str, role: &str, now: &str) -> Vec<u8> {
    let mut draft = desk.company.draft(EU, who, role, Act::Request);
    draft.bound = consent::bound(&desk.plan, &desk.evidence).expect("it takes consent");
    draft.issued_at = at(now);
    draft.expires_at = at(now) + jiff::SignedDuration::from_hours(1);
    draft.window = ChangeWindow { not_before: at(now), not_after: draft.expires_at };
    desk.company.signed(draft, who)
}

fn at_night_with(
    desk: &Desk,
    envelopes: &[Vec<u8>],
    now: &str,
    reason: &str,
) -> Result<ApprovedPlan, String> {
    let approvals = desk.approvals(envelopes, now);
    let plan = desk.plan.clone();
    approve_at_night(plan, &desk.findings, &desk.confirmation(), &approvals, reason)
        .map_err(|error| error.to_string())
}

fn rollback_desk() -> Desk {
    Desk::new(&rollback(None), &fleet("night"))
}

#[test]
fn a_rollback_at_night_starts_with_a_reason_and_a_review_that_is_due() {
    let desk = rollback_desk();
    let approved = at_night(&desk, NIGHT, " denies everything \n").expect("the rule allows it");
    let review = approved.review().expect("it is due");
    assert_eq!(review.reason, "denies everything");
    assert_eq!(review.due_at, at("2026-03-02T23:10:00Z"));
    assert_eq!(approved.consent(), None);
}

#[test]
fn at_night_whoever_asks_has_signed_the_request() {
    let why = "denies everything";
    let unsigned = "whoever asks for it has not signed the request";
    let desk = rollback_desk();
    let refused = |envelopes: &[Vec<u8>], now: &str| {
        assert_eq!(at_night_with(&desk, envelopes, now, why), Err(unsigned.to_owned()));
    };
    refused(&[], NIGHT);
    // Another person, a role that the roster does not give, a key that is not of the person.
    refused(&[night_request(&desk, "tove", "operations", NIGHT)], NIGHT);
    refused(&[night_request(&desk, "rick", "platform-security", NIGHT)], NIGHT);
    // Approvals are no request, another plan's request is none, and one expires.
    refused(&desk.all()[1..], NIGHT);
    let other = Desk { company: Company::new(), ..rollback_desk() };
    refused(&[asked_at_night(&other, NIGHT)], NIGHT);
    refused(&[asked_at_night(&desk, NIGHT)], "2026-03-02T00:20:00Z");
    let mut elsewhere = desk.company.draft("payments-us", "rick", "operations", Act::Request);
    elsewhere.issued_at = at(NIGHT);
    elsewhere.expires_at = at(NIGHT) + jiff::SignedDuration::from_hours(1);
    refused(&[desk.company.signed(elsewhere, "rick")], NIGHT);
    // What a person refused does not start either.
    let no = desk.signed("noor", "storage", Act::Refuse { reason: "look first".to_owned() });
    let both = [asked_at_night(&desk, NIGHT), no];
    let said = at_night_with(&desk, &both, NIGHT, why).expect_err("somebody said no");
    assert_eq!(said, "noor refused: look first");
    // Once used, it starts no other run.
    let mut desk = rollback_desk();
    let asked = [asked_at_night(&desk, NIGHT)];
    let approved = at_night_with(&desk, &asked, NIGHT, why).expect("it is signed");
    desk.spent.clone_from(approved.spends());
    assert_eq!(desk.spent.len(), 1);
    assert_eq!(at_night_with(&desk, &asked, NIGHT, why), Err(unsigned.to_owned()));
}

#[test]
fn at_night_nothing_else_starts_without_approvals() {
    let refused = |desk: &Desk, now: &str, reason: &str, expected: &str| {
        let shown = at_night(desk, now, reason).expect_err(expected);
        assert!(shown.contains(expected), "{shown} is not {expected}");
    };
    let why = "denies everything";
    let desk = rollback_desk();
    refused(&desk, NOW, why, "it is outside the hours of the rule");
    refused(&desk, NIGHT, " ", "say why");
    refused(&desk, NIGHT, &"x".repeat(2_001), "say why");
    let last = "only a rollback to last-known-good may";
    refused(&Desk::sync(), NIGHT, why, last);
    refused(&Desk::new(&rollback(Some("2.0.0")), &fleet("named")), NIGHT, why, last);
    refused(&desk, "2027-03-01T23:10:00Z", why, "the roster expired");
    let mut other = rollback_desk();
    other.plan.consent.as_mut().expect("terms").roster_version = 2;
    refused(&other, NIGHT, why, "the plan was made without it");
    let mut fatal = rollback_desk();
    fatal.findings =
        vec![Finding { severity: Severity::Fatal, ..warning(FindingCode::BundleMissing) }];
    refused(&fatal, NIGHT, why, "a finding forbids it");
    // A rule without such hours.
    let company = Company::new().with(|roster| {
        let production = roster.environments.get_mut("production").expect("production");
        production.rule.night_rollback = None;
    });
    let mut day = rollback_desk();
    day.roster = company.roster();
    day.plan.consent = ConsentTerms::of(&day.roster, &day.plan.fleet, person("rick"));
    refused(&day, NIGHT, why, "the rule has no such hours");
    // The phrase is typed at night too.
    let desk = rollback_desk();
    let untyped = Confirmation { typed: None, ..desk.confirmation() };
    let approvals = desk.approvals(&[], NIGHT);
    let refused = approve_at_night(desk.plan.clone(), &[], &untyped, &approvals, why);
    assert!(matches!(refused, Err(ApprovalError::Phrase { .. })));
}

#[test]
fn a_request_travels_as_a_file_and_is_read_strictly() {
    let desk = Desk::sync();
    let window = desk.company.draft(EU, "rick", "operations", Act::Request).window;
    let (plan, evidence) = (desk.plan.clone(), desk.evidence.clone());
    let findings = vec![warning(FindingCode::OldSnapshot)];
    let mut request = ApprovalRequest::unsigned(plan, findings, evidence, window, at(NOW));
    request.report = Some("report".to_owned());
    let text = String::from_utf8(request.to_bytes()).expect("JSON");
    let read = ApprovalRequest::read(text.as_bytes()).expect("it reads back");
    assert_eq!((&read, read.hash()), (&request, desk.plan.hash()));
    assert_eq!(read.bound(), consent::bound(&desk.plan, &desk.evidence));
    let refused =
        |text: String| ApprovalRequest::read(text.as_bytes()).expect_err("no").to_string();
    let unknown = text.replacen('{', "{\"note\": 1,", 1);
    assert_eq!(refused(unknown), "not a request for approval");
    let newer = text.replacen("\"format\": 2", "\"format\": 3", 1);
    assert!(refused(newer).starts_with("a request of format 3"));
    let other = text.replace("\"report\": \"report\"", "\"report\": \"another\"");
    assert_eq!(refused(other), "its dry run is not the one it names");
    request.plan.consent = None;
    let without = String::from_utf8(request.to_bytes()).expect("JSON");
    assert_eq!(refused(without), "its plan takes no approvals");
}
