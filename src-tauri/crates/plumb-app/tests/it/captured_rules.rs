//! What a fleet was ruled by, over evidence as it was at each moment: refused content, dry runs, readiness.

use plumb_app::{
    App,
    console::{Console, Named},
    views::{
        plan::{ActionKind, ActionRequest, NodeSelection, PlanView},
        readiness::ChecklistState,
        refused::RefusedView,
    },
};

use crate::{
    opened::reviewer,
    refused::Ruled,
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

/// Version of the list, who signed it, what is refused and whether by the list, and what was signed clean.
fn told(view: &RefusedView) -> (Option<u32>, Vec<&str>, Vec<(&str, bool)>, usize) {
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
