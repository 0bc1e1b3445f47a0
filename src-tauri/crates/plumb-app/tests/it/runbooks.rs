//! Runbooks as a window has them: opened without running, held while people say their word, picked up,
//! offered where something was seen, and recorded.

use std::{fs, process::Command, time::Duration};

use plumb_app::{
    App, AppOptions,
    error::Code,
    views::{
        alerts::{AlertLine, AlertsPage},
        plan::{ActionKind, ActionRequest, NodeSelection},
        runbook::{
            RunbookAsked, RunbookBegun, RunbookCarried, RunbookOccasion, RunbookRunPage,
            RunbookRunState, RunbookStanding, RunbookWord, WaitingKind,
        },
    },
};
use tokio::time::timeout;

use crate::{
    certificates::Ahead,
    company::Company,
    world::{World, sync_drifted},
};

const FLEET: &str = "eu";
/// How long a run may take to get somewhere.
const SOON: Duration = Duration::from_secs(30);

const FRONT: &str = "---\ntitle: Odd answers\ncomponent: Policy Engine\nseverity: low\n\
    on_call_scope: Edge\nowners: {run: Edge}\nlast_updated: 2026-11-01\nalerts: [Odd]\n\
    doctor_check: check.policy.version-consistency\n";
const GUIDE: &str = "parameters:\n  - {name: node, type: node, ask: Which node?}\n\
    \x20 - {name: version, type: version, ask: Which version?}\n---\n# Odd\n\n\
    ```step\nid: seen\ntitle: What is seen\ndo: {question: {ask: What?, choices: [odd, even]}}\n```\n\n\
    ```step\nid: told\ntitle: Told\ndo: {attest: {what: 'the owner of ${node} was told', who: Edge}}\nmay_skip: true\n```\n";
const ACTING: &str = "---\n# Odd\n\n```step\nid: sync\ntitle: Sync\n\
    do: {action: {verb: sync, nodes: all}}\n```\n";

pub(crate) fn asked(runbook: &str) -> RunbookAsked {
    let values = [("node", "gw-1"), ("version", "2.0.0")];
    let parameters = values.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    RunbookAsked { runbook: runbook.to_owned(), parameters, ..RunbookAsked::default() }
}

pub(crate) async fn world() -> (World, App) {
    let world = World::start(&[("gw-1", "v1.signed.json"), ("gw-2", "v2.signed.json")]).await;
    let folder = world.path("data").join("runbooks");
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join("odd.md"), format!("{FRONT}{GUIDE}")).expect("written");
    fs::write(folder.join("acting.md"), format!("{FRONT}{ACTING}")).expect("written");
    fs::write(folder.join("broken.md"), "---\ntitle: Broken\ncolour: red\n---\n").expect("written");
    let app = world.app().await;
    app.sweep(FLEET).await.expect("a sweep");
    (world, app)
}

/// The run once this holds, as whoever listens for topics sees it.
pub(crate) async fn until(
    app: &App,
    run: &str,
    holds: impl Fn(&RunbookRunPage) -> bool,
) -> RunbookRunPage {
    let mut topics = app.subscribe();
    let waiting = async {
        loop {
            let page = app.runbook_run_page(run).await.expect("the run");
            if holds(&page) {
                return page;
            }
            topics.recv().await.expect("topics are announced");
        }
    };
    timeout(SOON, waiting).await.expect("it gets there")
}

pub(crate) fn waits_at(step: &str) -> impl Fn(&RunbookRunPage) -> bool + '_ {
    move |page| page.run.waiting.iter().any(|waiting| waiting.step == step)
}

pub(crate) async fn begun(app: &App, asked: &RunbookAsked) -> String {
    match app.begin_runbook(FLEET, asked).await.expect("it begins") {
        RunbookBegun::Started { run } => run,
        RunbookBegun::Phrase { phrase } => panic!("{phrase} has to be typed"),
    }
}

