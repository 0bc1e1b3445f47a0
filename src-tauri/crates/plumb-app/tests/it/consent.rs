//! Consent as the window asks for it: requests and answers as files, keys as they were picked.

use plumb_app::{
    App, AppOptions,
    error::Code,
    personal_keys::{Algorithm, KeyChoice},
    views::{
        consent::{KeyRequest, SignRequest},
        plan::{ActionKind, ActionRequest, NodeSelection, PlanView},
        run::RunPhase,
    },
};
use serde_json::{Value, json};

use crate::world::{World, sync_drifted};

const PASSPHRASE: &str = "a passphrase of tests";
const ONE: [(&str, &str); 1] = [("gw-1", "v1.signed.json")];

fn file(world: &World, name: &str) -> String {
    world.path(name).into_string()
}

pub(crate) fn key(world: &World, name: &str) -> KeyRequest {
    let path = file(world, &format!("{name}.key"));
    KeyRequest::File { path, passphrase: PASSPHRASE.into() }
}

pub(crate) fn answer(world: &World, name: &str, refuse: Option<&str>) -> SignRequest {
    SignRequest { refuse: refuse.map(str::to_owned), role: None, key: key(world, name) }
}

/// The console of avery, on what is kept already.
async fn reopened(world: &World) -> App {
    let options = AppOptions { person: Some("avery".to_owned()), ..world.options() };
    App::open(options).await.expect("the files open")
}

/// A console at which avery asks and robin, of storage, must consent.
pub(crate) async fn ruled(world: &World) -> App {
    if !world.path("data").exists() {
        world.app().await.close().await;
    }
    let app = reopened(world).await;
    let mut keys = Vec::new();
    for name in ["vault", "avery", "robin", "nobody"] {
        let place = (world.path(&format!("{name}.key")), PASSPHRASE.into());
        let made = app.make_personal_key(name, Algorithm::Ed25519, Some(place)).await;
        keys.push(made.expect("a key"));
    }
    let root = plumb_app::console_key::public_key(&keys[0].pem).expect("a key");
    std::fs::write(world.path("vault.pem"), &keys[0].pem).expect("written");
    let draft = app.draft_roster(vec![("vault".to_owned(), root.clone())], 1, 30).expect("a draft");
    let mut draft: Value = serde_json::from_str(&draft).expect("JSON");
    for (name, group, key) in [("avery", "operations", &keys[1]), ("robin", "storage", &keys[2])] {
        draft["people"][name] =
            json!({"name": name, "groups": [group], "keys": [{"key": key.public_key}]});
    }
    let night = json!({"from_utc": "00:00:00", "until_utc": "23:59:59.999999999"});
    let rule = json!({
        "quorums": [{"count": 1, "of": ["storage"]}],
        "valid_h_max": 8, "dry_run": false, "night_rollback": night,
    });
    draft["environments"]["careful"] = json!({ "rule": rule });
    draft["fleets"]["eu"] = json!("careful");
    let signing = KeyChoice::File {
        path: world.path("vault.key"),
        passphrase: plumb_app::Passphrase::new(|| Ok(PASSPHRASE.into())),
    };
    let draft = draft.to_string();
    let (envelope, _) = app.sign_roster(draft.as_bytes(), &signing).await.expect("signed");
    app.enrol_roster("eu", &envelope, &[root]).await.expect("enrolled");
    app.sweep("eu").await.expect("a sweep");
    app
}

async fn plan(app: &App) -> PlanView {
    app.prepare_plan("eu", &sync_drifted()).await.expect("a plan")
}

