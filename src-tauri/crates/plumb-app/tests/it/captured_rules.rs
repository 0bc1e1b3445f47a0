//! What a fleet was ruled by, over evidence as it was at each moment: refused content, dry runs, readiness.

use plumb_app::{
    App,
    console::{Console, Named},
    queries::evidence::{diff_evidence, evidence_trust_of, verify_evidence},
    views::{
        evidence::{CaptureAsked, EvidenceResult},
        plan::{ActionKind, ActionRequest, NodeSelection, PlanView},
        readiness::ChecklistState,
        refused::RefusedView,
        runbook::{RunbookRunPage, RunbookWord},
    },
};

use crate::{
    company::{Company, console_of_rick},
    opened::reviewer,
    refused::Ruled,
    runbooks,
    runs::carried_out,
    world::{World, sealed_evidence},
};

const TWO: [(&str, &str); 2] = [("gw-1", "v1.signed.json"), ("gw-2", "v1.signed.json")];

async fn planned(app: &App, node: &str) -> PlanView {
    app.sweep("eu").await.expect("a sweep");
    let nodes = NodeSelection::Filter { filter: node.to_owned() };
    let request = ActionRequest::new(ActionKind::Sync, nodes);
    app.prepare_plan("eu", &request).await.expect("a plan")
}

async fn opened(world: &World, app: &App, run: Option<&str>) -> Console {
    let path = sealed_evidence(world, app, run, false).await;
    let console = reviewer(world).await;
    let opened = console.open_evidence(&path, &Named::default()).await.expect("opened");
    assert_eq!(opened.refused, None, "{opened:?}");
    console
}

/// Looks at the moment of the last event of a run.
async fn at_the_end_of(front: &App, run: &str) {
    let steps = front.evidence_steps();
    let of_run = |step: &plumb_app::views::evidence::EvidenceStep| step.run.as_deref() == Some(run);
    let last = steps.iter().rposition(of_run).expect("a moment of it");
    front.show_evidence_step(u32::try_from(last).expect("few")).await.expect("a moment");
}

/// Version of the list, who signed it, what is refused and whether by the list, and how much was signed clean.
type Told<'a> = (Option<u32>, Vec<&'a str>, Vec<(&'a str, bool)>, usize);

fn told(view: &RefusedView) -> Told<'_> {
    let signers = view.signed_by.iter().map(String::as_str).collect();
    let refused = view.refused.iter().map(|one| (one.content.as_str(), one.signed)).collect();
    (view.version, signers, refused, view.cleared.len())
}

#[tokio::test]
async fn what_is_refused_is_shown_as_it_was_at_each_moment() {
    let ruled = Ruled::without_consent(None);
    let world = World::start_ruled(&TWO, &ruled.company.envelope(), false).await;
    let app = ruled.app(&world).await;
    let bad = world.content("v2-other.signed.json");
    let other = world.content("v1.signed.json");
    let first = carried_out(&app, &planned(&app, "gw-1").await).await.id;
    let tove = ruled.key(&world, "tove");
    app.refuse_content("eu", Some((&bad, "denies refunds")), Some(&tove)).await.expect("signed");
    app.refuse_content("eu", Some((&other, "old")), None).await.expect("here");
    let second = carried_out(&app, &planned(&app, "gw-2").await).await.id;
    let mara = ruled.key(&world, "mara");
    let (clearing, _) = app.clear_content("eu", &bad, "mended", &mara).await.expect("cleared");
    assert_eq!(clearing.missing, None);
    let live = app.refused("eu").await.expect("a view");

    let console = opened(&world, &app, None).await;
    let front = console.front();
    let shown = async || front.refused("eu").await.expect("a view");
    assert_eq!(told(&shown().await), told(&live), "as it was captured");
    assert_eq!((live.refused.len(), live.cleared.len(), live.version), (1, 1, Some(2)));
    at_the_end_of(&front, &first).await;
    assert_eq!(told(&shown().await), (None, vec![], vec![], 0));
    at_the_end_of(&front, &second).await;
    let then = shown().await;
    let both = vec![(bad.as_str(), true), (other.as_str(), false)];
    assert_eq!(told(&then), (Some(1), vec!["tove"], both, 0));
    assert_eq!(then.refused[0].reason, "denies refunds");
    console.close().await;
    app.close().await;
}