#[tokio::test]
async fn opening_tells_who_vouches_for_it_and_runs_nothing() {
    let (_world, app) = world().await;
    let rows = app.library(FLEET).await.expect("the library");
    let standing = |file: &str| {
        let row = rows.iter().find(|row| row.runbook.file == file).expect("the runbook");
        row.standing.clone()
    };
    assert_eq!(standing("policy-version-conflicts.md"), RunbookStanding::Shipped);
    assert_eq!(standing("odd.md"), RunbookStanding::Unknown);
    let broken = rows.iter().find(|row| row.runbook.file == "broken.md").expect("the runbook");
    assert!(broken.runbook.problem.as_ref().is_some_and(|problem| problem.starts_with("3:1: ")));
    assert_eq!(app.open_runbook(FLEET, "broken.md").await.expect_err("it is").code, Code::Invalid);
    let page = app.open_runbook(FLEET, "odd.md").await.expect("it opens");
    assert_eq!((page.runbook.steps.len(), page.hosts.len()), (2, 0));
    assert!(page.runbook.steps[1].may_skip && page.rehearsal.is_none());
    assert_eq!(app.runbook_runs(FLEET).await.expect("runs").len(), 0);
}

#[tokio::test]
async fn a_run_is_held_until_its_end_and_hears_what_people_say() {
    let (world, app) = world().await;
    let run = begun(&app, &asked("odd.md")).await;
    let page = until(&app, &run, waits_at("seen")).await;
    assert_eq!(page.carried, RunbookCarried::Here);
    assert_eq!(page.run.waiting[0].choices, ["odd", "even"]);
    // Another program sees it, and says nothing to it.
    let other = App::open(world.options()).await.expect("it opens");
    other.add_fleet(world.path("fleet.toml").as_str()).await.expect("the fleet opens");
    let seen = other.runbook_run_page(&run).await.expect("the run");
    assert_eq!(seen.carried, RunbookCarried::Elsewhere);
    let answer = |answer: &str| RunbookWord::Answer { step: "seen".into(), answer: answer.into() };
    let refused = other.tell_runbook(&run, None, &[], answer("odd")).await.expect_err("elsewhere");
    assert_eq!(refused.code, Code::NotFound);
    assert_eq!(other.pick_up_runbook(&run).await.expect_err("elsewhere").code, Code::Busy);
    other.close().await;

    let wrong = app.tell_runbook(&run, None, &[], answer("green")).await.expect_err("no choice");
    assert!(wrong.message.contains("none of the answers"), "{wrong:?}");
    app.tell_runbook(&run, None, &[], answer("odd")).await.expect("it is heard");
    until(&app, &run, waits_at("told")).await;
    let attest = RunbookWord::Attest { step: "told".into(), note: "by phone".into() };
    let not_edge = app.tell_runbook(&run, Some("jo"), &[], attest.clone()).await;
    assert!(not_edge.expect_err("not of Edge").message.contains("Edge"));
    app.tell_runbook(&run, Some("jo"), &["Edge".to_owned()], attest).await.expect("it is heard");
    let page = until(&app, &run, |page| page.carried == RunbookCarried::Nobody).await;
    assert_eq!(page.run.state, RunbookRunState::Succeeded);
    assert_eq!(page.run.steps[1].by.as_deref(), Some("jo"));
    assert!(page.run.journal_events > 4);
}

#[tokio::test]
async fn a_run_that_was_left_is_picked_up_and_goes_on() {
    let (world, app) = world().await;
    let run = begun(&app, &asked("odd.md")).await;
    until(&app, &run, waits_at("seen")).await;
    app.close().await;
    let app = world.app().await;
    let page = app.runbook_run_page(&run).await.expect("the run");
    assert_eq!(page.carried, RunbookCarried::Nobody);
    assert_eq!(app.pick_up_runbook(&run).await.expect("picked up").carried, RunbookCarried::Here);
    until(&app, &run, waits_at("seen")).await;
    let answer = RunbookWord::Answer { step: "seen".into(), answer: "even".into() };
    app.tell_runbook(&run, None, &[], answer).await.expect("it is heard");
    until(&app, &run, waits_at("told")).await;
    let skip = RunbookWord::Skip { step: "told".into(), reason: "nobody is there".into() };
    app.tell_runbook(&run, None, &[], skip).await.expect("the runbook allows it");
    until(&app, &run, |page| page.run.state == RunbookRunState::Succeeded).await;
}

