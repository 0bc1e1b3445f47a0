//! A fleet that names a hub: OPAs are pinned, synced and rolled back by it, its lock and mailbox are used, and it is
//! told of runs. Hub, console, bundles and signatures are real, on loopback.

#[path = "hub/follower.rs"]
mod follower;

use std::fs;

use camino::{Utf8Path, Utf8PathBuf};
use follower::Follower;
use plumb_app::{
    App, AppOptions, KeyPlace, Passphrase,
    actions::approve::{Answer, Answering},
    error::Code,
    hub::{HubAccess, HubClient},
    personal_keys::{Algorithm, KeyChoice, PublicKey},
    views::{
        plan::{ActionKind, ActionRequest, NodeSelection, PlanView},
        rollout::{GateRequest, RolloutRequest, RunOrder, ShapeRequest},
        run::{RunPhase, RunView},
    },
};
use plumb_bundle::formats::{archive::Members, opa_archive};
use plumb_hub::{
    RoleMatrix, TeamHub, TeamOptions, admin, serve_team,
    wire::{
        DeploymentStatus, Deployments, Desired, DesiredHistory, LockView, NewIdentity, PackView,
        SetDesired,
    },
};
use plumb_trust::{JwtAlgorithm, SigningKey, sign_opa_files};
use serde_json::{Value, json};
use tempfile::TempDir;

const FLEET: &str = "eu";
const PASSPHRASE: &str = "a passphrase of tests";

/// A hub, two OPAs that follow it, and signed bundles of two versions, both published.
struct World {
    folder: TempDir,
    hub: Option<TeamHub>,
    client: HubClient,
    opas: Vec<Follower>,
}

impl World {
    async fn start() -> Self {
        let folder = TempDir::new().expect("a folder");
        let data = folder.path().join("hub");
        fs::create_dir_all(&data).expect("a folder");
        let (operator, node) = (token(&data, "operator").await, token(&data, "agent_node").await);
        token(&data, "admin").await;
        fs::write(folder.path().join("operator.token"), &operator).expect("written");
        let hub = serve_team(TeamOptions::new(&data)).await.expect("the hub starts");
        let access =
            HubAccess { url: hub.url(), token: Some(operator.into()), ..HubAccess::default() };
        let client = HubClient::new(&access).expect("an address");
        sign_bundles(folder.path());
        for version in ["1.0.0", "2.0.0"] {
            let path = format!("/v1/hub/packs/payments?version={version}&serve=false");
            let bytes = fs::read(folder.path().join(format!("bundles/v{version}.tar.gz")));
            let sent = client.send_bytes("POST", &path, bytes.expect("a bundle")).await;
            let view = serde_json::from_slice::<PackView>(&sent.expect("published"));
            assert!(view.expect("a pack").versions.iter().any(|one| one.version == version));
        }
        let first = SetDesired {
            pack: "payments".to_owned(),
            version: Some("1.0.0".to_owned()),
            digest: None,
            nodes: Vec::new(),
            reason: "the beginning".to_owned(),
            lease: None,
        };
        let path = format!("/v1/hub/fleets/{FLEET}/desired");
        let _: Desired = client.call("PUT", &path, &first).await.expect("taken");
        let mut opas = Vec::new();
        for name in ["opa-1", "opa-2"] {
            let mut opa = Follower::start(&hub.url(), FLEET, name, &node).await;
            opa.runs("1.0.0").await;
            opas.push(opa);
        }
        let world = Self { folder, hub: Some(hub), client, opas };
        world.write_fleet();
        world
    }

    fn path(&self, name: &str) -> Utf8PathBuf {
        Utf8Path::from_path(self.folder.path()).expect("UTF-8").join(name)
    }

    fn write_fleet(&self) {
        let url = self.hub.as_ref().expect("it runs").url();
        let token = self.path("operator.token");
        let mut text = format!(
            "name = \"{FLEET}\"\ndeadline_s = 2\nbundles = [\"bundles\"]\n\n[[trust.keys]]\n\
             id = \"signer\"\npem = \"signer.pem\"\n\n[hub]\nurl = \"{url}\"\n\
             credential = {{ command = [\"cat\", \"{token}\"] }}\n"
        );
        for (n, opa) in self.opas.iter().enumerate() {
            let (n, address) = (n + 1, opa.address);
            text = format!(
                "{text}\n[[node]]\nid = \"opa-{n}\"\napi = \"opa\"\nurl = \"http://{address}\"\n"
            );
        }
        fs::write(self.path("fleet.toml"), text).expect("written");
    }

