//! Rosters as files in the window: pinned by fingerprints that came another way, and only ever newer.

use camino::{Utf8Path, Utf8PathBuf};
use plumb_app::{App, Passphrase, error::Code, personal_keys::KeyChoice};
use plumb_trust::dsse::PublicKey;
use serde_json::{Value, json};

use crate::world::World;

fn fixture(name: &str) -> Utf8PathBuf {
    Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/fixtures/keys").join(name)
}

fn root() -> PublicKey {
    let pem = std::fs::read_to_string(fixture("ed25519.pub")).expect("a public key");
    PublicKey::from_pem(&pem).expect("a public key in PEM")
}

/// Writes a roster of one version that names one fleet, signed by the root key.
async fn roster(app: &App, path: &Utf8Path, version: u32, fleet: &str) {
    let draft = app.draft_roster(vec![("ops".to_owned(), root())], 1, 30).expect("a draft");
    let mut draft: Value = serde_json::from_str(&draft).expect("a draft is JSON");
    draft["version"] = json!(version);
    draft["people"]["mara"] = json!({ "name": "Mara Lind", "groups": ["storage"], "keys": [] });
    draft["environments"]["production"] = json!({ "rule": {
        "quorums": [{ "count": 1, "of": ["storage"] }], "valid_h_max": 8, "dry_run": false,
    } });
    draft["fleets"][fleet] = json!("production");
    let passphrase = Passphrase::new(|| Ok("correct horse battery".into()));
    let key = KeyChoice::File { path: fixture("ed25519.key"), passphrase };
    let (signed, _) = app.sign_roster(draft.to_string().as_bytes(), &key).await.expect("signed");
    std::fs::write(path, signed).expect("written");
}

/// Looks at a roster file, types these fingerprints, and tells the version that holds, or what stood in the way.
async fn enrol(app: &App, path: &Utf8Path, typed: &[&str]) -> Result<u32, String> {
    let typed: Vec<String> = typed.iter().map(|one| (*one).to_owned()).collect();
    let seen = app.open_roster("eu", path.as_str()).await.map_err(|error| error.message)?;
    let held = app.enrol_roster_file("eu", path.as_str(), &seen.file, &typed).await;
    held.map(|roster| roster.version).map_err(|error| error.message)
}

#[tokio::test]
async fn a_first_roster_takes_the_fingerprints_that_came_another_way() {
    let world = World::start(&[("gw-1", "v2.signed.json")]).await;
    let app = world.app().await;
    let path = world.path("roster.json");
    roster(&app, &path, 3, "eu").await;
    let print = root().id().to_string();
    let seen = app.open_roster("eu", path.as_str()).await.expect("a roster");
    assert!(seen.known.is_none() && seen.roster.roots[0].fingerprint.is_empty(), "{seen:?}");
    let refused = |why: &str| Err(why.to_owned());
    assert_eq!(enrol(&app, &path, &[]).await, refused("0 of 1 fingerprints were given"));
    let short = "19 digits of the fingerprint of ops were given, 20 are compared at least";
    assert_eq!(enrol(&app, &path, &[&print[..19]]).await, refused(short));
    let wrong = "root key ops has another fingerprint than was typed";
    let other = format!("{}{}", if print.starts_with('0') { "1" } else { "0" }, &print[1..]);
    assert_eq!(enrol(&app, &path, &[&other]).await, refused(wrong));
    assert!(app.enrolled_roster("eu").await.expect("asked").is_none());
    let spoken = format!("{} {}", print[..10].to_uppercase(), &print[10..20]);
    assert_eq!(enrol(&app, &path, &[&spoken]).await, Ok(3));
    let held = app.enrolled_roster("eu").await.expect("asked").expect("a roster");
    assert_eq!((held.version, held.roots[0].fingerprint.as_str()), (3, print.as_str()));
    app.close().await;
}

#[tokio::test]
async fn a_later_roster_is_newer_and_the_file_that_was_shown() {
    let world = World::start(&[("gw-1", "v2.signed.json")]).await;
    let app = world.app().await;
    let path = world.path("roster.json");
    roster(&app, &path, 3, "eu").await;
    assert_eq!(enrol(&app, &path, &[&root().id().to_string()]).await, Ok(3));
    roster(&app, &path, 4, "eu").await;
    let seen = app.open_roster("eu", path.as_str()).await.expect("a roster");
    assert_eq!(seen.known.as_ref().map(|known| known.version), Some(3));
    roster(&app, &path, 5, "eu").await;
    let swapped = app.enrol_roster_file("eu", path.as_str(), &seen.file, &[]).await;
    assert_eq!(swapped.expect_err("another file").code, Code::Outdated);
    assert_eq!(enrol(&app, &path, &[]).await, Ok(5));
    roster(&app, &path, 4, "eu").await;
    let older = enrol(&app, &path, &[]).await.expect_err("older");
    assert_eq!(older, "it is version 4, older than version 5, which was seen before");
    std::fs::write(&path, "{}").expect("written");
    let error = app.open_roster("eu", path.as_str()).await.expect_err("no roster");
    assert!(error.message.ends_with("is no signed roster"), "{error:?}");
    app.close().await;
}