#[tokio::test]
async fn a_dry_run_and_what_was_ready_are_shown_from_the_moment_they_were_known() {
    let ruled = Ruled::without_consent(None);
    let world = World::start_ruled(&TWO, &ruled.company.envelope(), false).await;
    let app = ruled.app(&world).await;
    let first = carried_out(&app, &planned(&app, "gw-1").await).await.id;
    let url = "https://wiki.example/runbook";
    app.link_readiness("eu", "alerts_routed", url).await.expect("added");
    let plan = planned(&app, "gw-2").await;
    app.dry_run(&plan.hash).await.expect("a dry run");
    let found = app.newest_dry_run(&plan.hash).await.expect("looked").expect("it is kept");
    let second = carried_out(&app, &plan).await.id;

    let console = opened(&world, &app, None).await;
    let front = console.front();
    let link = async || {
        let list = front.readiness_checklist("eu").await.expect("a checklist");
        let item = list.items.into_iter().find(|one| one.item == "alerts_routed").expect("an item");
        (item.state == ChecklistState::Shown, item.evidence)
    };
    at_the_end_of(&front, &second).await;
    let shown = front.newest_dry_run(&plan.hash).await.expect("looked").expect("it is there");
    assert_eq!((&shown.digest, &shown.nodes), (&found.digest, &found.nodes));
    assert_eq!(shown.at_ms, found.at_ms);
    assert_eq!(link().await, (true, Some(url.to_owned())));
    at_the_end_of(&front, &first).await;
    assert_eq!(link().await, (false, None));
    console.close().await;
    app.close().await;
}

#[tokio::test]
async fn whoever_approved_under_an_earlier_roster_is_judged_by_that_one() {
    let world = World::start(&TWO).await;
    let app = console_of_rick(&world).await;
    let mut company = Company::found(&world, &app, |_| {}).await;
    app.sweep("eu").await.expect("a sweep");
    let request = ActionRequest::new(ActionKind::Sync, NodeSelection::All);
    let plan = app.prepare_plan("eu", &request).await.expect("a plan").hash;
    company.agree(&app, &plan).await;
    let run = app.start_run("eu", &plan, None).await.expect("everybody consented").id;
    app.finished(&run).await.expect("a run");
    // Mara leaves, and nothing that she signs from now on counts.
    company
        .amend(&app, |draft| {
            draft["people"].as_object_mut().expect("people").remove("mara");
            draft["environments"]["careful"]["rule"]["quorums"] =
                serde_json::json!([{ "count": 1, "of": ["platform-security"] }]);
        })
        .await;
    let path = sealed_evidence(&world, &app, Some(&run), false).await;
    let roots = [company.root.to_pem()];
    let trust = evidence_trust_of(&[], &roots, Vec::new()).expect("a root key");
    let verdict = verify_evidence(&path, trust).await.expect("read");
    let check = |name: &str| verdict.checks.iter().find(|one| one.name == name).expect("a check");
    let plan = check("plan");
    assert_eq!(plan.result, EvidenceResult::Passed, "{plan:?}");
    assert!(plan.detail.contains("mara (approve, by roster 1)"), "{plan:?}");
    assert!(plan.detail.contains("piet (approve)"), "{plan:?}");

    let console = reviewer(&world).await;
    let opened = console.open_evidence(&path, &Named::default()).await.expect("opened");
    assert_eq!(opened.refused, None, "{opened:?}");
    console.front().run(&run).await.expect("the run is shown");
    console.close().await;
    app.close().await;
}

#[tokio::test]
async fn two_archives_of_a_runbook_differ_by_its_steps_and_by_what_was_decided() {
    let (world, app) = runbooks::world().await;
    let run = runbooks::begun(&app, &runbooks::asked("odd.md")).await;
    runbooks::until(&app, &run, runbooks::waits_at("seen")).await;
    let captured = async |name: &str| {
        let path = world.path(name);
        let run = Some(run.clone());
        let asked = CaptureAsked { run, last_s: None, filter: None, ask: false };
        let sealed = app.capture_here("eu", &asked, Vec::new(), None, path.as_str()).await;
        assert!(sealed.expect("sealed").verdict.holds);
        path
    };
    let waiting = captured("waiting.zip").await;
    let answer = RunbookWord::Answer { step: "seen".into(), answer: "odd".into() };
    app.tell_runbook(&run, None, &[], answer).await.expect("it is heard");
    let answered = |page: &RunbookRunPage| page.run.waiting.iter().all(|one| one.step != "seen");
    runbooks::until(&app, &run, answered).await;
    let answered = captured("answered.zip").await;
    let found = diff_evidence(&waiting, &answered, None).await.expect("compared");
    let one = |kind: &str, what: &str| {
        let mut all = found.differences.iter();
        all.find(|one| one.kind == kind && one.what.contains(what)).cloned()
    };
    let step = one("steps", "step seen").expect("the step differs");
    let phases = (step.left.as_deref(), step.right.as_deref());
    assert_eq!(phases, (Some("started"), Some("succeeded")), "{found:?}");
    let decided = one("decisions", "decision").expect("somebody answered");
    assert!(decided.right.is_some_and(|right| right.starts_with("step seen answered by ")));
    app.close().await;
}

#[tokio::test]
async fn how_old_digests_were_at_each_sweep_is_shown_over_evidence() {
    let world = World::start(&TWO).await;
    let app = world.app().await;
    for _ in 0..3 {
        app.sweep("eu").await.expect("a sweep");
    }
    let live = app.history("eu", 24).await.expect("a history").ages;
    assert_eq!(live.len(), 3, "{live:?}");
    let console = opened(&world, &app, None).await;
    let shown = console.front().history("eu", 24).await.expect("a history").ages;
    assert_eq!(shown, live);
    console.close().await;
    app.close().await;
}
