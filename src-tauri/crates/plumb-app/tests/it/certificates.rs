//! Certificates of real runs: made when the fleet had time to settle, honest about stragglers, checked anywhere.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use jiff::{SignedDuration, Timestamp};
use plumb_app::{
    App, AppOptions, KeyPlace, Passphrase, actions::certify::verify_certificate, error::Code,
    ports::clock::WallClock, views::certificate::CertificateView,
};
use plumb_trust::dsse::{Algorithm, NewKey};

use crate::{
    runs::carried_out,
    world::{World, sync_drifted},
};

/// A clock that can be put forward.
#[derive(Clone, Default)]
pub(crate) struct Ahead(Arc<AtomicI64>);

impl Ahead {
    pub(crate) fn clock(&self) -> WallClock {
        let by = self.0.clone();
        WallClock::new(move || {
            Timestamp::now() + SignedDuration::from_secs(by.load(Ordering::Relaxed))
        })
    }

    pub(crate) fn by(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::Relaxed);
    }
}

async fn world() -> World {
    World::start(&[("gw-1", "v1.signed.json"), ("gw-2", "v2-other.signed.json")]).await
}

async fn app(world: &World, ahead: &Ahead) -> App {
    let options = AppOptions { clock: ahead.clock(), ..world.options() };
    let app = App::open(options).await.expect("opens");
    app.add_fleet(world.path("fleet.toml").as_str()).await.expect("the fleet opens");
    app
}

async fn synced(app: &App) -> String {
    app.sweep("eu").await.expect("a sweep");
    let plan = app.prepare_plan("eu", &sync_drifted()).await.expect("a plan");
    carried_out(app, &plan).await.id
}

pub(crate) fn public_key() -> String {
    include_str!("../../../../../tests/fixtures/keys/ed25519.pub").to_owned()
}

/// Nodes with the reason why they straggle.
fn stragglers(view: &CertificateView) -> Vec<(&str, &str)> {
    let late =
        |target: &'_ plumb_app::views::certificate::CertificateTarget| target.straggles.is_some();
    view.targets
        .iter()
        .filter(|target| late(target))
        .map(|target| (target.node.as_str(), target.straggles.as_deref().unwrap_or_default()))
        .collect()
}

#[tokio::test]
async fn a_fleet_that_stays_as_planned_is_certified_green() {
    let (world, ahead) = (world().await, Ahead::default());
    let app = app(&world, &ahead).await;
    let run = synced(&app).await;
    let due = app.certificate_due(&run).await.expect("a run").expect("its nodes settle first");
    assert!(due > app.now() && due <= app.now() + SignedDuration::from_secs(30));
    ahead.by(31);
    assert_eq!(app.certificate_due(&run).await.expect("a run"), None);

    let certificate = app.certificate(&run, false).await.expect("a certificate");
    assert!(certificate.green, "{certificate:?}");
    assert!(certificate.summary.starts_with("all 2 targets stood as planned 3"), "{certificate:?}");
    assert!(certificate.observed_at_ms - certificate.ended_at_ms >= 30_000);
    assert_eq!(certificate.contents, [world.content("v2.signed.json")]);
    assert!(certificate.targets.iter().all(|target| target.wanted == target.observed));
    assert!(certificate.signed_by.is_some() && certificate.unsigned.is_none());
    // It is kept: the nodes are not looked at again.
    assert_eq!(app.certificate(&run, false).await.expect("the same"), certificate);

    let file = world.path("evidence/certificate.json");
    app.export_certificate(&run, &file).await.expect("written");
    let envelope = fs::read(&file).expect("readable");
    let there = verify_certificate(&file, &envelope, &[public_key()]).expect("verifies");
    assert_eq!(CertificateView { file: None, ..there }, certificate);

    let green = app.green_certificates("eu").await.expect("certificates");
    let found: Vec<_> =
        green.iter().map(|one| (one.run.to_string(), one.digest.to_string())).collect();
    assert_eq!(found, [(run, certificate.digest)]);
    let contents: Vec<String> = green[0].contents.iter().map(ToString::to_string).collect();
    assert_eq!(contents, certificate.contents);
    assert!(app.green_certificates("us").await.expect("certificates").is_empty());
    app.close().await;
}