#[tokio::test]
async fn a_plan_is_asked_for_answered_elsewhere_and_started() {
    let world = World::start(&ONE).await;
    let app = ruled(&world).await;
    let plan = plan(&app).await;
    let stands = app.plan_consent(&plan.hash).await.expect("a view").expect("somebody consents");
    assert_eq!((stands.environment.as_str(), stands.requester.as_str()), ("careful", "avery"));
    assert_eq!((stands.requested, stands.roles), (false, vec!["storage".to_owned()]));
    let robin = stands.signers.iter().find(|one| one.name == "robin").expect("a key here");
    assert_eq!(
        (robin.person.as_deref(), robin.roles.as_slice()),
        (Some("robin"), &["storage".to_owned()][..])
    );
    let nobody = stands.signers.iter().find(|one| one.name == "nobody").expect("a key here");
    assert_eq!((&nobody.person, nobody.roles.len()), (&None, 0));

    let change = file(&world, "change.json");
    let asked =
        app.ask_for_approval("eu", &plan.hash, key(&world, "avery"), &change).await.expect("asked");
    assert_eq!((asked.act.as_str(), asked.file.as_deref()), ("request", Some(change.as_str())));
    let again = file(&world, "again.json");
    app.save_request(&plan.hash, &again).await.expect("once more");
    let read = |path: &str| std::fs::read(path).expect("readable");
    assert_eq!(read(&again), read(&change), "the same request");

    let opened = app.open_request(&change).await.expect("a request");
    assert!(opened.request.problems.is_empty(), "{:?}", opened.request.problems);
    assert_eq!(opened.request.plan, plan.hash);
    let reply = file(&world, "robin.json");
    let other = app
        .answer_request_file(&change, &"0".repeat(64), answer(&world, "robin", None), &reply)
        .await
        .expect_err("not what was shown");
    assert_eq!(other.code, Code::Outdated);
    assert!(!world.path("robin.json").exists(), "nothing was signed");
    let own = app
        .answer_request_file(&change, &plan.hash, answer(&world, "avery", None), &reply)
        .await
        .expect_err("whoever asks does not answer");
    assert!(own.message.contains("no group of avery has a say"), "{}", own.message);
    let signed = app
        .answer_request_file(&change, &plan.hash, answer(&world, "robin", None), &reply)
        .await
        .expect("signed");
    assert_eq!((signed.person.as_str(), signed.act.as_str()), ("robin", "approve"));
    let early = app.start_run("eu", &plan.hash, None).await.expect_err("nobody was told yet");
    assert!(early.message.contains("missing 1 of storage"), "{}", early.message);
    assert_eq!(app.add_approval_file("eu", &reply).await.expect("added"), plan.hash);
    let stands = app.plan_consent(&plan.hash).await.expect("a view").expect("consent");
    assert!(stands.requested && stands.approvals.consented, "{stands:?}");
    let run = app.start_run("eu", &plan.hash, None).await.expect("a run");
    let run = app.finished(&run.id).await.expect("a run");
    assert_eq!((run.phase, run.bypassed.len()), (RunPhase::Succeeded, 0), "{run:?}");
    app.close().await;
}

#[tokio::test]
async fn a_refusal_signed_here_keeps_the_plan_from_starting() {
    let world = World::start(&ONE).await;
    let app = ruled(&world).await;
    let plan = plan(&app).await;
    let unasked = app.sign_here("eu", &plan.hash, answer(&world, "robin", None)).await;
    assert_eq!(unasked.expect_err("nobody asked").code, Code::NotFound);
    let change = file(&world, "change.json");
    app.ask_for_approval("eu", &plan.hash, key(&world, "avery"), &change).await.expect("asked");
    let wordless = app.sign_here("eu", &plan.hash, answer(&world, "robin", Some(" "))).await;
    assert_eq!(wordless.expect_err("no reason").code, Code::Invalid);
    let refused = answer(&world, "robin", Some("not on a Friday"));
    assert_eq!(app.sign_here("eu", &plan.hash, refused).await.expect("signed").act, "refuse");
    let stopped = app.start_run("eu", &plan.hash, None).await.expect_err("robin said no");
    assert!(stopped.message.contains("robin refused: not on a Friday"), "{}", stopped.message);
    app.close().await;
}

