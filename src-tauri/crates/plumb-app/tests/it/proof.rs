//! What stands beside a plan by the word of a roster: freeze windows, readiness, and certificates of staging.

use camino::Utf8Path;
use plumb_app::{
    App, AppOptions,
    actions::readiness::Attesting,
    error::Code,
    views::{
        plan::{ActionKind, ActionRequest, NodeSelection, PlanView, SeverityView},
        readiness::{ChecklistItemView, ChecklistState},
        rollout::RunOrder,
        run::RunPhase,
    },
};
use serde_json::json;

use crate::{
    certificates::{Ahead, public_key},
    company::{Company, console_of_rick, in_minutes},
    rollouts::{sync_in_waves, until},
    runs::carried_out,
    world::{World, sync_drifted},
};

const TWO: [(&str, &str); 2] = [("gw-1", "v1.signed.json"), ("gw-2", "v1.signed.json")];

async fn planned(app: &App, kind: ActionKind) -> PlanView {
    app.sweep("eu").await.expect("a sweep");
    let request = ActionRequest::new(kind, NodeSelection::All);
    app.prepare_plan("eu", &request).await.expect("a plan")
}

fn found<'a>(plan: &'a PlanView, code: &str) -> Vec<(SeverityView, &'a str)> {
    let of = plan.findings.iter().filter(|finding| finding.code == code);
    of.map(|finding| (finding.severity, finding.message.as_str())).collect()
}

#[tokio::test]
async fn nothing_but_a_way_back_starts_inside_a_freeze_window() {
    let world = World::start(&TWO).await;
    let app = console_of_rick(&world).await;
    let (from, until) = (in_minutes(-10), in_minutes(50));
    let window = json!([{ "from": from, "until": until, "reason": "quarter close" }]);
    let mut company = Company::found(&world, &app, |roster| {
        roster["environments"]["careful"]["freeze"] = window;
    })
    .await;
    let plan = planned(&app, ActionKind::Sync).await;
    let frozen = found(&plan, "freeze_window");
    assert_eq!(frozen.len(), 1, "{plan:?}");
    assert_eq!(frozen[0].0, SeverityView::Fatal);
    assert!(frozen[0].1.contains(&until) && frozen[0].1.contains("quarter close"), "{frozen:?}");
    assert!(!plan.startable);
    let error = app.start_run("eu", &plan.hash, None).await.expect_err("frozen");
    assert!(error.message.contains("nothing may be changed now"), "{error:?}");

    // A window to come is in the bytes of a rollout, so that a run waits for its end.
    let later = json!([{ "from": in_minutes(60), "until": in_minutes(90), "reason": "payday" }]);
    company.amend(&app, |roster| roster["environments"]["careful"]["freeze"] = later).await;
    let plan = planned(&app, ActionKind::Sync).await;
    assert_eq!(found(&plan, "freeze_window")[0].0, SeverityView::Note);
    company.agree(&app, &plan.hash).await;
    let run = app.start_run("eu", &plan.hash, None).await.expect("outside of it");
    app.finished(&run.id).await.expect("a run");
    let now = json!([{ "from": in_minutes(-1), "until": in_minutes(90), "reason": "payday" }]);
    company.amend(&app, |roster| roster["environments"]["careful"]["freeze"] = now).await;
    let back = planned(&app, ActionKind::Rollback).await;
    assert_eq!(found(&back, "freeze_window")[0].0, SeverityView::Note, "a way back is open");
    assert!(back.startable, "{back:?}");
    app.close().await;
}

