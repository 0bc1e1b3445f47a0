//! A small real fleet whose mutating requests are counted on the wire, and a console that signs.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    io::{Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use assert_cmd::Command;
use camino::{Utf8Path, Utf8PathBuf};
use plumb_agent::{Agent, AgentConfig, RunningAgent, TrustKey};
use plumb_app::{
    App, AppOptions, KeyPlace, Passphrase,
    views::{
        plan::{ActionKind, ActionRequest, NodeSelection},
        rollout::{GateRequest, RolloutRequest, ShapeRequest},
    },
};
use plumb_bundle::{formats::signed_json::BundleDraft, json};
use plumb_trust::{SigningKey, sign_bundle};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::world::plumb;

/// A key that everybody has, and its passphrase.
pub(crate) const CONSOLE_KEY: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../../tests/fixtures/keys/ed25519.key");
pub(crate) const PASSPHRASE: &str = "correct horse battery";
/// Makes every node load anew, so that each effect leaves a trace on it.
pub(crate) const SYNC: [&str; 7] =
    ["policy", "sync", "--force", "--all-nodes", "--yes", "--reason", "each load leaves a trace"];

/// What came by on the wire.
#[derive(Debug, Default)]
struct Wire {
    /// Idempotency keys of requests, in order.
    keys: Mutex<Vec<String>>,
    /// Requests of any kind.
    requests: AtomicUsize,
}

pub(crate) struct Recorded {
    folder: TempDir,
    pub(crate) runtime: Runtime,
    agents: BTreeMap<String, RunningAgent>,
    wire: Arc<Wire>,
}

impl Recorded {
    /// Starts agents that run what is desired, each behind a counter of its requests.
    pub(crate) fn start(nodes: usize) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let runtime = Runtime::new().expect("a runtime");
        let content = sign(folder.path());
        let wire = Arc::<Wire>::default();
        let mut agents = BTreeMap::new();
        let mut fleet = format!(
            "name = \"eu\"\ndeadline_s = 5\nbundles = [\"bundles\"]\n\n[desired]\nversion = \"2.0.0\"\n\
             content = \"{content}\"\n\n[[trust.keys]]\nid = \"signer\"\npem = \"signer.pem\"\n"
        );
        for number in 1..=nodes {
            let name = format!("gw-{number}");
            let agent = runtime.block_on(start_agent(folder.path(), &name));
            let address = counted(agent.address(), &wire);
            write!(
                fleet,
                "\n[[node]]\nid = \"{name}\"\napi = \"agent\"\nurl = \"http://{address}\"\n"
            )
            .expect("writing to a string");
            agents.insert(name, agent);
        }
        fs::write(folder.path().join("fleet.toml"), fleet).expect("writable");
        let recorded = Self { folder, runtime, agents, wire };
        let added = recorded.command(&["fleet", "add", "fleet.toml"]).output().expect("starts");
        assert!(added.status.success(), "{added:?}");
        recorded
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The program with its words, on the data folder of this fleet.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = plumb();
        command.current_dir(self.folder.path()).args(words);
        self.environment().into_iter().fold(command, |mut command, (name, value)| {
            command.env(name, value);
            command
        })
    }

    /// Keeps a plan that makes every node load anew, and gives its hash. Each runs once.
    pub(crate) fn planned(&self) -> String {
        self.kept(None)
    }

    /// The same node after node, each past a gate.
    pub(crate) fn planned_in_waves(&self) -> String {
        self.kept(Some(RolloutRequest {
            shape: ShapeRequest::OneByOne,
            gate: Some(GateRequest { convergence_percent: Some(100), ..GateRequest::default() }),
            roll_back_on_failure: false,
            failures_tolerated: 0,
        }))
    }

    fn kept(&self, rollout: Option<RolloutRequest>) -> String {
        let app = self.open(&self.path("data"));
        let all = ActionRequest::new(ActionKind::Sync, NodeSelection::All);
        let plan = self.runtime.block_on(async {
            let plan = app.prepare_plan("eu", &ActionRequest { force: true, rollout, ..all }).await;
            app.close().await;
            plan.expect("a plan")
        });
        plan.hash
    }

    /// What a program of this fleet's console finds in its environment.
    pub(crate) fn environment(&self) -> [(&'static str, String); 3] {
        [
            ("PLUMBLINE_DATA_DIR", self.path("data").display().to_string()),
            ("PLUMBLINE_CONSOLE_KEY", CONSOLE_KEY.to_owned()),
            ("PLUMBLINE_KEY_PASSPHRASE", PASSPHRASE.to_owned()),
        ]
    }

    /// The console in this process, on a data folder.
    pub(crate) fn open(&self, data_dir: &Path) -> App {
        let data_dir = Utf8PathBuf::from_path_buf(data_dir.to_owned()).expect("UTF-8");
        let console_key = KeyPlace::File {
            path: Utf8Path::new(CONSOLE_KEY).to_owned(),
            passphrase: Passphrase::new(|| Ok(PASSPHRASE.into())),
        };
        let options = AppOptions { console_key, ..AppOptions::command(data_dir) };
        self.runtime.block_on(App::open(options)).expect("the files open")
    }

    /// Keys of mutating requests that have left so far.
    pub(crate) fn sent(&self) -> Vec<String> {
        self.wire.keys.lock().expect("no panic while keys are held").clone()
    }

    /// How many requests, of any kind, have left so far.
    pub(crate) fn requests(&self) -> usize {
        self.wire.requests.load(Ordering::Relaxed)
    }

    /// How often each node says that it loaded since it was started.
    pub(crate) fn loads(&self) -> BTreeMap<String, usize> {
        self.agents
            .iter()
            .map(|(name, agent)| {
                let answer = get(agent.address(), "/v1/agent/history?limit=1000");
                let loads = answer.matches("\"trigger\":").count();
                assert!(loads > 0, "{name} has a history: {answer}");
                (name.clone(), loads)
            })
            .collect()
    }
}

