//! People with keys in files, and a roster that makes two of them consent to what the third asks for.

use camino::Utf8PathBuf;
use jiff::Timestamp;
use plumb_app::{
    App, AppOptions, Passphrase,
    actions::approve::{Answer, Answering},
    personal_keys::{Algorithm, KeyChoice, PublicKey},
    views::approvals::SignedView,
};
use serde_json::{Value, json};

use crate::world::World;

const PASSPHRASE: &str = "a passphrase of tests";
const PEOPLE: [(&str, &str); 3] =
    [("rick", "operations"), ("mara", "storage"), ("piet", "platform-security")];

pub(crate) struct Company {
    folder: Utf8PathBuf,
    pub(crate) root: PublicKey,
    draft: Value,
}

impl Company {
    /// Makes keys of everybody; `change` completes what holds for the fleet of the world.
    pub(crate) async fn found(world: &World, app: &App, change: impl FnOnce(&mut Value)) -> Self {
        let root = key(world, app, "vault").await;
        let draft = app.draft_roster(vec![("vault".to_owned(), root.clone())], 1, 30);
        let mut draft: Value =
            serde_json::from_str(&draft.expect("a draft")).expect("a draft is JSON");
        for (name, group) in PEOPLE {
            let key = key(world, app, name).await;
            draft["people"][name] =
                json!({ "name": name, "groups": [group], "keys": [{ "key": String::from(key) }] });
        }
        draft["environments"]["careful"] = json!({ "rule": {
            "quorums": [{ "count": 1, "of": ["storage"] }, { "count": 1, "of": ["platform-security"] }],
            "valid_h_max": 8,
            "dry_run": true,
            "night_rollback": { "from_utc": "00:00:00", "until_utc": "23:59:59.999999999" },
        } });
        draft["fleets"]["eu"] = json!("careful");
        change(&mut draft);
        let company = Self { folder: world.path(""), root, draft };
        company.enrol(app, "eu").await;
        company
    }

    /// Signs the roster as it is now and enrols it for a fleet.
    pub(crate) async fn enrol(&self, app: &App, fleet: &str) {
        let draft = self.draft.to_string();
        let (signed, _) =
            app.sign_roster(draft.as_bytes(), &self.key("vault")).await.expect("signed");
        let root = [self.root.clone()];
        app.enrol_roster(fleet, &signed, &root).await.expect("the roster is accepted");
    }

    /// Changes the roster, under the next version.
    pub(crate) async fn amend(&mut self, app: &App, change: impl FnOnce(&mut Value)) {
        change(&mut self.draft);
        let version = self.draft["version"].as_u64().expect("a version");
        self.draft["version"] = json!(version + 1);
        self.enrol(app, "eu").await;
    }

    pub(crate) fn key(&self, name: &str) -> KeyChoice {
        let passphrase = Passphrase::new(|| Ok(PASSPHRASE.into()));
        KeyChoice::File { path: self.folder.join(format!("{name}.key")), passphrase }
    }

    /// Rick asks for approval of a plan that was shown.
    pub(crate) async fn ask(&self, app: &App, plan: &str) -> (Vec<u8>, SignedView) {
        app.request_approval(plan, None, &self.key("rick")).await.expect("asked")
    }

    /// Somebody approves what was asked for, and it is added.
    pub(crate) async fn approve(&self, app: &App, request: &[u8], who: &str) {
        let answering =
            Answering { answer: Answer::Approve, role: None, valid_h: None, key: self.key(who) };
        let (envelope, _) = app.answer_request(request, &answering).await.expect("answered");
        app.add_approval("eu", &envelope).await.expect("added");
    }

    /// Rick asks, mara and piet approve.
    pub(crate) async fn agree(&self, app: &App, plan: &str) {
        let (request, _) = self.ask(app, plan).await;
        for who in ["mara", "piet"] {
            self.approve(app, &request, who).await;
        }
        let standing = app.approvals_of(plan).await.expect("they stand somehow");
        assert!(standing.consented, "{standing:?}");
    }
}

/// The console of the one who asks.
pub(crate) async fn console_of_rick(world: &World) -> App {
    let options = AppOptions { person: Some("rick".to_owned()), ..world.options() };
    let app = App::open(options).await.expect("the files open");
    app.add_fleet(world.path("fleet.toml").as_str()).await.expect("the fleet opens");
    app
}

async fn key(world: &World, app: &App, name: &str) -> PublicKey {
    let file = (world.path(&format!("{name}.key")), PASSPHRASE.into());
    let made = app.make_personal_key(name, Algorithm::Ed25519, Some(file)).await;
    PublicKey::try_from(made.expect("a key").public_key).expect("a public key")
}

/// A moment so many minutes from now, as a roster writes it.
pub(crate) fn in_minutes(minutes: i64) -> String {
    (Timestamp::now() + jiff::SignedDuration::from_mins(minutes)).to_string()
}
