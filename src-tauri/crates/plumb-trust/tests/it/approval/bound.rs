//! Each thing an approval binds, changed alone: the approval is void and says what changed.

use std::collections::{BTreeMap, BTreeSet};

use plumb_fleet::{BundleDigest, Digest, NodeId, PlanHash};
use plumb_trust::{
    approval::{
        Act, ApprovalRefusal, Bound, BoundField, Nonce, NonceError, Standing, judge, targets,
        verify_approval,
    },
    roster::RosterRef,
};

use super::{Company, NOW, at, finding, fleet, line, person};
use crate::seeded;

const EU: &str = "payments-eu";

fn other() -> Digest {
    Digest::of(b"something else")
}

type Change = fn(&mut Bound);

/// Every field of what is bound; the compiler asks for a new one below.
const CHANGES: [(BoundField, Change); 14] = [
    (BoundField::Plan, |bound| bound.plan = PlanHash(other())),
    (BoundField::Bundles, |bound| bound.bundles = BTreeSet::from([BundleDigest(other())])),
    (BoundField::Bundles, |bound| bound.bundles.clear()),
    (BoundField::Bundles, |bound| {
        bound.bundles.insert(BundleDigest(other()));
    }),
    (BoundField::Fleet, |bound| bound.fleet = fleet("payments-us")),
    (BoundField::Environment, |bound| "two-of-three".clone_into(&mut bound.environment)),
    (BoundField::Targets, |bound| {
        bound.targets = targets(&[NodeId::new("gw-1").expect("a name")]);
    }),
    (BoundField::DryRun, |bound| bound.dry_run = Some(other())),
    (BoundField::DryRun, |bound| bound.dry_run = None),
    (BoundField::Decisions, |bound| bound.decisions = Some(other())),
    (BoundField::Decisions, |bound| bound.decisions = None),
    (BoundField::Readiness, |bound| {
        bound.readiness.insert("alerts".to_owned(), other());
    }),
    (BoundField::Roster, |bound| bound.roster = RosterRef { version: 4, ..bound.roster }),
    (BoundField::Requester, |bound| bound.requester = person("tove")),
];

#[test]
fn each_thing_that_is_bound_voids_the_approval_when_it_changes() {
    let company = Company::new();
    let roster = company.roster();
    let approval = company.approval(EU, "mara", "storage");
    let expected = company.expected(EU);
    verify_approval(&approval, &roster, &expected, at(NOW)).expect("nothing changed");
    let mut seen = BTreeSet::new();
    for (field, change) in CHANGES {
        // Changed after it was signed.
        let mut changed = expected.clone();
        change(&mut changed.bound);
        let refusal = verify_approval(&approval, &roster, &changed, at(NOW)).expect_err("changed");
        let ApprovalRefusal::Changed { differences } = refusal else { panic!("{refusal}") };
        let fields: Vec<BoundField> = differences.iter().map(|one| one.field).collect();
        assert_eq!(fields, [field]);
        assert_ne!(differences[0].signed, differences[0].now);
        seen.insert(field);
        // Signed for something else from the start.
        let mut draft = company.draft(EU, "mara", "storage", Act::Approve);
        change(&mut draft.bound);
        let approval = company.signed(draft, "mara");
        let refusal = verify_approval(&approval, &roster, &expected, at(NOW));
        assert_eq!(refusal.expect_err("another").name(), "changed", "{field:?}");
    }
    let Bound {
        plan: _,
        bundles: _,
        fleet: _,
        environment: _,
        roster: _,
        requester: _,
        targets: _,
        dry_run: _,
        decisions: _,
        readiness: _,
    } = expected.bound;
    assert_eq!(seen.len(), 10, "every field has a change");
}

#[test]
fn what_changed_is_told_in_one_line() {
    let company = Company::new();
    let mut expected = company.expected(EU);
    expected.bound.targets = targets(&[NodeId::new("gw-3").expect("a name")]);
    expected.bound.readiness = BTreeMap::new();
    let approval = company.approval(EU, "mara", "storage");
    let refusal = verify_approval(&approval, &company.roster(), &expected, at(NOW));
    let signed = company.bound(EU);
    assert_eq!(
        refusal.expect_err("changed").to_string(),
        format!(
            "it was given for something else: targets was 2 nodes ({}), is 1 nodes ({}); \
             readiness was alerts {}, is none",
            signed.targets.digest.short(),
            expected.bound.targets.digest.short(),
            Digest::of(b"routed").short(),
        )
    );
}

#[test]
fn the_set_of_targets_is_what_is_bound_not_their_order() {
    let [one, two, three] = ["gw-1", "gw-2", "gw-3"].map(|name| NodeId::new(name).expect("a name"));
    assert_eq!(targets(&[one.clone(), two.clone()]), targets(&[two.clone(), one.clone()]));
    assert_eq!(targets(&[one.clone(), one.clone()]), targets([&one]));
    assert_ne!(targets(&[one.clone(), two]), targets(&[one.clone(), three]));
    assert_eq!(targets(&[one]).digest, Digest::of(b"gw-1\n"));
}

