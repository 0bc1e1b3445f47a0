//! Content that is refused: after a rollback, on a signed list, pushed to agents, and signed clean again.

use std::sync::Arc;

use camino::Utf8PathBuf;
use keyring_core::{CredentialStore, mock};
use plumb_app::{
    App, AppOptions, KeyPlace, KeySafe, Keyring, Passphrase,
    error::Code,
    personal_keys::KeyChoice,
    views::{
        consent::KeyRequest,
        plan::{ActionKind, ActionRequest, NodeSelection, PlanView},
        rollout::RunOrder,
        run::{RunPhase, RunRefused, RunView},
    },
};
use plumb_testkit::company::{Company, fleet, person};
use plumb_trust::{
    dsse::{Algorithm, NewKey, PublicKey},
    roster::PersonKey,
};

use crate::{
    rollouts::{FOUR, started, sync_in_waves, until},
    world::World,
};

const PASSPHRASE: &str = "correct horse battery";
const TWO: [(&str, &str); 2] = [("gw-1", "v1.signed.json"), ("gw-2", "v1.signed.json")];

/// A company that rules the fleet of these worlds, two of whose people must agree, and key files of three.
pub(crate) struct Ruled {
    pub(crate) company: Company,
    files: Vec<(&'static str, String)>,
}

impl Ruled {
    pub(crate) fn new() -> Self {
        let mut files = Vec::new();
        let mut company = Company::new().with(|roster| {
            roster.fleets.insert(fleet("eu"), "two-of-three".to_owned());
            roster.issued_at = jiff::Timestamp::UNIX_EPOCH;
            roster.expires_at = jiff::Timestamp::MAX;
        });
        for name in ["mara", "sana", "tove", "rick"] {
            let key = NewKey::generate(Algorithm::Ed25519).expect("a key");
            let fill = &mut |bytes: &mut [u8]| rand::Rng::fill_bytes(&mut rand::rng(), bytes);
            files.push((name, key.to_encrypted_pem(PASSPHRASE, fill).expect("sealed")));
            let key = key.public().clone();
            let key = PersonKey { key, from: None, until: None, revoked_at: None };
            let people = &mut company.document.people;
            people.get_mut(&person(name)).expect("somebody here").keys.push(key);
        }
        Self { company, files }
    }

    /// A company whose fleet of these worlds takes no approvals, with this key among those of rick.
    pub(crate) fn without_consent(key: Option<PublicKey>) -> Self {
        let mut ruled = Self::new();
        let document = &mut ruled.company.document;
        document.fleets.insert(fleet("eu"), "staging".to_owned());
        let key = key.map(|key| PersonKey { key, from: None, until: None, revoked_at: None });
        document.people.get_mut(&person("rick")).expect("somebody here").keys.extend(key);
        ruled
    }

    pub(crate) fn roots(&self) -> Vec<PublicKey> {
        self.company.roots.iter().map(|key| key.public().clone()).collect()
    }

    /// The key file of somebody, written where the world stands.
    pub(crate) fn key(&self, world: &World, name: &str) -> KeyChoice {
        let path: Utf8PathBuf = world.path(&format!("{name}.key"));
        let (_, pem) = self.files.iter().find(|(of, _)| *of == name).expect("a key file");
        std::fs::write(&path, pem).expect("written");
        KeyChoice::File { path, passphrase: Passphrase::new(|| Ok(PASSPHRASE.into())) }
    }

    /// A console on which rick asks for changes, with the roster enrolled.
    pub(crate) async fn app(&self, world: &World) -> App {
        self.app_with(world, world.options()).await
    }