/// Nobody goes on with a run while a command of it is at work that its killed program left.
#[tokio::test]
async fn a_run_is_busy_while_a_command_that_was_left_is_not_gone() {
    let (world, app) = world().await;
    let run = begun(&app, &asked("odd.md")).await;
    until(&app, &run, waits_at("seen")).await;
    app.close().await;
    let mark = format!("{run}/seen/1");
    let notes = world.path("data").join("runbook-runs").join(&run);
    fs::create_dir_all(&notes).expect("a folder");
    let note = notes.join("seen.begun");
    fs::write(&note, format!("{mark}\n\n")).expect("written");
    let mut command = Command::new("/bin/sleep");
    let mut command = command.arg("600").env("PLUMB_STEP", &mark).spawn().expect("it begins");

    // It is killed, and nobody waits until it is gone.
    let options = AppOptions { left_gone_within: Duration::ZERO, ..world.options() };
    let app = App::open(options).await.expect("the files open");
    app.add_fleet(world.path("fleet.toml").as_str()).await.expect("the fleet opens");
    let refused = app.pick_up_runbook(&run).await.expect_err("it is at work");
    assert_eq!(refused.code, Code::Busy, "{refused:?}");
    let process = format!("still at work: process {}", command.id());
    assert!(refused.message.ends_with(&process), "{refused:?}");
    assert!(refused.hint.contains("then resume the run"), "{refused:?}");
    let page = app.runbook_run_page(&run).await.expect("the run");
    assert_eq!((page.carried, note.exists()), (RunbookCarried::Nobody, true));
    assert!(waits_at("seen")(&page), "nothing became of it meanwhile");

    command.wait().expect("it ends");
    assert_eq!(app.pick_up_runbook(&run).await.expect("picked up").carried, RunbookCarried::Here);
    until(&app, &run, waits_at("seen")).await;
    assert!(!note.exists(), "nothing is left to look for");
    app.close().await;
}

/// Two people have to approve it, so whoever starts it signs as soon as a roster rules the fleet.
const CAREFUL: &str = "---\n# Odd\n\n```step\nid: consent\ntitle: Consent\n\
    do: {approval: {what: the change, groups: [Storage]}}\n```\n";

#[tokio::test]
async fn a_run_that_began_unsigned_is_ended_here_and_never_gone_on_with() {
    let (world, app) = world().await;
    let file = world.path("data").join("runbooks").join("careful.md");
    fs::write(file, format!("{FRONT}{CAREFUL}")).expect("written");
    let asked = RunbookAsked { runbook: "careful.md".to_owned(), ..RunbookAsked::default() };
    let run = begun(&app, &asked).await;
    until(&app, &run, waits_at("consent")).await;
    app.close().await;
    let app = world.app().await;
    let left = app.runbook_run_page(&run).await.expect("the run");
    assert_eq!((left.carried, left.barred), (RunbookCarried::Nobody, None));

    Company::found(&world, &app, |_| {}).await;
    let barred = app.runbook_run_page(&run).await.expect("the run").barred.expect("it is barred");
    assert!(barred.starts_with("nobody signed the start of this run"), "{barred}");
    let refused = app.pick_up_runbook(&run).await.expect_err("it is barred");
    assert_eq!(refused.message, barred);
    // A word that would let it go on is for whoever carries it out, and nobody does.
    let pause = app.tell_runbook(&run, None, &[], RunbookWord::Pause).await.expect_err("nobody");
    assert_eq!(pause.code, Code::NotFound);
    app.tell_runbook(&run, Some("rick"), &[], RunbookWord::Abort).await.expect("it is heard");
    let page = until(&app, &run, |page| page.run.ended_at_ms.is_some()).await;
    assert_eq!(page.run.state, RunbookRunState::Aborted);
}

#[tokio::test]
async fn a_document_that_nobody_vouches_for_runs_once_its_digest_is_typed() {
    let (_world, app) = world().await;
    let mut request = RunbookAsked { parameters: [].into(), ..asked("acting.md") };
    let RunbookBegun::Phrase { phrase } =
        app.begin_runbook(FLEET, &request).await.expect("it is read")
    else {
        panic!("nobody vouches for it");
    };
    request.accept = Some("run it".to_owned());
    let again = app.begin_runbook(FLEET, &request).await.expect("it is read");
    assert_eq!(again, RunbookBegun::Phrase { phrase: phrase.clone() });
    assert_eq!(app.runbook_runs(FLEET).await.expect("runs").len(), 0);
    request.accept = Some(phrase);
    let run = begun(&app, &request).await;
    let page = until(&app, &run, waits_at("sync")).await;
    assert_eq!(page.run.waiting[0].what, WaitingKind::Confirmation);
    app.tell_runbook(&run, None, &[], RunbookWord::Abort).await.expect("it is heard");
    until(&app, &run, |page| page.run.state == RunbookRunState::Aborted).await;
}

