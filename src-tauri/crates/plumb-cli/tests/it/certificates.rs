//! Certificates on a terminal: shown, written, and checked by somebody who has nothing but the file and the key.

use std::fs;

use jiff::{SignedDuration, Timestamp};
use plumb_app::{App, AppOptions, KeyPlace, Passphrase, ports::clock::WallClock};

use crate::{
    recorded::{CONSOLE_KEY, PASSPHRASE, Recorded, SYNC},
    world::World,
};

/// The certificate of the newest run, made in this process by a clock that is a minute ahead: the program itself
/// would wait.
fn certified(fleet: &Recorded) -> String {
    let data_dir = fleet.path("data").display().to_string().into();
    let options = AppOptions {
        clock: WallClock::new(|| Timestamp::now() + SignedDuration::from_mins(1)),
        console_key: KeyPlace::File {
            path: CONSOLE_KEY.into(),
            passphrase: Passphrase::new(|| Ok(PASSPHRASE.into())),
        },
        ..AppOptions::command(data_dir)
    };
    fleet.runtime.block_on(async {
        let app = App::open(options).await.expect("opens");
        let runs = app.runs("eu").await.expect("runs");
        let run = runs.into_iter().next().expect("a run").id;
        app.certificate(&run, false).await.expect("a certificate");
        app.close().await;
        run
    })
}

#[test]
fn a_certificate_is_shown_written_and_checked_offline() {
    let fleet = Recorded::start(2);
    assert!(fleet.command(&SYNC).output().expect("starts").status.success());
    let run = certified(&fleet);
    let ended = fleet.command(&["certificate", &run, "-o", "c.json"]).output().expect("starts");
    let text = String::from_utf8_lossy(&ended.stdout).into_owned();
    assert_eq!(ended.status.code(), Some(0), "{text}{}", String::from_utf8_lossy(&ended.stderr));
    assert!(text.starts_with("✓ green  all 2 targets stood as planned"), "{text}");
    assert!(text.contains("gw-2") && text.contains("✓ stands"), "{text}");

    let stranger = World::empty();
    let sound = fs::read_to_string(fleet.path("c.json")).expect("readable");
    let file = stranger.file("c.json", &sound);
    let public = include_str!("../../../../../tests/fixtures/keys/ed25519.pub");
    stranger.file("console.pem", public);
    let words = format!("certificate verify {file} --key console.pem");
    assert!(stranger.check(&words, 0).stdout.contains("signed by"));
    let view = stranger.document(&words, 0, "certificate");
    assert_eq!((&view["green"], &view["run"]), (&true.into(), &run.into()));
    let other = include_str!("../../../../../tests/fixtures/keys/p256.pub");
    stranger.file("other.pem", other);
    let refused = stranger.check(&format!("certificate verify {file} --key other.pem"), 1);
    assert!(refused.stderr.contains("none of the trusted keys"), "{}", refused.stderr);
    assert!(!stranger.path().join("data").exists(), "no store is opened for a file");
    stranger.check(&format!("certificate verify {file}"), 2);
    stranger.check("certificate", 2);
    stranger.check("certificate 01a22903-be61-79ab-b838-cc5cd9ede734", 2);
}