#[tokio::test]
async fn what_the_roster_requires_is_shown_and_bound_and_taken_back() {
    let world = World::start(&TWO).await;
    let app = console_of_rick(&world).await;
    let company = Company::found(&world, &app, |roster| {
        roster["environments"]["careful"]["readiness"] = json!({
            "alerts_routed": {},
            "runbook_signed": { "by": ["platform-security"] },
        });
    })
    .await;
    let plan = planned(&app, ActionKind::Sync).await;
    let open = found(&plan, "checklist_open");
    assert_eq!(open.len(), 2, "{plan:?}");
    assert!(open.iter().all(|(severity, _)| *severity == SeverityView::Fatal));

    let bad = app.link_readiness("eu", "alerts-routed", "javascript:alert(1)").await;
    assert_eq!(bad.expect_err("no link").code, Code::Invalid);
    let unknown = app.link_readiness("eu", "weather", "https://oncall.example").await;
    assert!(unknown.expect_err("no item").hint.contains("runbook_signed"));
    app.link_readiness("eu", "alerts-routed", "https://oncall.example/rota").await.expect("added");
    let link =
        app.link_readiness("eu", "runbook_signed", "https://wiki.example").await.expect("added");
    let runbook = link.items.iter().find(|item| item.item == "runbook_signed").expect("there");
    assert_eq!(runbook.state, ChecklistState::Refused);
    assert!(runbook.why.as_deref().is_some_and(|why| why.contains("platform-security")));
    let attesting = |who: &str| Attesting {
        item: "runbook_signed".to_owned(),
        seen: "https://wiki.example at revision 41".to_owned(),
        role: None,
        valid_days: 30,
        key: company.key(who),
    };
    let of_mara = app.attest_readiness("eu", &attesting("mara")).await.expect("signed");
    let refused = app.add_readiness("eu", &of_mara).await.expect("kept, and does not count");
    assert_eq!(refused.open, 1);
    let of_piet = app.attest_readiness("eu", &attesting("piet")).await.expect("signed");
    let ready = app.add_readiness("eu", &of_piet).await.expect("added");
    assert_eq!(ready.open, 0, "{ready:?}");
    let mut changed = of_piet.clone();
    let at = changed.len() / 2;
    changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
    app.add_readiness("eu", &changed).await.expect_err("nobody signed that");

    let plan = planned(&app, ActionKind::Sync).await;
    assert_eq!(found(&plan, "checklist_open"), []);
    let (request, signed) = company.ask(&app, &plan.hash).await;
    assert_eq!(signed.request.readiness.len(), 2, "{signed:?}");
    for who in ["mara", "piet"] {
        company.approve(&app, &request, who).await;
    }
    // Another evidence voids what was signed for the one before, and says so.
    app.link_readiness("eu", "alerts_routed", "https://oncall.example/other").await.expect("added");
    let standing = app.approvals_of(&plan.hash).await.expect("they stand somehow");
    assert!(!standing.consented);
    assert_eq!(standing.void.len(), 3, "{standing:?}");
    assert!(standing.void[0].reason.contains("readiness was alerts_routed "), "{standing:?}");
    app.link_readiness("eu", "alerts_routed", "https://oncall.example/rota").await.expect("added");
    assert!(app.approvals_of(&plan.hash).await.expect("they stand").consented, "as it was signed");
    app.withdraw_readiness("eu", "runbook_signed").await.expect("taken back");
    let error = app.start_run("eu", &plan.hash, None).await.expect_err("not shown");
    assert!(error.message.contains("a runbook signed by Security"), "{error:?}");
    app.add_readiness("eu", &of_piet).await.expect("added");
    let run = app.start_run("eu", &plan.hash, None).await.expect("as it was signed");
    assert_eq!(app.finished(&run.id).await.expect("a run").arrived, 2);
    app.close().await;
}

/// How the run on staging ends of which a certificate is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Proves {
    Arrival,
    WayBack,
}

