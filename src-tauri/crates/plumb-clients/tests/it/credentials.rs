//! Where tokens come from, and what is said when they do not.

use std::{error::Error as _, sync::Arc};

use jiff::Timestamp;
use keyring_core::{CredentialStore, Entry, Error, mock};
use plumb_clients::{CredentialError, Keyring, KeyringStatus, TokenSource};
use plumb_fleet::CredentialRef;
use secrecy::{ExposeSecret as _, SecretString};
use tempfile::TempDir;

fn at() -> Timestamp {
    "2026-11-21T05:00:00Z".parse().expect("a time")
}

async fn token(
    source: &TokenSource,
    credential: &CredentialRef,
) -> Result<String, CredentialError> {
    source.token(credential, at()).await.map(|token| token.expose_secret().to_owned())
}

fn keyring() -> (Arc<CredentialStore>, TokenSource) {
    let store: Arc<CredentialStore> = mock::Store::new().expect("a mock");
    (store.clone(), TokenSource::with_keyring(Keyring::of_store(store)))
}

fn command(words: &[&str]) -> CredentialRef {
    CredentialRef::Command(words.iter().map(|word| (*word).to_owned()).collect())
}

#[tokio::test]
async fn a_token_is_stored_found_and_removed() {
    let (_, source) = keyring();
    let reference = CredentialRef::Keyring("payments-eu".to_owned());
    assert_eq!(source.status("payments-eu").await, KeyringStatus::Missing);
    let missing = token(&source, &reference).await.expect_err("nothing stored");
    assert!(missing.to_string().contains("plumb credential set payments-eu"), "{missing}");
    assert!(missing.to_string().contains("env = \"NAME\""), "{missing}");
    source.set("payments-eu", SecretString::from("t0ken")).await.expect("stored");
    assert_eq!(source.status("payments-eu").await, KeyringStatus::Stored);
    assert_eq!(token(&source, &reference).await.as_deref(), Ok("t0ken"));
    source.delete("payments-eu").await.expect("removed");
    assert_eq!(source.status("payments-eu").await, KeyringStatus::Missing);
    assert!(matches!(token(&source, &reference).await, Err(CredentialError::NoEntry { .. })));
}

/// The sentence for an error of the store.
async fn sentence(error: Error) -> String {
    let (store, source) = keyring();
    let entry = Entry::new_in_store(&store, "plumbline", "x").expect("an entry");
    entry.set_password("t0ken").expect("stored");
    let mock: &mock::Cred = entry.as_any().downcast_ref().expect("a mock");
    mock.set_error(error);
    let error =
        source.token(&CredentialRef::Keyring("x".to_owned()), at()).await.expect_err("injected");
    assert!(error.source().is_none());
    error.to_string()
}

#[tokio::test]
async fn every_trouble_of_the_keyring_has_its_sentence() {
    let locked = sentence(Error::NoStorageAccess("locked \u{7}collection".into())).await;
    assert!(
        locked.contains("the keyring is locked or there is none (locked \\u{7}collection)"),
        "{locked}"
    );
    let absent = sentence(Error::PlatformFailure("no bus".into())).await;
    assert!(absent.contains("no keyring service runs on this machine (no bus)"), "{absent}");
    for sentence in [locked, absent] {
        assert!(sentence.contains("use an environment variable instead"), "{sentence}");
    }
    let secret = sentence(Error::BadEncoding(b"\xfft0ken".to_vec())).await;
    assert!(!secret.contains("t0ken"), "{secret}");
}

#[tokio::test]
async fn the_environment_is_read_and_its_absence_named() {
    let (_, source) = keyring();
    assert!(token(&source, &CredentialRef::Env("CARGO_PKG_NAME".to_owned())).await.is_ok());
    for name in ["PLUMB_TOKEN_THAT_IS_NOT_SET", "", "A=B"] {
        let error = token(&source, &CredentialRef::Env(name.to_owned())).await.expect_err("unset");
        assert!(error.to_string().contains("is not set"), "{error}");
    }
}