    async fn app(&self, data: &str) -> App {
        let app = self.console(data, None).await;
        app.sweep(FLEET).await.expect("a sweep");
        app
    }

    /// A console with files of its own, of somebody that a roster may name.
    async fn console(&self, data: &str, person: Option<&str>) -> App {
        let keys = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/keys/ed25519.key");
        let passphrase = Passphrase::new(|| Ok("correct horse battery".into()));
        let options = AppOptions {
            console_key: KeyPlace::File { path: keys, passphrase },
            person: person.map(str::to_owned),
            ..AppOptions::command(self.path(data))
        };
        let app = App::open(options).await.expect("the files open");
        app.add_fleet(self.path("fleet.toml").as_str()).await.expect("the fleet opens");
        app
    }

    fn key(&self, name: &str) -> KeyChoice {
        let passphrase = Passphrase::new(|| Ok(PASSPHRASE.into()));
        KeyChoice::File { path: self.path(&format!("{name}.key")), passphrase }
    }

    /// A roster by which robin, of storage, has to consent to what avery asks for; with what enrols it.
    async fn roster(&self, app: &App) -> (Vec<u8>, PublicKey) {
        let mut keys = Vec::new();
        for name in ["vault", "avery", "robin"] {
            let place = (self.path(&format!("{name}.key")), PASSPHRASE.into());
            let made = app.make_personal_key(name, Algorithm::Ed25519, Some(place)).await;
            keys.push(made.expect("a key").public_key);
        }
        let root = PublicKey::try_from(keys[0].clone()).expect("a public key");
        let draft = app.draft_roster(vec![("vault".to_owned(), root.clone())], 1, 30);
        let mut draft: Value = serde_json::from_str(&draft.expect("a draft")).expect("JSON");
        for (name, group, key) in
            [("avery", "operations", &keys[1]), ("robin", "storage", &keys[2])]
        {
            draft["people"][name] =
                json!({ "name": name, "groups": [group], "keys": [{ "key": key }] });
        }
        draft["environments"]["careful"] = json!({ "rule": {
            "quorums": [{ "count": 1, "of": ["storage"] }], "valid_h_max": 8, "dry_run": false,
        } });
        draft["fleets"][FLEET] = json!("careful");
        let signed = app.sign_roster(draft.to_string().as_bytes(), &self.key("vault")).await;
        (signed.expect("signed").0, root)
    }

    async fn deployments(&self) -> Vec<(String, DeploymentStatus)> {
        let path = format!("/v1/hub/deployments?fleet={FLEET}");
        let known: Deployments = self.client.get(&path).await.expect("a log");
        known.deployments.into_iter().map(|one| (one.report.id, one.report.status)).collect()
    }

    async fn lock(&self) -> LockView {
        self.client.get(&format!("/v1/hub/fleets/{FLEET}/lock")).await.expect("an answer")
    }
}

async fn token(data: &std::path::Path, role: &str) -> String {
    let wanted = NewIdentity {
        name: format!("{role} of the test"),
        role: role.to_owned(),
        expires_after_s: 3_600,
        certificate: None,
        node: None,
    };
    let now = jiff::Timestamp::now();
    let made = admin::create_identity(data, &RoleMatrix::default(), &wanted, "test", now).await;
    made.expect("an identity").token.expect("a token")
}

fn sign_bundles(folder: &std::path::Path) {
    let mut fill = |bytes: &mut [u8]| rand::Rng::fill_bytes(&mut rand::rng(), bytes);
    let key = SigningKey::generate_p256().expect("a key");
    fs::write(folder.join("signer.pem"), key.public_pem().expect("a public key")).expect("written");
    fs::create_dir_all(folder.join("bundles")).expect("a folder");
    for (version, allows) in [("1.0.0", "false"), ("2.0.0", "true")] {
        let manifest = json!({ "revision": version, "roots": ["payments"],
            "metadata": { "bundle_id": "payments" } });
        let rego = format!("package payments\n\nimport rego.v1\n\ndefault allow := {allows}\n");
        let files = Members::from([
            (".manifest".to_owned(), manifest.to_string().into_bytes()),
            ("payments/payments.rego".to_owned(), rego.into_bytes()),
        ]);
        let signed = sign_opa_files(&files, &key, JwtAlgorithm::Es256, "signer", None, &mut fill);
        let archive = opa_archive::write(&signed.expect("signed")).expect("an archive");
        fs::write(folder.join(format!("bundles/v{version}.tar.gz")), archive).expect("written");
    }
}