/// What a console of staging left: its nodes, and a green certificate of them as a file.
async fn staging(proves: Proves) -> World {
    let world = World::start(&TWO).await;
    let text = std::fs::read_to_string(world.path("fleet.toml")).expect("the fleet file");
    let text = text.replace("name = \"eu\"", "name = \"staging\"");
    std::fs::write(world.path("fleet.toml"), text).expect("written");
    let ahead = Ahead::default();
    let options = AppOptions { clock: ahead.clock(), ..world.options() };
    let app = App::open(options).await.expect("the files open");
    app.add_fleet(world.path("fleet.toml").as_str()).await.expect("the fleet opens");
    app.sweep("staging").await.expect("a sweep");
    let run = match proves {
        Proves::Arrival => {
            let plan = app.prepare_plan("staging", &sync_drifted()).await.expect("a plan");
            carried_out(&app, &plan).await.id
        }
        Proves::WayBack => {
            let waves = sync_in_waves(Some("refunds are answered"));
            let plan = app.prepare_plan("staging", &waves).await.expect("a plan");
            let run = app.start_run("staging", &plan.hash, None).await.expect("a run");
            until(&app, &run.id, |run| run.phase == RunPhase::AtGate).await;
            let back = RunOrder::RollBack { reason: "refunds are refused".to_owned() };
            app.order_run(&run.id, &back).await.expect("an order");
            let run = app.finished(&run.id).await.expect("a run");
            assert_eq!(run.phase, RunPhase::RolledBack, "{run:?}");
            run.id
        }
    };
    ahead.by(31);
    let certificate = app.certificate(&run, false).await.expect("a certificate");
    assert!(certificate.green, "{certificate:?}");
    app.export_certificate(&run, &world.path("certificate.json")).await.expect("written");
    app.close().await;
    world
}

#[tokio::test]
async fn a_certificate_of_another_console_opens_the_way_once_its_key_is_trusted() {
    let (there, key) = (staging(Proves::Arrival).await, public_key());
    let certificate = std::fs::read(there.path("certificate.json")).expect("a certificate");
    let name = Utf8Path::new("staging.json");
    let world = World::start(&TWO).await;
    // Both offer the same contents, as staging and production do.
    assert_eq!(there.content("v2.signed.json"), world.content("v2.signed.json"));
    let app = console_of_rick(&world).await;
    let mut company = Company::found(&world, &app, |roster| {
        roster["fleets"]["staging"] = json!("proving");
        roster["environments"]["proving"] =
            json!({ "rule": { "quorums": [], "valid_h_max": 8, "dry_run": false } });
        roster["environments"]["careful"]["staging_fleet"] = json!("staging");
    })
    .await;
    let plan = planned(&app, ActionKind::Sync).await;
    assert_eq!(found(&plan, "not_promoted").len(), 1, "{plan:?}");

    let stranger = app.import_certificate(name, &certificate, &[]).await.expect_err("whose key?");
    assert!(stranger.hint.contains("--key PEM"), "{stranger:?}");
    let taken = app
        .import_certificate(name, &certificate, std::slice::from_ref(&key))
        .await
        .expect("taken in");
    assert!(taken.green);
    let from = taken.imported.expect("it says where it came from");
    assert_eq!(from.file, "staging.json");
    let listed = app.certificates("staging").await.expect("certificates");
    assert_eq!((listed.certificates.len(), listed.trusted.len()), (1, 1));
    assert!(listed.certificates[0].imported.is_some());
    let again = app.import_certificate(name, &certificate, &[]).await;
    again.expect("the key is trusted from then on");
    let plan = planned(&app, ActionKind::Sync).await;
    assert_eq!(found(&plan, "not_promoted"), [], "what staging proved may come here");

    let none = app.distrust_console("staging", &listed.trusted[0]).await.expect("taken back");
    assert!(none.certificates.is_empty() && none.trusted.is_empty(), "{none:?}");
    let plan = planned(&app, ActionKind::Sync).await;
    assert_eq!(found(&plan, "not_promoted").len(), 1);

    // Where the roster names consoles, nobody here adds another.
    let other = company.root.clone();
    company
        .amend(&app, |roster| {
            roster["environments"]["careful"]["consoles"] = json!([String::from(other)]);
        })
        .await;
    let refused = app.import_certificate(name, &certificate, std::slice::from_ref(&key)).await;
    assert!(refused.expect_err("not named").hint.contains("roster"), "only those it names");
    let named = plumb_app::console_key::public_key(&key).expect("a key");
    company
        .amend(&app, |roster| {
            roster["environments"]["careful"]["consoles"] = json!([String::from(named)]);
        })
        .await;
    app.import_certificate(name, &certificate, &[]).await.expect("the roster trusts it");
    let plan = planned(&app, ActionKind::Sync).await;
    assert_eq!(found(&plan, "not_promoted"), []);
    app.close().await;
}