#[tokio::test]
async fn a_command_runs_once_until_its_token_expires() {
    let folder = TempDir::new().expect("a folder");
    let count = folder.path().join("count");
    let script =
        format!("echo x >> {}; cat {}", count.display(), folder.path().join("out").display());
    let words = ["sh", "-c", &script];
    let (_, source) = keyring();
    let check = async |printed: &str, runs: usize| {
        std::fs::write(folder.path().join("out"), printed).expect("written");
        std::fs::write(&count, "").expect("written");
        source.forget(&command(&words));
        for _ in 0..3 {
            assert_eq!(token(&source, &command(&words)).await.as_deref(), Ok("t0ken"));
        }
        let ran = std::fs::read_to_string(&count).expect("read").lines().count();
        assert_eq!(ran, runs, "{printed}");
    };
    check("  t0ken \n", 1).await;
    check(r#"{"token":"t0ken"}"#, 1).await;
    check(r#"{"token":"t0ken","expires_at":"2026-11-21T06:00:00Z"}"#, 1).await;
    // Already over, or about to be: used once, then asked for again.
    check(r#"{"token":"t0ken","expires_at":"2026-11-21T04:00:00Z"}"#, 3).await;
    check(r#"{"token":"t0ken","expires_at":"2026-11-21T05:00:10Z"}"#, 3).await;
}

#[tokio::test]
async fn callers_at_once_share_one_run() {
    let folder = TempDir::new().expect("a folder");
    let count = folder.path().join("count");
    let words = ["sh", "-c", &format!("echo x >> {}; echo t0ken", count.display())];
    let (_, source) = keyring();
    let reference = command(&words);
    let all = futures::future::join_all((0..50).map(|_| token(&source, &reference))).await;
    assert!(all.iter().all(Result::is_ok));
    assert_eq!(std::fs::read_to_string(&count).expect("read").lines().count(), 1);
}

#[tokio::test]
async fn commands_that_do_not_give_a_token_say_why() {
    let (_, source) = keyring();
    let check = async |words: &[&str], expected: &str| {
        let error = token(&source, &command(words)).await.expect_err("no token").to_string();
        assert!(error.contains(expected), "{error}");
        assert!(!error.contains("s3cret"), "{error}");
    };
    check(&[], "the command is empty").await;
    check(&["/nonexistent/vault"], "does not start").await;
    check(&["sh", "-c", "echo 'sealed\u{7}' >&2; exit 3"], "exit status: 3: sealed\\u{7}").await;
    check(&["true"], "is empty").await;
    check(&["echo", "s3cret with blanks"], "no single word of printable ASCII").await;
    check(&["echo", "{\"tokem\":\"s3cret\"}"], "starts like JSON").await;
    check(&["sh", "-c", "yes s3cret | tr -d '\\n'"], "ended with").await;
}

#[tokio::test(start_paused = true)]
async fn a_command_that_hangs_is_ended() {
    let (_, source) = keyring();
    let error = token(&source, &command(&["sleep", "60"])).await.expect_err("too slow");
    assert_eq!(error.to_string(), "the token command sleep did not end within 10 s");
}

#[test]
fn a_source_prints_no_secret() {
    let (_, source) = keyring();
    assert_eq!(format!("{source:?}"), "TokenSource { .. }");
}

/// Runs the test below in a D-Bus session of its own, prepared by a shell line; false when this
/// machine has no Secret Service to try.
fn in_session(expected: &str, prepare: &str) -> bool {
    let installed = |program: &str| {
        std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
            .any(|folder| folder.join(program).is_file())
    };
    if !installed("dbus-run-session") || !installed("gnome-keyring-daemon") {
        return false;
    }
    let home = TempDir::new().expect("a folder");
    let program = std::env::current_exe().expect("this program");
    let output = std::process::Command::new("dbus-run-session")
        .args(["--", "sh", "-c", &format!("{prepare}; exec \"$@\""), "sh"])
        .arg(program)
        .args(["credentials::asks_the_system_keyring", "--exact"])
        .env("HOME", home.path())
        .env("XDG_DATA_HOME", home.path())
        .env("XDG_RUNTIME_DIR", home.path())
        .env("PLUMB_TEST_KEYRING", expected)
        .env_remove("DISPLAY")
        .output()
        .expect("dbus-run-session runs");
    end_daemons(home.path());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    true
}

/// The keyring daemon outlives its session; it is ours when its home is.
fn end_daemons(home: &std::path::Path) {
    let mark = format!("HOME={}\0", home.display()).into_bytes();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        if environment.windows(mark.len()).any(|part| part == mark) {
            let pid = entry.file_name();
            // It may have ended by itself in between.
            let _ = std::process::Command::new("kill").arg(pid).output();
        }
    }
}

#[test]
fn a_real_keyring_keeps_a_token_and_its_absence_is_told() {
    const UNLOCK: &str =
        "printf test | gnome-keyring-daemon --unlock --components=secrets >/dev/null";
    const NO_BUS: &str =
        "DBUS_SESSION_BUS_ADDRESS=unix:path=/nonexistent; export DBUS_SESSION_BUS_ADDRESS";
    if !in_session("kept", UNLOCK) {
        eprintln!("skipped: no dbus-run-session or gnome-keyring-daemon on this machine");
        return;
    }
    in_session("use an environment variable instead", ":");
    in_session("no keyring service runs on this machine", NO_BUS);
}

/// What the test above runs in its sessions; alone it does nothing.
#[tokio::test]
async fn asks_the_system_keyring() {
    let Ok(expected) = std::env::var("PLUMB_TEST_KEYRING") else { return };
    let source = TokenSource::system();
    if let Err(error) = source.set("plumb-test", SecretString::from("t0ken")).await {
        assert!(error.to_string().contains(&expected), "{error}");
        return;
    }
    assert_eq!(expected, "kept");
    let reference = CredentialRef::Keyring("plumb-test".to_owned());
    assert_eq!(token(&source, &reference).await.as_deref(), Ok("t0ken"));
    source.delete("plumb-test").await.expect("removed");
    assert_eq!(source.status("plumb-test").await, KeyringStatus::Missing);
}