#[tokio::test]
async fn a_rehearsal_is_kept_until_the_document_changes() {
    let (world, app) = world().await;
    let report = app.rehearse_asked(FLEET, &asked("odd.md")).await.expect("it is rehearsed");
    assert!(report.green, "{report:?}");
    let page = app.open_runbook(FLEET, "odd.md").await.expect("it opens");
    assert_eq!((page.rehearsal, page.rehearsal_outdated), (Some(report), false));
    let file = world.path("data").join("runbooks/odd.md");
    fs::write(file, format!("{FRONT}{GUIDE}\nMore.\n")).expect("written");
    assert!(app.open_runbook(FLEET, "odd.md").await.expect("it opens").rehearsal_outdated);
}

/// Production can ask for a green rehearsal of lately, of these very bytes.
#[tokio::test]
async fn production_runs_what_was_rehearsed_lately_and_nothing_else() {
    let world = World::start(&[("gw-1", "v2.signed.json")]).await;
    world.write_fleet("environment = \"production\"");
    let folder = world.path("data").join("runbooks");
    fs::create_dir_all(&folder).expect("a folder");
    let front = format!("{FRONT}rehearsed_within_h: 24\n");
    fs::write(folder.join("odd.md"), format!("{front}{GUIDE}")).expect("written");
    let app = world.app().await;
    app.sweep(FLEET).await.expect("a sweep");
    let refused = async |app: &App| {
        let begun = app.begin_runbook(FLEET, &asked("odd.md")).await;
        begun.expect_err("production asks for a rehearsal").message
    };
    assert!(refused(&app).await.contains("was never rehearsed here"));
    let report = app.rehearse_asked(FLEET, &asked("odd.md")).await.expect("it is rehearsed");
    assert!(report.green, "{report:?}");
    begun(&app, &asked("odd.md")).await;
    fs::write(folder.join("odd.md"), format!("{front}{GUIDE}\nMore.\n")).expect("written");
    assert!(refused(&app).await.contains("changed since it was rehearsed"));
    app.rehearse_asked(FLEET, &asked("odd.md")).await.expect("it is rehearsed");
    app.close().await;
    // What was green yesterday says nothing about today.
    let ahead = Ahead::default();
    ahead.by(25 * 3_600);
    let options = AppOptions { clock: ahead.clock(), ..world.options() };
    let later = App::open(options).await.expect("it opens");
    later.add_fleet(world.path("fleet.toml").as_str()).await.expect("the fleet opens");
    assert!(refused(&later).await.contains("was rehearsed more than 24 h ago"));
    later.close().await;
}

#[tokio::test]
async fn runbooks_are_offered_with_what_is_known() {
    let (_world, app) = world().await;
    let drift = RunbookOccasion::Drift { nodes: vec!["gw-1".to_owned()] };
    let offers = app.runbooks_for(FLEET, &drift).await.expect("offers");
    let files: Vec<&str> = offers.iter().map(|offer| offer.file.as_str()).collect();
    assert_eq!(files, ["acting.md", "odd.md", "policy-version-conflicts.md"]);
    assert_eq!(offers[1].parameters["node"], "gw-1");
    assert_eq!(offers[1].parameters["version"], "2.0.0");
    let check = RunbookOccasion::Check { check: "check.policy.version-consistency".to_owned() };
    let offers = app.runbooks_for(FLEET, &check).await.expect("offers");
    assert_eq!(offers[1].why, "it makes check.policy.version-consistency pass");
    let none = RunbookOccasion::Check { check: "check.policy.clock-skew".to_owned() };
    assert_eq!(app.runbooks_for(FLEET, &none).await.expect("offers"), []);
}

