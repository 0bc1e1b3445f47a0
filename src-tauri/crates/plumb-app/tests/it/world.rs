//! A small real fleet: agents on loopback, signed bundles in a folder, an application over it.

use std::{fmt::Write as _, fs, path::Path};

use camino::{Utf8Path, Utf8PathBuf};
use jiff::Timestamp;
use plumb_agent::{Agent, AgentConfig, Governance, Recording, RunningAgent, TrustKey};
use plumb_app::{
    App, AppOptions, KeyPlace, Passphrase,
    actions::capture::{CaptureRequest, Sealer},
    views::{
        fleet::{FleetPage, FleetSort, FleetView},
        plan::{ActionKind, ActionRequest, NodeSelection},
    },
};
use plumb_bundle::{formats::signed_json::BundleDraft, json};
use plumb_trust::{SigningKey, sign_bundle};
use tempfile::TempDir;

/// Versions every world has: file name, version, policies.
const BUNDLES: [(&str, &str, &str); 3] = [
    ("v1.signed.json", "1.0.0", r#"[{"id":"payments.read","effect":"allow"}]"#),
    (
        "v2.signed.json",
        "2.0.0",
        r#"[{"id":"payments.read","effect":"allow"},{"id":"payments.refund","effect":"deny"}]"#,
    ),
    (
        "v2-other.signed.json",
        "2.0.0",
        r#"[{"id":"payments.read","effect":"allow"},{"id":"payments.refund","effect":"allow"}]"#,
    ),
];

pub(crate) struct World {
    pub(crate) folder: TempDir,
    pub(crate) agents: Vec<(String, RunningAgent)>,
}

/// The fleet as it stands, with a run, captured and sealed by the console. With `ask` its nodes are asked once more.
pub(crate) async fn sealed_evidence(
    world: &World,
    app: &App,
    run: Option<&str>,
    ask: bool,
) -> Utf8PathBuf {
    let request = CaptureRequest {
        fleet: "eu".to_owned(),
        run: run.map(str::to_owned),
        last_s: None,
        nodes: NodeSelection::All,
        ask,
        command: Vec::new(),
        map: None,
        raw: None,
    };
    let (draft, path) = (world.path("draft"), world.path("evidence.zip"));
    app.capture_evidence(&request, &draft).await.expect("captured");
    app.seal_evidence(&draft, &path, &Sealer::Console).await.expect("sealed");
    path
}

impl World {
    /// Starts one agent for each name and bundle file.
    pub(crate) async fn start(nodes: &[(&str, &str)]) -> Self {
        Self::start_with(nodes, None).await
    }

    /// The same with agents that go by a roster, and take what was approved only, if asked to.
    pub(crate) async fn start_ruled(
        nodes: &[(&str, &str)],
        roster: &[u8],
        require_approval: bool,
    ) -> Self {
        Self::start_with(nodes, Some((roster, require_approval))).await
    }

    async fn start_with(nodes: &[(&str, &str)], ruled: Option<(&[u8], bool)>) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        sign_bundles(folder.path());
        let file = folder.path().join("roster.json");
        if let Some((roster, _)) = ruled {
            fs::write(&file, roster).expect("written");
        }
        let mut agents = Vec::new();
        for (name, bundle) in nodes {
            let governance = ruled.map(|(_, require)| {
                Governance::new(file.clone(), &format!("eu/{name}"), require).expect("a member")
            });
            agents.push((
                (*name).to_owned(),
                start_agent(folder.path(), name, bundle, governance).await,
            ));
        }
        let world = Self { folder, agents };
        world.write_fleet("");
        world
    }

    pub(crate) fn path(&self, name: &str) -> Utf8PathBuf {
        Utf8Path::from_path(self.folder.path()).expect("UTF-8").join(name)
    }

    /// Writes the fleet file; `extra` are lines before the tables.
    pub(crate) fn write_fleet(&self, extra: &str) {
        let mut text = format!(
            "name = \"eu\"\n{extra}\ndeadline_s = 2\nbundles = [\"bundles\"]\n\n[desired]\nversion = \"2.0.0\"\ncontent = \"{}\"\n\n[[trust.keys]]\nid = \"signer\"\npem = \"signer.pem\"\n",
            self.content("v2.signed.json")
        );
        for (name, agent) in &self.agents {
            let address = agent.address();
            write!(
                text,
                "\n[[node]]\nid = \"{name}\"\napi = \"agent\"\nurl = \"http://{address}\"\n"
            )
            .expect("writing to a string");
        }
        fs::write(self.folder.path().join("fleet.toml"), text).expect("the fleet file is written");
    }

    /// Content digest of a bundle file.
    pub(crate) fn content(&self, file: &str) -> String {
        let bytes = fs::read(self.folder.path().join("bundles").join(file)).expect("a bundle");
        plumb_bundle::Bundle::read(&bytes).expect("a valid bundle").content.to_string()
    }

    /// A console that signs with a throw-away key, whatever keyring this machine has.
    pub(crate) fn options(&self) -> AppOptions {
        AppOptions { console_key: throw_away_key(), ..AppOptions::command(self.path("data")) }
    }

    pub(crate) async fn app(&self) -> App {
        let app = App::open(self.options()).await.expect("the files open");
        app.add_fleet(self.path("fleet.toml").as_str()).await.expect("the fleet opens");
        app
    }

    /// Another console over the same fleet, with files of its own.
    pub(crate) async fn app_of(&self, name: &str) -> App {
        let options = AppOptions { data_dir: self.path(name), ..self.options() };
        let app = App::open(options).await.expect("the files open");
        app.add_fleet(self.path("fleet.toml").as_str()).await.expect("the fleet opens");
        app
    }

    /// Ends every agent; their addresses refuse connections from now on.
    pub(crate) async fn stop_agents(&mut self) {
        for (_, agent) in self.agents.drain(..) {
            agent.shutdown().await;
        }
    }
}