#[tokio::test]
async fn a_straggler_is_named_and_proves_nothing_until_it_is_back() {
    let (mut world, ahead) = (world().await, Ahead::default());
    let app = app(&world, &ahead).await;
    let run = synced(&app).await;
    world.stop_agents().await;
    ahead.by(31);
    let certificate = app.certificate(&run, false).await.expect("a certificate");
    assert!(!certificate.green);
    let late = stragglers(&certificate);
    assert_eq!(late.iter().map(|(node, _)| *node).collect::<Vec<_>>(), ["gw-1", "gw-2"]);
    assert!(late.iter().all(|(_, why)| !why.is_empty()), "{late:?}");
    assert!(certificate.contents.is_empty());
    assert!(app.green_certificates("eu").await.expect("certificates").is_empty());
    ahead.by(60);
    let again = app.certificate(&run, true).await.expect("another one");
    assert!(again.observed_at_ms >= certificate.observed_at_ms + 60_000);
    assert_eq!(app.certificate(&run, false).await.expect("the newest"), again);
    app.close().await;
}

#[tokio::test]
async fn a_certificate_that_was_touched_is_refused() {
    let (world, ahead) = (world().await, Ahead::default());
    let app = app(&world, &ahead).await;
    let run = synced(&app).await;
    ahead.by(31);
    app.certificate(&run, false).await.expect("a certificate");
    let file = world.path("certificate.json");
    app.export_certificate(&run, &file).await.expect("written");
    app.close().await;
    let sound = fs::read_to_string(&file).expect("readable");
    let refused = |text: &str, key: String| {
        let error = verify_certificate(&file, text.as_bytes(), &[key]).expect_err("refused");
        assert_eq!(error.code, Code::Invalid);
        error.message
    };
    let stranger = NewKey::generate(Algorithm::Ed25519).expect("a key").public().to_pem();
    assert!(refused(&sound, stranger).contains("none of the trusted keys"));
    // One letter of what is signed becomes another.
    let at = sound.find("\"payload\":\"").expect("a payload") + 200;
    let other = if sound.as_bytes()[at] == b'A' { "B" } else { "A" };
    let touched = [&sound[..at], other, &sound[at + 1..]].concat();
    assert!(refused(&touched, public_key()).contains("none of the trusted keys"));
    assert!(refused("{}", public_key()).contains("not a DSSE envelope"));
}

#[tokio::test]
async fn without_a_key_a_certificate_is_kept_and_proves_nothing_to_others() {
    let (world, ahead) = (world().await, Ahead::default());
    let options = AppOptions {
        clock: ahead.clock(),
        console_key: KeyPlace::File {
            path: world.path("nowhere.key"),
            passphrase: Passphrase::new(|| unreachable!("there is no file to open")),
        },
        ..world.options()
    };
    let app = App::open(options).await.expect("opens");
    app.add_fleet(world.path("fleet.toml").as_str()).await.expect("the fleet opens");
    let run = synced(&app).await;
    ahead.by(31);
    let certificate = app.certificate(&run, false).await.expect("a certificate");
    assert!(certificate.green && certificate.signed_by.is_none());
    assert!(certificate.unsigned.as_deref().is_some_and(|why| why.contains("nowhere.key")));
    assert!(app.green_certificates("eu").await.expect("certificates").is_empty());
    let error = app.export_certificate(&run, &world.path("c.json")).await.expect_err("unsigned");
    assert!(error.hint.contains("--renew"), "{}", error.hint);
    app.close().await;
}

#[tokio::test]
async fn a_window_certifies_its_runs_by_itself() {
    let (world, ahead) = (world().await, Ahead::default());
    let options = AppOptions { clock: ahead.clock(), sweep_on_period: true, ..world.options() };
    let window = App::open(options).await.expect("opens");
    window.add_fleet(world.path("fleet.toml").as_str()).await.expect("the fleet opens");
    let run = synced(&window).await;
    let mut heard = window.subscribe();
    ahead.by(31);
    let certified = async {
        loop {
            heard.recv().await.expect("the window announces");
            let green = window.green_certificates("eu").await.expect("certificates");
            if green.iter().any(|one| one.run.to_string() == run) {
                return;
            }
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), certified)
        .await
        .expect("a certificate is made");
    window.close().await;
}