fn pin(version: &str, nodes: NodeSelection) -> ActionRequest {
    ActionRequest {
        version: Some(version.to_owned()),
        ..ActionRequest::new(ActionKind::PinAndSync, nodes)
    }
}

fn only(node: &str) -> NodeSelection {
    NodeSelection::Nodes { ids: vec![node.to_owned()] }
}

async fn planned(app: &App, request: &ActionRequest) -> PlanView {
    app.prepare_plan(FLEET, request).await.expect("a plan")
}

async fn carried_out(app: &App, request: &ActionRequest) -> RunView {
    let plan = planned(app, request).await;
    assert!(plan.startable, "{:?} {:?}", plan.findings, plan.left_out);
    let run = app.start_run(FLEET, &plan.hash, None).await.expect("a run");
    let run = app.finished(&run.id).await.expect("a run");
    app.sweep(FLEET).await.expect("a sweep");
    run
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unmodified_opa_is_pinned_and_rolled_back_and_its_runs_stand_in_the_log() {
    let mut world = World::start().await;
    let app = world.app("console").await;

    let plan = planned(&app, &pin("2.0.0", NodeSelection::All)).await;
    assert!(plan.curl[0].contains("/v1/hub/fleets/eu/desired"), "{:?}", plan.curl);
    assert!(plan.targets[0].effects[0].starts_with("have the hub serve 2.0.0"));

    let run = carried_out(&app, &pin("2.0.0", NodeSelection::All)).await;
    assert_eq!(run.phase, RunPhase::Succeeded, "{run:?}");
    for opa in &mut world.opas {
        opa.runs("2.0.0").await;
    }
    assert_eq!(world.deployments().await, [(run.id.clone(), DeploymentStatus::Succeeded)]);
    assert!(!world.lock().await.held, "given back at the end");
    let path = format!("/v1/hub/fleets/{FLEET}/desired/history");
    let history: DesiredHistory = world.client.get(&path).await.expect("a history");
    let reason = &history.changes[0].change.reason;
    assert!(reason.contains(&run.id), "{reason}");

    // Back to what one of them was seen to run before, and the undo of that.
    let back = ActionRequest::new(ActionKind::Rollback, only("opa-1"));
    let back = carried_out(&app, &back).await;
    assert_eq!(back.phase, RunPhase::Succeeded, "{back:?}");
    world.opas[0].runs("1.0.0").await;
    let undo = ActionRequest {
        run: Some(back.id.clone()),
        ..ActionRequest::new(ActionKind::Undo, NodeSelection::All)
    };
    let undone = carried_out(&app, &undo).await;
    assert_eq!(undone.phase, RunPhase::Succeeded, "{undone:?}");
    world.opas[0].runs("2.0.0").await;
    app.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_not_published_is_found_before_the_start() {
    let world = World::start().await;
    sign_bundles(world.folder.path());
    let app = world.app("console").await;
    let plan = planned(&app, &pin("2.0.0", only("opa-1"))).await;
    assert!(!plan.startable);
    let missing = plan.findings.iter().find(|finding| finding.code == "bundle_missing");
    let missing = missing.expect("it was signed anew, and not published");
    assert!(missing.remedy.contains("plumb hub packs publish"), "{missing:?}");
    app.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_a_rollout_holds_the_lock_nobody_else_deploys() {
    let world = World::start().await;
    let (app, other) = (world.app("one").await, world.app("other").await);
    let gate = GateRequest {
        convergence_percent: Some(100),
        attest: Some("the canary answers as it should".to_owned()),
        ..GateRequest::default()
    };
    let rollout = RolloutRequest {
        shape: ShapeRequest::Shares { canary: None, percent: vec![50] },
        gate: Some(gate),
        roll_back_on_failure: false,
        failures_tolerated: 0,
    };
    let request = ActionRequest { rollout: Some(rollout), ..pin("2.0.0", NodeSelection::All) };
    let plan = planned(&app, &request).await;
    let run = app.start_run(FLEET, &plan.hash, None).await.expect("a run");
    let mut topics = app.subscribe();
    while app.run(&run.id).await.expect("a run").phase != RunPhase::AtGate {
        topics.recv().await.expect("open");
    }
    let held = world.lock().await;
    assert_eq!(held.purpose.as_deref(), Some(run.id.as_str()));
    assert_eq!(world.deployments().await, [(run.id.clone(), DeploymentStatus::Started)]);

    let theirs = planned(&other, &pin("2.0.0", only("opa-2"))).await;
    let finding = theirs.findings.iter().find(|finding| finding.code == "lock_held");
    assert!(finding.expect("held").message.starts_with("operator of the test at the hub"));
    let refused = other.start_run(FLEET, &theirs.hash, None).await.expect_err("held");
    assert!(refused.message.contains("deployment lock"), "{refused:?}");
    // Nor by hand, past every console.
    let by_hand = SetDesired {
        pack: "payments".to_owned(),
        version: Some("1.0.0".to_owned()),
        digest: None,
        nodes: vec!["opa-1".to_owned()],
        reason: String::new(),
        lease: None,
    };
    let path = format!("/v1/hub/fleets/{FLEET}/desired");
    let refused = world.client.call::<Desired>("PUT", &path, &by_hand).await.expect_err("held");
    assert!(refused.to_string().contains("holds the lock of this fleet"), "{refused}");

    app.order_run(&run.id, &RunOrder::Abort).await.expect("an order");
    app.finished(&run.id).await.expect("a run");
    assert!(!world.lock().await.held);
    assert_eq!(world.deployments().await, [(run.id, DeploymentStatus::Aborted)]);
    app.close().await;
    other.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_hub_nothing_is_started_and_the_log_is_caught_up_with() {
    let mut world = World::start().await;
    let app = world.app("console").await;
    let plan = planned(&app, &pin("2.0.0", NodeSelection::All)).await;
    let hub = world.hub.take().expect("it runs");
    let address = hub.address();
    hub.shutdown().await;
    let refused = app.start_run(FLEET, &plan.hash, None).await.expect_err("no lock");
    assert!(matches!(refused.code, Code::Busy | Code::Unreachable), "{refused:?}");
    assert!(refused.message.contains("no answer from the hub"), "{refused:?}");
    let options = TeamOptions { listen: address, ..TeamOptions::new(world.path("hub")) };
    let hub = serve_team(options).await.expect("the hub starts again");
    let run = app.start_run(FLEET, &plan.hash, None).await.expect("a run");
    let run = app.finished(&run.id).await.expect("a run");
    assert_eq!(run.phase, RunPhase::Succeeded, "{run:?}");
    assert_eq!(world.deployments().await, [(run.id, DeploymentStatus::Succeeded)]);
    world.hub = Some(hub);
    app.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consent_goes_through_the_mailbox_of_the_plan() {
    let world = World::start().await;
    let avery = world.console("avery", Some("avery")).await;
    let robin = world.console("robin", Some("robin")).await;
    let (roster, root) = world.roster(&avery).await;
    for app in [&avery, &robin] {
        app.enrol_roster(FLEET, &roster, std::slice::from_ref(&root)).await.expect("enrolled");
    }
    avery.sweep(FLEET).await.expect("a sweep");
    let plan = planned(&avery, &pin("2.0.0", NodeSelection::All)).await;
    let refused = avery.start_run(FLEET, &plan.hash, None).await.expect_err("nobody consented");
    assert_eq!(refused.code, Code::Invalid, "{refused:?}");
    avery.request_approval(&plan.hash, None, &world.key("avery")).await.expect("asked");

    // Nothing goes from one to the other but by the hub.
    let request = robin.request_at_hub(FLEET, &plan.hash).await.expect("it is there");
    let shown = robin.look_at_request(&request).await.expect("a request");
    assert_eq!((shown.requester.as_str(), shown.problems), ("avery", Vec::new()));
    let answering =
        Answering { answer: Answer::Approve, role: None, valid_h: None, key: world.key("robin") };
    robin.answer_request(&request, &answering).await.expect("answered");
    let (taken, refused) =
        avery.collect_approvals(FLEET, &plan.hash).await.expect("the mailbox is there");
    assert_eq!((taken, refused), (1, Vec::new()));
    assert!(avery.approvals_of(&plan.hash).await.expect("they stand somehow").consented);
    let run = avery.start_run(FLEET, &plan.hash, None).await.expect("a run");
    let run = avery.finished(&run.id).await.expect("a run");
    assert_eq!(run.phase, RunPhase::Succeeded, "{run:?}");
    let none = robin.request_at_hub(FLEET, &"0".repeat(64)).await.expect_err("of no plan");
    assert_eq!(none.code, Code::NotFound, "{none:?}");
    avery.close().await;
    robin.close().await;
}
