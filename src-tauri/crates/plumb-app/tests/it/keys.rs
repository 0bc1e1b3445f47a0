//! Keys of people as the window shows them: made, taken from files, and whose they are.

use plumb_app::{
    App, AppOptions,
    error::Code,
    views::consent::{KeyAlgorithm, KeyFileRequest, NewKeyRequest},
};

use crate::{refused::Ruled, world::World};

const PASSPHRASE: &str = "correct horse battery";
const ONE: [(&str, &str); 1] = [("gw-1", "v1.signed.json")];

fn in_file(path: &str, passphrase: &str) -> KeyFileRequest {
    KeyFileRequest { path: path.to_owned(), passphrase: passphrase.into() }
}

fn asked(name: &str, algorithm: KeyAlgorithm, file: Option<KeyFileRequest>) -> NewKeyRequest {
    NewKeyRequest { name: name.to_owned(), algorithm, file }
}

#[tokio::test]
async fn a_key_is_made_in_a_file_and_its_private_half_is_in_no_answer() {
    let world = World::start(&ONE).await;
    let app = world.app().await;
    assert!(app.signing_keys(None).await.expect("none yet").keys.is_empty());
    let path = world.path("mira.pem").into_string();
    let file = Some(in_file(&path, PASSPHRASE));
    let made = app.make_own_key(asked(" mira ", KeyAlgorithm::EcdsaP256, file)).await;
    let made = made.expect("a key");
    assert_eq!((made.name.as_str(), made.place.as_str()), ("mira", path.as_str()));
    assert!(made.pem.starts_with("-----BEGIN PUBLIC KEY-----"), "{}", made.pem);
    let view = app.signing_keys(Some("eu")).await.expect("a view");
    assert_eq!((view.keys, view.asks_as, view.unknown), (vec![made], None, None));
    let again = Some(in_file(world.path("other.pem").as_str(), PASSPHRASE));
    let taken = app.make_own_key(asked("mira", KeyAlgorithm::Ed25519, again)).await;
    assert!(taken.expect_err("the name is taken").message.contains("mira already"));
    assert!(!world.path("other.pem").exists(), "nothing was made for it");
    let here = app.make_own_key(asked("sam", KeyAlgorithm::Ed25519, Some(in_file("sam.pem", "x"))));
    assert!(here.await.expect_err("which folder?").message.contains("not the whole path"));
    app.close().await;
}

#[tokio::test]
async fn a_key_in_a_file_is_taken_with_its_passphrase_and_then_it_is_known_who_asks() {
    let ruled = Ruled::new();
    let world = World::start_ruled(&ONE, &ruled.company.envelope(), false).await;
    ruled.app(&world).await.close().await;
    // Nobody says who sits here.
    let options = AppOptions { person: None, ..world.options() };
    let app = App::open(options).await.expect("the files open");
    let before = app.signing_keys(Some("eu")).await.expect("a view");
    assert!(before.asks_as.is_none() && before.unknown.is_some_and(|why| why.contains("who asks")));

    ruled.key(&world, "tove");
    let path = world.path("tove.key").into_string();
    let wrong = app.take_own_key("laptop", in_file(&path, "another")).await;
    assert_eq!(wrong.expect_err("another passphrase").code, Code::Keyring);
    assert!(app.signing_keys(None).await.expect("a view").keys.is_empty());
    let taken = app.take_own_key("laptop", in_file(&path, PASSPHRASE)).await.expect("taken");
    assert_eq!(taken.place, path);
    let twice = app.take_own_key("usb", in_file(&path, PASSPHRASE)).await;
    assert!(twice.expect_err("it is here").message.contains("by the name laptop"));
    let after = app.signing_keys(Some("eu")).await.expect("a view");
    assert_eq!(after.asks_as.as_deref(), Some("tove"), "{after:?}");
    app.close().await;
}