/// R212: the checklist asks for a rollback that staging went through, and takes nothing else for it.
#[tokio::test]
async fn a_certificate_of_a_rollback_on_staging_is_linked_and_bound() {
    let world = World::start(&TWO).await;
    let app = console_of_rick(&world).await;
    let company = Company::found(&world, &app, |roster| {
        roster["fleets"]["staging"] = json!("proving");
        roster["environments"]["proving"] =
            json!({ "rule": { "quorums": [], "valid_h_max": 8, "dry_run": false } });
        roster["environments"]["careful"]["staging_fleet"] = json!("staging");
        roster["environments"]["careful"]["readiness"] = json!({ "staging_rollback": {} });
    })
    .await;
    let mut digests = Vec::new();
    for proves in [Proves::Arrival, Proves::WayBack] {
        let there = staging(proves).await;
        let file = std::fs::read(there.path("certificate.json")).expect("a certificate");
        let name = Utf8Path::new("staging.json");
        let taken = app.import_certificate(name, &file, &[public_key()]).await.expect("taken in");
        assert!(taken.green, "{taken:?}");
        digests.push(taken.digest);
    }
    let [arrival, way_back] = <[String; 2]>::try_from(digests).expect("two");
    let open = planned(&app, ActionKind::Restart).await;
    assert_eq!(found(&open, "checklist_open")[0].0, SeverityView::Fatal, "{open:?}");

    let item = async |digest: &str| -> ChecklistItemView {
        let list = app.certify_readiness("eu", "staging-rollback", None, digest).await;
        let items = list.expect("it is known here").items.into_iter();
        items.into_iter().find(|item| item.item == "staging_rollback").expect("there")
    };
    let wrong = item(&arrival).await;
    assert_eq!(wrong.state, ChecklistState::Refused);
    assert!(
        wrong.why.as_deref().is_some_and(|why| why.contains("it was not rolled back")),
        "{wrong:?}"
    );
    let right = item(&way_back).await;
    assert_eq!((right.state, right.digest.as_ref()), (ChecklistState::Shown, Some(&way_back)));
    let unknown = app.certify_readiness("eu", "staging-rollback", None, &"0".repeat(64)).await;
    assert_eq!(unknown.expect_err("nobody has it").code, Code::NotFound);

    let plan = planned(&app, ActionKind::Restart).await;
    assert_eq!(found(&plan, "checklist_open"), []);
    let (request, signed) = company.ask(&app, &plan.hash).await;
    let bound: Vec<&String> =
        signed.request.readiness.iter().filter(|line| line.contains(&way_back)).collect();
    assert!(bound.len() == 1 && bound[0].starts_with("staging_rollback"), "{signed:?}");
    // It stands in the bytes that were signed.
    let request_file: serde_json::Value = serde_json::from_slice(&request).expect("JSON");
    assert_eq!(request_file["evidence"]["readiness"]["staging_rollback"], way_back);
    for who in ["mara", "piet"] {
        company.approve(&app, &request, who).await;
    }
    item(&arrival).await;
    let standing = app.approvals_of(&plan.hash).await.expect("they stand somehow");
    assert_eq!((standing.consented, standing.void.len()), (false, 3), "{standing:?}");
    assert!(standing.void[0].reason.contains("readiness was staging_rollback "), "{standing:?}");
    item(&way_back).await;
    assert!(app.approvals_of(&plan.hash).await.expect("they stand").consented, "as it was signed");
    app.close().await;
}
