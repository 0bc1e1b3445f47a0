//! Content that is refused: after a rollback, on a signed list, pushed to agents, and signed clean again.

use camino::Utf8PathBuf;
use plumb_app::{
    App, AppOptions, Passphrase,
    error::Code,
    personal_keys::KeyChoice,
    views::{
        consent::KeyRequest,
        plan::{ActionKind, ActionRequest, NodeSelection, PlanView},
        rollout::RunOrder,
        run::RunPhase,
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
        let options = AppOptions { person: Some("rick".to_owned()), ..world.options() };
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