fn sign_bundles(folder: &Path) {
    let bundles = folder.join("bundles");
    fs::create_dir_all(&bundles).expect("a folder");
    let key = SigningKey::generate_rsa(2048, &mut fill()).expect("a key");
    fs::write(folder.join("signer.pem"), key.public_pem().expect("a public key")).expect("written");
    for (file, version, policies) in BUNDLES {
        let json::Value::Array(policies) = json::parse(policies.as_bytes()).expect("policies")
        else {
            panic!("policies are a list")
        };
        let draft = BundleDraft {
            id: "payments".to_owned(),
            version: version.to_owned(),
            issued_at: "2026-11-01T00:00:00Z".parse::<Timestamp>().expect("a time"),
            issuer: None,
            description: None,
            expires_at: None,
            tags: Vec::new(),
            policies,
        };
        let unsigned = draft.build().expect("a valid bundle");
        let signed = sign_bundle(&unsigned, &key, "signer", &mut fill()).expect("signed");
        fs::write(bundles.join(file), signed).expect("written");
    }
}

/// A key that everybody has, under a passphrase that everybody knows.
pub(crate) fn throw_away_key() -> KeyPlace {
    KeyPlace::File {
        path: Utf8Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../../tests/fixtures/keys/ed25519.key"),
        passphrase: Passphrase::new(|| Ok("correct horse battery".into())),
    }
}

/// Randomness for keys and salts.
fn fill() -> impl FnMut(&mut [u8]) {
    |bytes: &mut [u8]| rand::Rng::fill_bytes(&mut rand::rng(), bytes)
}

async fn start_agent(
    folder: &Path,
    name: &str,
    bundle: &str,
    governance: Option<Governance>,
) -> RunningAgent {
    let trust = vec![TrustKey { id: "signer".to_owned(), pem: folder.join("signer.pem") }];
    let config = AgentConfig {
        state_dir: Some(folder.join("state").join(name)),
        watch: false,
        governance,
        recording: Some(Recording::new(1.0, &["/context/user".to_owned()]).expect("a recording")),
        ..AgentConfig::new(folder.join("bundles").join(bundle), trust)
    };
    Agent::start(config).await.expect("the agent starts")
}

pub(crate) fn page(filter: &str) -> FleetPage {
    FleetPage {
        filter: filter.to_owned(),
        sort: FleetSort::Name,
        descending: false,
        offset: 0,
        limit: 100,
    }
}

/// Names and states of the rows, as a person reads them.
pub(crate) fn states(view: &FleetView) -> Vec<(String, String)> {
    view.rows.iter().map(|row| (row.id.clone(), format!("{:?}", row.state))).collect()
}

pub(crate) fn sync_drifted() -> ActionRequest {
    ActionRequest::new(ActionKind::Sync, NodeSelection::Drifted)
}