#[test]
fn a_plan_for_another_roster_is_judged_by_no_rule() {
    let company = Company::new();
    let envelopes = [company.request(EU), company.approval(EU, "mara", "storage")];
    let newer = Company { document: company.document.clone(), ..Company::new() }
        .with(|roster| roster.version = 4);
    let newer = Company { roots: company.roots, keys: company.keys, document: newer.document };
    let expected = |company: &Company, version: u32| {
        let mut expected = company.expected(EU);
        expected.bound.roster.version = version;
        expected
    };
    let judged = judge(&envelopes, &newer.roster(), &expected(&newer, 3), at(NOW));
    assert!(matches!(judged.standing, Standing::OtherRule { .. }), "{:?}", judged.standing);
    assert_eq!(judged.voided.len(), envelopes.len());
    for (name, change) in [
        ("fleet", (|bound: &mut Bound| bound.fleet = fleet("unheard-of")) as Change),
        ("environment", |bound| "staging".clone_into(&mut bound.environment)),
    ] {
        let mut expected = newer.expected(EU);
        change(&mut expected.bound);
        let judged = judge(&envelopes, &newer.roster(), &expected, at(NOW));
        assert!(line(&judged.standing).starts_with(&format!("other rule: {name} was ")), "{name}");
    }
}

#[test]
fn every_warning_is_acknowledged_by_everybody_who_approves() {
    let company = Company::new();
    let warnings = [finding("no_answer", Some("gw-1")), finding("old_snapshot", None)];
    let mut expected = company.expected(EU);
    expected.warnings = BTreeSet::from(warnings.clone());
    let signed = |seen: &[usize]| {
        let mut draft = company.draft(EU, "mara", "storage", Act::Approve);
        draft.acknowledged = seen.iter().map(|index| warnings[*index].clone()).collect();
        draft.acknowledged.insert(finding("large_bundle", None));
        company.signed(draft, "mara")
    };
    let check = |seen: &[usize]| {
        let verified = verify_approval(&signed(seen), &company.roster(), &expected, at(NOW));
        verified.map(|_| ()).map_err(|refusal| refusal.to_string())
    };
    assert_eq!(check(&[0, 1]), Ok(()));
    let missing = |count: u32, first: &str| {
        Err(format!("{count} findings are not acknowledged in it, the first: {first}"))
    };
    assert_eq!(check(&[1]), missing(1, "no_answer of gw-1"));
    assert_eq!(check(&[0]), missing(1, "old_snapshot"));
    assert_eq!(check(&[]), missing(2, "no_answer of gw-1"));
    // Another node with the same finding is another finding.
    expected.warnings = BTreeSet::from([finding("no_answer", Some("gw-2"))]);
    let refusal = verify_approval(&signed(&[0, 1]), &company.roster(), &expected, at(NOW));
    assert_eq!(refusal.expect_err("gw-2").name(), "unacknowledged");
    // A refusal needs no acknowledgement.
    let no = company.act(EU, "mara", "storage", Act::Refuse { reason: "no".to_owned() });
    verify_approval(&no, &company.roster(), &expected, at(NOW)).expect("a refusal");
}

#[test]
fn a_nonce_is_spent_once() {
    let company = Company::new();
    let approval = company.approval(EU, "mara", "storage");
    let mut expected = company.expected(EU);
    let roster = company.roster();
    let verified = verify_approval(&approval, &roster, &expected, at(NOW)).expect("fresh");
    expected.spent.insert(verified.document().nonce);
    let refusal = verify_approval(&approval, &roster, &expected, at(NOW));
    assert_eq!(refusal, Err(ApprovalRefusal::Replayed));
    // Two statements with one nonce are no two consents.
    let company = Company::new();
    let draft = |who: &str, role: &str| {
        let draft = company.draft("payments-us", who, role, Act::Approve);
        let statement = draft.statement(&mut seeded(7)).expect("a draft");
        plumb_trust::dsse::Envelope::sign(&statement, &[&company.keys[who]]).expect("signed")
    };
    let both = [
        company.request("payments-us"),
        draft("mara", "storage").to_bytes(),
        draft("noor", "storage").to_bytes(),
    ];
    let judged = company.judged("payments-us", &both);
    assert_eq!(judged.voided.len(), 1);
    assert_eq!(judged.voided[0].refusal, ApprovalRefusal::Replayed);
    assert_eq!("00ff".parse::<Nonce>(), Err(NonceError));
}

#[test]
fn a_rule_may_ask_for_a_dry_run() {
    let company = Company::new().with(|roster| {
        let two = roster.environments.get_mut("two-of-three").expect("an environment");
        two.rule.dry_run = true;
    });
    let on = "payments-us";
    let with = |dry_run: Option<Digest>| {
        let mut expected = company.expected(on);
        expected.bound.dry_run = dry_run;
        let signed = |who: &str, role: &str, act: Act| {
            let mut draft = company.draft(on, who, role, act);
            draft.bound.dry_run = dry_run;
            company.signed(draft, who)
        };
        let envelopes = [
            signed("rick", "operations", Act::Request),
            signed("mara", "storage", Act::Approve),
            signed("piet", "platform-security", Act::Approve),
        ];
        judge(&envelopes, &company.roster(), &expected, at(NOW))
    };
    assert_eq!(line(&with(Some(other())).standing), "consented: mara, piet");
    let without = with(None);
    assert_eq!(without.voided.len(), 2);
    assert!(without.voided.iter().all(|one| one.refusal == ApprovalRefusal::NoDryRun));
}