impl Drop for Recorded {
    fn drop(&mut self) {
        for (_, agent) in std::mem::take(&mut self.agents) {
            self.runtime.block_on(agent.shutdown());
        }
    }
}

/// What a journal tells of the effects of its run, by their idempotency keys.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) intended: BTreeSet<String>,
    /// Those of them that make a node load.
    pub(crate) loads: BTreeSet<String>,
    /// Those of them that a node said it did.
    pub(crate) accepted: BTreeSet<String>,
}

impl Told {
    /// Reads an exported journal of a run.
    pub(crate) fn by(journal: &str, run: &str) -> Self {
        let mut told = Self::default();
        for line in journal.lines() {
            let line: Value = serde_json::from_str(line).expect("JSON Lines");
            let event = &line["body"]["event"];
            let key =
                || format!("{run}/{}/{}", event["node"].as_str().expect("a node"), event["index"]);
            match event["event"].as_str() {
                Some("effect_started") => {
                    assert_eq!(event["key"], key(), "the key names run, node and effect");
                    told.intended.insert(key());
                    if event["effect"]["effect"] == "sync" {
                        told.loads.insert(key());
                    }
                }
                Some("effect_finished") if event["outcome"]["outcome"] == "accepted" => {
                    told.accepted.insert(key());
                }
                _ => {}
            }
        }
        told
    }
}

fn sign(folder: &Path) -> String {
    let fill = &mut |bytes: &mut [u8]| aws_lc_rs::rand::fill(bytes).expect("randomness");
    let key = SigningKey::generate_rsa(2048, fill).expect("a key");
    fs::write(folder.join("signer.pem"), key.public_pem().expect("a public key")).expect("written");
    let json::Value::Array(policies) =
        json::parse(br#"[{"id":"payments.read","effect":"allow"}]"#).expect("policies")
    else {
        panic!("policies are a list")
    };
    let draft = BundleDraft {
        id: "payments".to_owned(),
        version: "2.0.0".to_owned(),
        issued_at: "2026-11-01T00:00:00Z".parse().expect("a time"),
        issuer: None,
        description: None,
        expires_at: None,
        tags: Vec::new(),
        policies,
    };
    let unsigned = draft.build().expect("a valid bundle");
    let signed = sign_bundle(&unsigned, &key, "signer", fill).expect("signed");
    fs::create_dir_all(folder.join("bundles")).expect("a folder");
    fs::write(folder.join("bundles/v2.signed.json"), &signed).expect("written");
    plumb_bundle::Bundle::read(&signed).expect("a bundle").content.to_string()
}

async fn start_agent(folder: &Path, name: &str) -> RunningAgent {
    let trust = vec![TrustKey { id: "signer".to_owned(), pem: folder.join("signer.pem") }];
    let config = AgentConfig {
        state_dir: Some(folder.join("state").join(name)),
        watch: false,
        ..AgentConfig::new(folder.join("bundles/v2.signed.json"), trust)
    };
    Agent::start(config).await.expect("the agent starts")
}

/// Listens in front of a node and notes each request that comes by.
fn counted(node: SocketAddr, wire: &Arc<Wire>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let wire = wire.clone();
    // The thread ends with the process, as its listener does.
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let Ok(server) = TcpStream::connect(node) else { continue };
            let (to_client, from_server) = (client.try_clone(), server.try_clone());
            let (Ok(to_client), Ok(from_server)) = (to_client, from_server) else { continue };
            let wire = wire.clone();
            thread::spawn(move || forward(client, server, |line| wire.note(line)));
            thread::spawn(move || forward(from_server, to_client, |_| {}));
        }
    });
    address
}

impl Wire {
    fn note(&self, line: &str) {
        if line.trim_end().ends_with(" HTTP/1.1") {
            self.requests.fetch_add(1, Ordering::Relaxed);
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("idempotency-key")
        {
            self.keys.lock().expect("no panic while keys are held").push(value.trim().to_owned());
        }
    }
}

/// Copies one direction of a connection, and shows each line before it goes on.
fn forward(mut from: TcpStream, mut to: TcpStream, mut seen: impl FnMut(&str)) {
    let (mut chunk, mut line) = ([0; 4096], Vec::new());
    while let Ok(length @ 1..) = from.read(&mut chunk) {
        for byte in &chunk[..length] {
            match byte {
                b'\n' => {
                    seen(&String::from_utf8_lossy(&line));
                    line.clear();
                }
                byte => line.push(*byte),
            }
        }
        if to.write_all(&chunk[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

fn get(node: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(node).expect("connects");
    let request = format!("GET {path} HTTP/1.1\r\nhost: {node}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("writes");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("reads");
    answer
}