#[tokio::test]
async fn files_and_keys_that_cannot_be_used_are_named() {
    let world = World::start(&ONE).await;
    let app = ruled(&world).await;
    let plan = plan(&app).await;
    let relative =
        app.ask_for_approval("eu", &plan.hash, key(&world, "avery"), "change.json").await;
    assert!(relative.expect_err("half a path").message.contains("not the whole path of a file"));
    let change = file(&world, "change.json");
    let gone = app.ask_for_approval("eu", &plan.hash, key(&world, "nowhere"), &change).await;
    assert_eq!(gone.expect_err("no such key").code, Code::NotFound);
    let path = file(&world, "avery.key");
    let wrong = KeyRequest::File { path, passphrase: "another passphrase".into() };
    let wrong = app.ask_for_approval("eu", &plan.hash, wrong, &change).await;
    assert_eq!(wrong.expect_err("a wrong passphrase").code, Code::Keyring);
    let stranger = app.ask_for_approval("eu", &plan.hash, key(&world, "nobody"), &change).await;
    assert_eq!(stranger.expect_err("no key of the roster").code, Code::Invalid);
    assert!(!world.path("change.json").exists(), "nothing was asked");
    let missing = app.open_request(&file(&world, "missing.json")).await;
    assert_eq!(missing.expect_err("no such file").code, Code::Invalid);
    std::fs::write(world.path("junk.json"), "{}").expect("writable");
    let junk = file(&world, "junk.json");
    assert_eq!(app.open_request(&junk).await.expect_err("no request").code, Code::Invalid);
    assert_eq!(app.add_approval_file("eu", &junk).await.expect_err("none").code, Code::Invalid);
    app.close().await;
}

#[tokio::test]
async fn nothing_is_signed_for_a_fleet_that_is_read_only() {
    let world = World::start(&ONE).await;
    let app = ruled(&world).await;
    let plan = plan(&app).await;
    let change = file(&world, "change.json");
    app.ask_for_approval("eu", &plan.hash, key(&world, "avery"), &change).await.expect("asked");
    app.close().await;
    world.write_fleet("read_only = true");
    let app = reopened(&world).await;
    let hash = plan.hash.as_str();
    let again = file(&world, "again.json");
    let avery = || key(&world, "avery");
    let robin = || answer(&world, "robin", None);
    let refused = [
        app.ask_for_approval("eu", hash, avery(), &again).await.map(drop),
        app.add_approval_file("eu", &change).await.map(drop),
        app.sign_here("eu", hash, robin()).await.map(drop),
        app.answer_request_file(&change, hash, robin(), &again).await.map(drop),
        app.give_review("eu", "a run", "fine", None, avery()).await.map(drop),
        app.start_at_night_with("eu", hash, None, "it denies everything", avery()).await.map(drop),
    ];
    for (number, answer) in (0..).zip(refused) {
        let error = answer.expect_err("read-only");
        assert_eq!(error.message, "fleet eu is read-only", "call {number}");
    }
    assert!(!world.path("again.json").exists(), "nothing was written");
    app.close().await;
}

#[tokio::test]
async fn a_rollback_at_night_says_so_until_it_is_reviewed() {
    let world = World::start(&ONE).await;
    let app = world.app().await;
    // There must be something to go back to.
    app.sweep("eu").await.expect("a sweep");
    crate::runs::carried_out(&app, &plan(&app).await).await;
    app.close().await;

    let app = ruled(&world).await;
    let back = ActionRequest::new(ActionKind::Rollback, NodeSelection::All);
    let plan = app.prepare_plan("eu", &back).await.expect("a plan");
    let night = app.plan_consent(&plan.hash).await.expect("a view").expect("consent").night;
    assert!(night.expect("the rule has hours").open);
    let run = app
        .start_at_night_with("eu", &plan.hash, None, "it denies everything", key(&world, "avery"))
        .await
        .expect("a run");
    let run = app.finished(&run.id).await.expect("a run");
    assert_eq!(run.phase, RunPhase::Succeeded, "{run:?}");
    assert_eq!(run.bypassed.len(), 1, "{run:?}");
    let loud = &run.bypassed[0];
    assert!(loud.starts_with("it began without approvals by "), "{loud}");
    assert!(loud.ends_with(": it denies everything"), "{loud}");
    let listed = app.runs("eu").await.expect("runs");
    assert_eq!(listed[0].bypassed, run.bypassed);

    let (signers, roles) = app.review_signers("eu").await.expect("signers");
    assert!(signers.iter().any(|one| one.person.as_deref() == Some("robin")));
    assert_eq!(roles, ["storage"]);
    let own = app.give_review("eu", &run.id, "fine", None, key(&world, "avery")).await;
    assert!(own.is_err(), "whoever asked does not review");
    let open = app.give_review("eu", &run.id, "it was right", None, key(&world, "robin")).await;
    assert_eq!(open.expect("reviewed").len(), 0);
    app.close().await;
}