    pub(crate) async fn app_with(&self, world: &World, options: AppOptions) -> App {
        let options = AppOptions { person: Some("rick".to_owned()), ..options };
        let app = App::open(options).await.expect("the files open");
        app.add_fleet(world.path("fleet.toml").as_str()).await.expect("the fleet opens");
        let roster = self.company.envelope();
        app.enrol_roster("eu", &roster, &self.roots()).await.expect("enrolled");
        app.sweep("eu").await.expect("a sweep");
        app
    }
}

fn sync_all() -> ActionRequest {
    ActionRequest::new(ActionKind::Sync, NodeSelection::All)
}

fn poisoned(plan: &PlanView) -> usize {
    plan.findings.iter().filter(|finding| finding.code == "poisoned_digest").count()
}

#[tokio::test]
async fn a_list_is_signed_pushed_and_signed_clean_again() {
    let ruled = Ruled::new();
    let world = World::start_ruled(&TWO, &ruled.company.envelope(), false).await;
    let app = ruled.app(&world).await;
    let bad = world.content("v2.signed.json");
    let none = app.refused("eu").await.expect("a view");
    assert_eq!((none.version, none.behind.len(), none.cannot.len()), (None, 2, 0));
    assert_eq!(poisoned(&app.prepare_plan("eu", &sync_all()).await.expect("a plan")), 0);

    let here = app.refuse_content("eu", Some((&bad, "denies refunds")), None).await.expect("here");
    assert_eq!((here.version, here.refused.len(), here.refused[0].signed), (None, 1, false));
    let plan = app.prepare_plan("eu", &sync_all()).await.expect("a plan");
    assert!(poisoned(&plan) > 0 && !plan.startable, "{:?}", plan.findings);
    app.push_refused("eu").await.expect_err("nothing is signed");

    let tove = ruled.key(&world, "tove");
    let signed = app.refuse_content("eu", None, Some(&tove)).await.expect("signed");
    assert_eq!((signed.version, signed.refused[0].signed), (Some(1), true));
    let pushed = app.push_refused("eu").await.expect("pushed");
    assert_eq!(pushed.taken, ["gw-1", "gw-2"], "{:?}", pushed.not_taken);
    app.sweep("eu").await.expect("a sweep");
    assert_eq!(app.refused("eu").await.expect("a view").enforcing, 2);

    let view = app.refused("eu").await.expect("a view");
    assert_eq!(view.signed_by, ["tove"]);
    // One person is not enough to free it, and the second one is.
    let (mara, sana) = (ruled.key(&world, "mara"), ruled.key(&world, "sana"));
    let (half, file) = app.clear_content("eu", &bad, "mended", &mara).await.expect("begun");
    assert!(half.missing.is_some_and(|missing| missing.contains("1 more of")));
    app.sign_clearing("eu", &file, &mara).await.expect_err("she signed it already");
    let (whole, _) = app.sign_clearing("eu", &file, &sana).await.expect("signed");
    assert_eq!(
        (whole.people.clone(), whole.missing),
        (vec!["mara".to_owned(), "sana".to_owned()], None)
    );
    let free = app.refused("eu").await.expect("a view");
    assert_eq!((free.version, free.refused.len(), free.cleared.len()), (Some(2), 0, 1));
    assert_eq!(
        (&free.signed_by[..], &free.cleared[0].people),
        (&["sana".to_owned()][..], &whole.people)
    );
    assert_eq!(poisoned(&app.prepare_plan("eu", &sync_all()).await.expect("a plan")), 0);
    let pushed = app.push_refused("eu").await.expect("pushed");
    assert_eq!((pushed.version, pushed.taken.len()), (2, 2), "{:?}", pushed.not_taken);
    app.close().await;
}

#[tokio::test]
async fn a_list_travels_as_a_file_and_lifts_nothing_by_one_signature() {
    let ruled = Ruled::new();
    let world = World::start_ruled(&TWO, &ruled.company.envelope(), false).await;
    let app = ruled.app(&world).await;
    let bad = world.content("v2.signed.json");
    let tove = ruled.key(&world, "tove");
    app.refuse_content("eu", Some((&bad, "denies refunds")), Some(&tove)).await.expect("signed");
    app.export_refused("eu", world.path("list.json")).await.expect("written");
    let list = std::fs::read(world.path("list.json")).expect("a list");
    app.close().await;

    let other = World::start_ruled(&TWO, &ruled.company.envelope(), false).await;
    let app = ruled.app(&other).await;
    let taken = app.import_refused("eu", &list).await.expect("taken");
    assert_eq!((taken.version, taken.refused[0].content.as_str()), (Some(1), bad.as_str()));
    let changed = String::from_utf8(list).expect("JSON").replacen("eyJ", "eyK", 1);
    app.import_refused("eu", changed.as_bytes()).await.expect_err("not what tove signed");
    app.close().await;
}

/// A key file as it is picked in the window.
fn picked(ruled: &Ruled, world: &World, name: &str) -> KeyRequest {
    ruled.key(world, name);
    let path = world.path(&format!("{name}.key")).into_string();
    KeyRequest::File { path, passphrase: PASSPHRASE.into() }
}

#[tokio::test]
async fn a_clearing_is_signed_in_the_window_as_it_was_shown() {
    let ruled = Ruled::new();
    let world = World::start_ruled(&TWO, &ruled.company.envelope(), false).await;
    let app = ruled.app(&world).await;
    let bad = world.content("v2.signed.json");
    let content = Some((bad.clone(), "denies refunds".to_owned()));
    let tove = picked(&ruled, &world, "tove");
    let signed = app.refuse_here("eu", content, Some(tove)).await.expect("signed");
    assert_eq!((signed.version, signed.refused[0].signed), (Some(1), true));
    assert_eq!(app.push_refused_here("eu").await.expect("pushed").taken, ["gw-1", "gw-2"]);
    assert_eq!(app.refused("eu").await.expect("a view").enforcing, 2, "they were looked at");

    let file = world.path("clearing.json").into_string();
    let mara = picked(&ruled, &world, "mara");
    let half = app.clear_here("eu", &bad, "mended", mara, &file).await.expect("begun");
    assert_eq!((half.file.as_deref(), half.missing.is_some()), (Some(file.as_str()), true));
    let shown = app.open_clearing("eu", &file).await.expect("a clearing");
    assert_eq!(shown.clearing.people, ["mara"]);
    assert_eq!(
        (shown.clearing.content.as_str(), shown.clearing.reason.as_str()),
        (&bad[..], "mended")
    );

    // Another file than the one that was looked at is not signed.
    let kept = std::fs::read(&file).expect("a clearing");
    std::fs::write(&file, [&kept[..], b"\n"].concat()).expect("written");
    let sana = picked(&ruled, &world, "sana");
    let sign = |key| app.sign_clearing_file("eu", &file, &shown.file, key, &file);
    let refused = sign(sana.clone()).await.expect_err("changed meanwhile");
    assert_eq!(refused.code, Code::Outdated);
    std::fs::write(&file, &kept).expect("written");
    let whole = sign(sana).await.expect("signed");
    assert_eq!((whole.missing, whole.file), (None, None));
    assert_eq!(std::fs::read(&file).expect("a clearing"), kept, "there is nobody to send it to");
    assert!(app.refused("eu").await.expect("a view").refused.is_empty());

    // The list goes to another console as a file.
    let list = world.path("list.json").into_string();
    app.save_refused("eu", &list).await.expect("written");
    assert_eq!(app.take_refused("eu", &list).await.expect("the same").version, Some(2));
    app.take_refused("eu", "list.json").await.expect_err("not the whole path");
    app.close().await;
}

#[tokio::test]
async fn what_a_rollout_took_back_is_not_planned_again() {
    let world = World::start(&FOUR).await;
    let app = world.app().await;
    let run = started(&app, &sync_in_waves(Some("the canary answers as it should"))).await;
    until(&app, &run.id, |run| run.phase == RunPhase::AtGate).await;
    let back = RunOrder::RollBack { reason: "refunds are refused".to_owned() };
    app.order_run(&run.id, &back).await.expect("an order");
    let run = app.finished(&run.id).await.expect("a run");
    assert_eq!(run.phase, RunPhase::RolledBack, "{run:?}");
    let view = app.refused("eu").await.expect("a view");
    assert_eq!(view.refused.len(), 1, "{view:?}");
    let refused = &view.refused[0];
    assert_eq!(refused.content, world.content("v2.signed.json"));
    assert_eq!((refused.run.as_ref(), refused.signed), (Some(&run.id), false));
    assert_eq!(refused.versions, ["2.0.0"]);
    assert!(refused.reason.contains("refunds are refused"), "{}", refused.reason);
    assert_eq!(view.cannot.len(), 4, "agents without a roster are named");
    let plan = app.prepare_plan("eu", &sync_in_waves(None)).await.expect("a plan");
    assert!(poisoned(&plan) > 0 && !plan.startable, "{:?}", plan.findings);
    app.close().await;
}

/// A rollout whose canary is brought back by whoever looks at it.
async fn brought_back(app: &App) -> RunView {
    let run = started(app, &sync_in_waves(Some("the canary answers as it should"))).await;
    until(app, &run.id, |run| run.phase == RunPhase::AtGate).await;
    let back = RunOrder::RollBack { reason: "refunds are refused".to_owned() };
    app.order_run(&run.id, &back).await.expect("an order");
    let run = app.finished(&run.id).await.expect("a run");
    assert_eq!(run.phase, RunPhase::RolledBack, "{run:?}");
    run
}

/// What stands on a list that every agent of the run holds.
fn everywhere(world: &World) -> RunRefused {
    RunRefused {
        contents: vec![world.content("v2.signed.json")],
        list_version: Some(1),
        holding: 4,
        behind: Vec::new(),
        cannot: Vec::new(),
        to_do: None,
    }
}

#[tokio::test]
async fn a_console_that_the_roster_names_signs_what_was_taken_back_and_sends_it() {
    let public = PublicKey::from_pem(&crate::certificates::public_key()).expect("a key");
    let ruled = Ruled::without_consent(Some(public));
    let world = World::start_ruled(&FOUR, &ruled.company.envelope(), false).await;
    let app = ruled.app(&world).await;
    // Somebody chose to refuse this here only.
    let other = world.content("v2-other.signed.json");
    app.refuse_content("eu", Some((&other, "not sure of it")), None).await.expect("here");
    let run = brought_back(&app).await;
    assert_eq!(run.refused, Some(everywhere(&world)));
    let view = app.refused("eu").await.expect("a view");
    assert_eq!((view.version, view.enforcing), (Some(1), 4));
    let signed: Vec<(&str, bool)> =
        view.refused.iter().map(|one| (one.content.as_str(), one.signed)).collect();
    let brought = world.content("v2.signed.json");
    assert_eq!(signed, [(brought.as_str(), true), (other.as_str(), false)]);
    app.close().await;
}

#[tokio::test]
async fn the_key_of_whoever_acts_signs_it_where_the_keyring_holds_it() {
    let store: Arc<CredentialStore> = mock::Store::new().expect("a mock");
    let safe = || KeyPlace::Keyring(KeySafe::with_keyring(&Keyring::of_store(store.clone())));
    // The key is made before the roster that names it.
    let before = World::start(&[]).await;
    let app = App::open(AppOptions { console_key: safe(), ..before.options() }).await;
    let app = app.expect("opens");
    let made = app.make_personal_key("rick", Algorithm::Ed25519, None).await.expect("a key");
    app.close().await;
    let ruled = Ruled::without_consent(Some(PublicKey::from_pem(&made.pem).expect("a key")));
    let world = World::start_ruled(&FOUR, &ruled.company.envelope(), false).await;
    std::fs::create_dir_all(world.path("data/keys")).expect("writable");
    std::fs::copy(before.path("data/keys/rick.json"), world.path("data/keys/rick.json"))
        .expect("writable");
    let options = AppOptions { console_key: safe(), ..world.options() };
    let app = ruled.app_with(&world, options).await;
    let run = brought_back(&app).await;
    assert_eq!(run.refused, Some(everywhere(&world)));
    app.close().await;
}

#[tokio::test]
async fn where_no_key_may_sign_by_itself_the_commands_are_told() {
    let ruled = Ruled::without_consent(None);
    let world = World::start_ruled(&FOUR, &ruled.company.envelope(), false).await;
    let app = ruled.app(&world).await;
    let run = brought_back(&app).await;
    let to_do = |run: &RunView| run.refused.as_ref().expect("taken back").to_do.clone();
    assert_eq!(
        to_do(&run).expect("something is left"),
        "the roster names no key that this console may sign with by itself; only this console \
         refuses it: plumb refused add --fleet eu --key FILE, then plumb refused push --fleet eu"
    );
    // Another program does not know why, and tells the same commands.
    app.close().await;
    let app = ruled.app(&world).await;
    let told = to_do(&app.run(&run.id).await.expect("a run")).expect("something is left");
    assert!(told.starts_with("only this console refuses it: plumb refused add "), "{told}");
    let tove = ruled.key(&world, "tove");
    app.refuse_content("eu", None, Some(&tove)).await.expect("signed");
    let signed = app.run(&run.id).await.expect("a run");
    assert_eq!(
        signed.refused.as_ref().map(|of| (of.list_version, of.behind.len())),
        Some((Some(1), 4))
    );
    let told = to_do(&signed).expect("it is not sent");
    assert_eq!(told, "send the list to whoever misses it: plumb refused push --fleet eu");
    app.push_refused("eu").await.expect("pushed");
    app.sweep("eu").await.expect("a sweep");
    assert_eq!(app.run(&run.id).await.expect("a run").refused, Some(everywhere(&world)));
    app.close().await;
}

#[tokio::test]
async fn an_agent_that_does_not_take_the_list_is_named_with_its_reason() {
    let public = PublicKey::from_pem(&crate::certificates::public_key()).expect("a key");
    let ruled = Ruled::without_consent(Some(public));
    // Agents that were set up by the roster of somebody else.
    let strangers = Ruled::without_consent(None);
    let world = World::start_ruled(&FOUR, &strangers.company.envelope(), false).await;
    let app = ruled.app(&world).await;
    let run = brought_back(&app).await;
    let refused = run.refused.expect("taken back");
    assert_eq!((refused.list_version, refused.behind.len()), (Some(1), 4), "{refused:?}");
    let told = refused.to_do.expect("something is left");
    assert!(
        told.contains("gw-1 did not take the list: ") && told.contains("plumb refused push"),
        "{told}"
    );
    app.close().await;
}

#[tokio::test]
async fn nodes_that_would_take_refused_content_are_named_in_a_plan() {
    let ruled = Ruled::new();
    let named = async |app: &App| {
        app.sweep("eu").await.expect("a sweep");
        let plan = app.prepare_plan("eu", &sync_all()).await.expect("a plan");
        let named = plan.findings.into_iter().find(|found| found.code == "refused_not_enforced");
        named.map(|found| found.message)
    };
    let world = World::start(&TWO).await;
    let app = ruled.app(&world).await;
    let told = named(&app).await.expect("agents without a roster");
    assert!(told.starts_with("nodes that cannot enforce the refused list"), "{told}");
    assert!(told.ends_with("2 (gw-1, gw-2)"), "{told}");
    app.close().await;

    let world = World::start_ruled(&TWO, &ruled.company.envelope(), false).await;
    let app = ruled.app(&world).await;
    assert_eq!(named(&app).await, None, "there is no list that they could hold");
    let other = world.content("v2-other.signed.json");
    let tove = ruled.key(&world, "tove");
    app.refuse_content("eu", Some((&other, "allows refunds")), Some(&tove)).await.expect("signed");
    let told = named(&app).await.expect("it was not sent");
    assert!(told.starts_with("nodes that hold another refused list"), "{told}");
    app.push_refused("eu").await.expect("pushed");
    assert_eq!(named(&app).await, None);
    app.close().await;
}