/// Where an alert leads, by the runbook that names it, with the node that it is about.
#[tokio::test]
async fn an_alert_offers_what_answers_it_first() {
    let (world, app) = world().await;
    let page = AlertsPage { limit: 100, ..AlertsPage::default() };
    let inbox = app.alerts(FLEET, &page).await.expect("an inbox");
    let of_kind = |kind: &str| {
        let mut rows = inbox.lines.iter().filter_map(|line| match line {
            AlertLine::Alert(row) => Some(row),
            AlertLine::Storm(_) => None,
        });
        rows.find(|row| row.kind == kind).map(|row| row.alert.clone())
    };
    let alert = of_kind("PolicyVersionMismatch").expect("the sweep told it");
    let occasion = RunbookOccasion::Alert { alert };
    let offers = app.runbooks_for(FLEET, &occasion).await.expect("offers");
    let told: Vec<(&str, &str)> =
        offers.iter().map(|offer| (offer.file.as_str(), offer.why.as_str())).collect();
    assert_eq!(
        told,
        [
            ("policy-version-conflicts.md", "it answers PolicyVersionMismatch"),
            ("acting.md", "it makes check.policy.version-consistency pass"),
            ("odd.md", "it makes check.policy.version-consistency pass"),
        ]
    );
    let known = &offers[0].parameters;
    assert_eq!((known["node"].as_str(), known["version"].as_str()), ("gw-1", "2.0.0"));
    assert_eq!(known["content"], world.content("v2.signed.json"));
    // With that it is complete: nobody is asked before its first step.
    let asked = RunbookAsked {
        runbook: offers[0].file.clone(),
        parameters: known.clone(),
        ..RunbookAsked::default()
    };
    let report = app.rehearse_asked(FLEET, &asked).await.expect("nothing is missing");
    assert_eq!(report.runbook, "policy-version-conflicts.md");
    let gone = RunbookOccasion::Alert { alert: "gone".to_owned() };
    app.runbooks_for(FLEET, &gone).await.expect_err("there is no such alert");
}

#[tokio::test]
async fn what_was_done_is_recorded_as_a_sound_runbook() {
    let (_world, app) = world().await;
    assert_eq!(app.record_runbook(FLEET, &[], None).await.expect_err("no run").code, Code::Invalid);
    let mut runs = Vec::new();
    for request in [
        sync_drifted(),
        ActionRequest {
            version: Some("1.0.0".to_owned()),
            ..ActionRequest::new(ActionKind::Pin, NodeSelection::All)
        },
    ] {
        let plan = app.prepare_plan(FLEET, &request).await.expect("a plan");
        assert!(plan.steps.as_ref().is_some_and(|steps| steps.starts_with("```step\n")));
        let typed = match &plan.confirmation {
            plumb_app::views::plan::ConfirmationView::Typed { phrase } => Some(phrase.clone()),
            _ => None,
        };
        let run = app.start_run(FLEET, &plan.hash, typed.as_deref()).await.expect("it starts");
        app.finished(&run.id).await.expect("it ends");
        runs.push(run.id);
        app.sweep(FLEET).await.expect("a sweep");
    }
    let made = app.record_runbook(FLEET, &runs, Some("It's back: #1")).await.expect("a runbook");
    assert_eq!(made.name, "it-s-back-1.md");
    let document = plumb_runbook::document::parse(&made.text).expect("it is sound");
    let ids: Vec<&str> = document.steps.iter().map(|step| step.id.value.as_str()).collect();
    assert_eq!(
        ids,
        [
            "before",
            "keep_before",
            "dry_sync",
            "sync",
            "dry_pin_2",
            "pin_2",
            "after",
            "keep_after",
            "back_sync",
            "back_pin_2"
        ]
    );
    assert_eq!(document.front.title.value, "It's back: #1");
    let names: Vec<&str> =
        document.front.parameters.iter().map(|parameter| parameter.name.value.as_str()).collect();
    assert_eq!(names, ["nodes", "version_2"]);
    assert_eq!(
        document.front.parameters[0].default.as_ref().map(|d| d.value.as_str()),
        Some("gw-1")
    );
}

#[test]
fn the_runbook_that_the_help_shows_is_sound() {
    let help = include_str!("../../../../../assets/help/runbooks.md");
    let shown = help.split("````\n").nth(1).expect("a whole runbook");
    let document = plumb_runbook::document::parse(shown).expect("it is sound");
    assert_eq!(document.steps.len(), 5);
    assert!(help.contains("](runbook-run.png)"), "it shows a picture of a run");
}
