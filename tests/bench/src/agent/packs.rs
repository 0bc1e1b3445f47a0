//! Attested packs: how soon two hundred agents run a new one, and what a decision of one costs over HTTP.

use std::{
    cell::RefCell,
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use plumb_agent::{
    Agent, AgentConfig, EmbeddedSettings, PackEngine, PackFetching, RunningAgent,
    fetch::{Activate, FetchConfig, FetchMode, SigstoreVerifier},
    sidecar::{Sidecar, SidecarConfig},
};
use plumb_bundle::{
    formats::{archive::Members, pack},
    json::Value,
};
use plumb_hub::{HubConfig, RunningHub, publish, serve_packs};
use plumb_pki::{Pki, Recipe};
use plumb_trust::{Identity, Profile, SigstoreRoot, TrustPolicy, Window};
use tokio::runtime::Runtime;

use super::{
    bundles::Signer,
    load::{Ask, under_load},
    opa::{self, Opa},
};
use crate::{
    http::Connection,
    report::{RUNS, Report, best},
};

/// Agents that learn of the same pack at the same time.
const AGENTS: usize = 200;
/// From the publication to the version metric, for 95 of a hundred agents, in milliseconds.
const TOLD_MS: f64 = 2_000.0;
/// The same for every agent that asks by itself.
const POLLED_MS: f64 = 30_000.0;
/// The median time of a decision against that of `/healthz`.
const TIMES_HEALTH: f64 = 1.5;
const PACK: &str = "policy-pack-v0";
const SIGNER: &str = "https://git.example.com/payments/policies/release.yml@refs/heads/main";
const ISSUER: &str = "https://token.example.com";
/// Attestations are made before the clock of any agent.
const SIGNED_AGO: SignedDuration = SignedDuration::from_hours(2);
/// Nobody waits longer for a pack to arrive.
const ARRIVAL_TIME_MAX: Duration = Duration::from_mins(1);
/// Between two looks at a version metric: much less than what is measured.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
const HEALTH: Ask = Ask { path: "/healthz", body: None };
const DECISION: Ask = Ask {
    path: "/v1/data/cos/abac/allow",
    body: Some(r#"{"input":{"context":{"user":"ada","role":"operator"},"capability_id":"pay"}}"#),
};
/// As many as under reloads; the median of one alone is mostly the waking of threads, and is shown.
const CALLERS: usize = 16;
/// Real OPAs that learn of a pack at the same time: each takes 33 MB.
const OPAS: usize = 12;
/// A decision of OPA's takes at least so many times as long.
const TIMES_OPA: f64 = 2.0;
const ROLES: &str = r#"{"pay":["operator","lead"]}"#;
const ASKING_TIME: Duration = Duration::from_secs(2);

/// Both figures, over packs of Rego that are verified by Sigstore.
pub(super) fn run(
    runtime: &Runtime,
    folder: &Path,
    signer: &Signer,
    report: &mut Report,
) -> Result<()> {
    let registry = Registry::start(runtime, folder)?;
    registry.offer("1")?;
    let opa = opa::program(
        "no figure of a real one stands beside the agent's, and decisions are judged beside /healthz alone",
    );
    decisions(runtime, folder, signer, &registry, opa.as_deref(), report)?;
    for mode in [FetchMode::LongPoll, FetchMode::Push, FetchMode::Poll] {
        let agents: Vec<RunningAgent> = (0..AGENTS)
            .map(|_| registry.agent(runtime, folder, signer, mode))
            .collect::<Result<_>>()?;
        spread(runtime, agents, &registry, mode, report)?;
    }
    if let Some(program) = &opa {
        beside_opas(runtime, folder, signer, &registry, program, report)?;
    }
    runtime.block_on(registry.hub.shutdown());
    Ok(())
}

fn decisions(
    runtime: &Runtime,
    folder: &Path,
    signer: &Signer,
    registry: &Registry,
    program: Option<&Path>,
    report: &mut Report,
) -> Result<()> {
    let agent = registry.agent(runtime, folder, signer, FetchMode::LongPoll)?;
    arrival(agent.address(), "1")?;
    let opa = program.map(|program| Opa::over(program, &registry.files("1")?)).transpose()?;
    for address in [Some(agent.address()), opa.as_ref().map(|opa| opa.address)].iter().flatten() {
        let body = DECISION.body.expect("a decision has an input");
        let answer = Connection::open(*address)?.post(DECISION.path, body)?;
        let answer: serde_json::Value = serde_json::from_slice(&answer.body)?;
        ensure!(answer["result"] == true, "{address} allows what the policy allows: {answer}");
    }
    let name = "agent: decision of Rego over HTTP";
    for callers in [1, CALLERS] {
        let mut asked = vec![(agent.address(), &HEALTH), (agent.address(), &DECISION)];
        asked.extend(opa.as_ref().map(|opa| (opa.address, &DECISION)));
        let medians = medians(&asked, callers)?;
        let (health, decided) = (medians[0], medians[1]);
        let name = format!("{name}, {callers} callers");
        report.compared(&format!("{name}: median"), decided, "us", &[("/healthz", health)]);
        match medians.get(2) {
            Some(opa) => {
                let (name, peers) = (format!("{name}: median beside OPA's"), [("opa", *opa)]);
                report.beside(&name, decided, "us", &peers, TIMES_OPA);
            }
            None if callers == CALLERS => {
                let times = decided / health;
                report.counted(&format!("{name}: times /healthz"), times, "times", TIMES_HEALTH);
            }
            None => {}
        }
    }
    runtime.block_on(agent.shutdown());
    Ok(())
}

/// The best median of each question, asked in turns, in microseconds.
fn medians(asked: &[(SocketAddr, &Ask)], callers: usize) -> Result<Vec<f64>> {
    let mut medians = vec![Vec::new(); asked.len()];
    for _ in 0..RUNS {
        for ((address, ask), medians) in asked.iter().zip(&mut medians) {
            let load = under_load(*address, ask, callers, ASKING_TIME, || Ok(()))?;
            ensure!(
                load.failed == 0,
                "{} of {} requests to {} failed",
                load.failed,
                load.requests,
                ask.path
            );
            medians.push(load.p50_ms * 1e3);
        }
    }
    Ok(medians.iter().map(|medians| best(medians)).collect())
}

/// Publishes a pack to many agents and waits until each of them shows it.
fn spread(
    runtime: &Runtime,
    agents: Vec<RunningAgent>,
    registry: &Registry,
    mode: FetchMode,
    report: &mut Report,
) -> Result<()> {
    let arrived = arrivals(&agents, registry, mode, "embedded")?;
    runtime.block_on(async {
        for agent in agents {
            agent.shutdown().await;
        }
    });
    let name = format!("agent: pack published to live in {AGENTS} agents, {mode}");
    match mode {
        FetchMode::Poll => {
            report.counted(&format!("{name}: the last"), arrived.last_ms, "ms", POLLED_MS);
        }
        FetchMode::LongPoll | FetchMode::Push => {
            report.timed(&format!("{name}: 95 of 100"), arrived.most_ms, "ms", TOLD_MS);
            report.shown(&format!("{name}: the last"), arrived.last_ms, "ms");
        }
    }
    Ok(())
}

/// The same with a real OPA beside each of some agents: the version metric moves when OPA itself tells the pack.
fn beside_opas(
    runtime: &Runtime,
    folder: &Path,
    signer: &Signer,
    registry: &Registry,
    program: &Path,
    report: &mut Report,
) -> Result<()> {
    let (mut agents, mut sidecars, mut opas) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..OPAS {
        let folder = tempfile::tempdir_in(folder)?.keep();
        let address = opa::free_address()?;
        let mut config = SidecarConfig::new(&format!("http://{address}"), PACK, &folder)?;
        config.bundle_listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let sidecar = runtime.block_on(Sidecar::start(config, Arc::new(|_, _| ())))?;
        let from = sidecar.bundle_address().context("the agent serves OPA's bundle")?;
        opas.push(Opa::beside(program, &folder, address, from, PACK)?);
        let sidecar = Arc::new(sidecar);
        let engine = PackEngine::Beside(Arc::clone(&sidecar) as Arc<dyn Activate>);
        agents.push(registry.agent_by(runtime, &folder, signer, FetchMode::LongPoll, engine)?);
        sidecars.push(sidecar);
    }
    let arrived = arrivals(&agents, registry, FetchMode::LongPoll, "opa")?;
    runtime.block_on(async {
        for (agent, sidecar) in agents.into_iter().zip(sidecars) {
            agent.shutdown().await;
            sidecar.shutdown().await;
        }
    });
    drop(opas);
    let name = format!("agent: pack published to live in {OPAS} real OPAs, long-poll");
    report.shown(&format!("{name}: 95 of 100"), arrived.most_ms, "ms");
    report.shown(&format!("{name}: the last"), arrived.last_ms, "ms");
    Ok(())
}

/// How long a new pack took to 95 of a hundred agents, and to the last; the best of some rounds.
#[derive(Debug)]
struct Arrived {
    most_ms: f64,
    last_ms: f64,
}

fn arrivals(
    agents: &[RunningAgent],
    registry: &Registry,
    mode: FetchMode,
    engine: &str,
) -> Result<Arrived> {
    for agent in agents {
        arrival(agent.address(), &registry.version())?;
    }
    // An agent that asks by itself answers only after its interval: once says as much as five times.
    let rounds = if mode == FetchMode::Poll { 1 } else { RUNS };
    let (mut most, mut slowest) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        let version = format!("{engine}-{mode}-{round}");
        let mut took = published(registry, agents, &version)?;
        took.sort();
        let ms = |at: usize| took[at].as_secs_f64() * 1e3;
        most.push(ms((agents.len() * 95).div_ceil(100) - 1));
        slowest.push(ms(agents.len() - 1));
    }
    Ok(Arrived { most_ms: best(&most), last_ms: best(&slowest) })
}

/// For each agent, how long after the publication its version metric showed the pack.
fn published(registry: &Registry, agents: &[RunningAgent], version: &str) -> Result<Vec<Duration>> {
    let began = Instant::now();
    registry.offer(version)?;
    let mut waiting: Vec<SocketAddr> = agents.iter().map(RunningAgent::address).collect();
    let mut took = Vec::new();
    while !waiting.is_empty() {
        ensure!(
            began.elapsed() < ARRIVAL_TIME_MAX,
            "{} agents did not show pack {version} within {ARRIVAL_TIME_MAX:?}",
            waiting.len()
        );
        let mut left = Vec::new();
        for address in waiting {
            if shows(address, version)? {
                took.push(began.elapsed());
            } else {
                left.push(address);
            }
        }
        waiting = left;
        std::thread::sleep(LOOK_AGAIN);
    }
    Ok(took)
}

fn arrival(address: SocketAddr, version: &str) -> Result<()> {
    let began = Instant::now();
    while !shows(address, version)? {
        ensure!(began.elapsed() < ARRIVAL_TIME_MAX, "the agent does not show pack {version}");
        std::thread::sleep(LOOK_AGAIN);
    }
    Ok(())
}

fn shows(address: SocketAddr, version: &str) -> Result<bool> {
    let answer = Connection::open(address)?.get("/metrics")?;
    let text = String::from_utf8(answer.body).context("metrics are text")?;
    let line = format!("unison_policy_bundle_version{{version=\"{version}\"}} 1");
    Ok(text.lines().any(|one| one == line))
}

/// A small access policy, in the same words for every engine.
fn module(version: &str) -> String {
    format!(
        "package cos.abac\nimport rego.v1\n# {version}\ndefault allow := false\nallow if {{\n\tinput.context.role in \
         data.cos.roles.pay\n\tinput.context.user != \"eve\"\n}}\n"
    )
}

/// A registry on loopback whose packs a throw-away authority vouches for.
#[derive(Debug)]
struct Registry {
    hub: RunningHub,
    pki: Pki,
    root: String,
    signed_at: Timestamp,
    folder: PathBuf,
    offered: RefCell<String>,
}

impl Registry {
    fn start(runtime: &Runtime, folder: &Path) -> Result<Self> {
        let folder = folder.join("registry");
        fs::create_dir(&folder).context("the registry's folder")?;
        let signed_at = Timestamp::now() - SIGNED_AGO;
        let pki = Pki::new(signed_at)?;
        let mut config = HubConfig::new(&folder);
        config.expected = vec![PACK.to_owned()];
        let hub = runtime.block_on(serve_packs(config))?;
        let root = pki.trusted_root().to_string();
        Ok(Self { hub, pki, root, signed_at, folder, offered: RefCell::default() })
    }

    /// Offers a small access policy under this version.
    fn offer(&self, version: &str) -> Result<()> {
        let files = Members::from([
            ("opa/cos.abac.rego".to_owned(), module(version).into_bytes()),
            ("data/roles.json".to_owned(), ROLES.as_bytes().to_vec()),
        ]);
        let manifest =
            Value::object([("id", Value::from(PACK)), ("version", Value::from(version))]);
        let tar = pack::write(&manifest, &files)?;
        let mut recipe = Recipe::new(tar.clone(), self.signed_at);
        SIGNER.clone_into(&mut recipe.identity);
        ISSUER.clone_into(&mut recipe.issuer);
        let attestation = self.pki.issue(&recipe)?.bundle_json();
        publish(&self.folder, PACK, &tar, Some(attestation.as_bytes()))?;
        version.clone_into(&mut self.offered.borrow_mut());
        self.hub.packs().refresh().context("the registry's folder")
    }

    /// The files of a pack as OPA reads a folder.
    fn files(&self, version: &str) -> Result<PathBuf> {
        let folder = self.folder.with_file_name("opa-files");
        fs::create_dir_all(folder.join("cos/roles")).context("a folder for OPA")?;
        fs::write(folder.join("cos.abac.rego"), module(version)).context("OPA's module")?;
        fs::write(folder.join("cos/roles/data.json"), ROLES).context("OPA's data")?;
        Ok(folder)
    }

    fn version(&self) -> String {
        self.offered.borrow().clone()
    }

    fn agent(
        &self,
        runtime: &Runtime,
        folder: &Path,
        signer: &Signer,
        mode: FetchMode,
    ) -> Result<RunningAgent> {
        let folder = tempfile::tempdir_in(folder)?.keep();
        let settings = EmbeddedSettings::of_this_program().context("this program's path")?;
        let engine = PackEngine::Embedded(Box::new(settings));
        self.agent_by(runtime, &folder, signer, mode, engine)
    }

    /// An agent with a folder of its own.
    fn agent_by(
        &self,
        runtime: &Runtime,
        folder: &Path,
        signer: &Signer,
        mode: FetchMode,
        engine: PackEngine,
    ) -> Result<RunningAgent> {
        let mut fetch = FetchConfig::new(&self.hub.pack_url(PACK), folder.join("packs"))?;
        fetch.mode = mode;
        let mut policy = TrustPolicy::new(Profile::Logged);
        policy.add_root(SigstoreRoot::read("bench", self.root.as_bytes())?, Window::default())?;
        policy.add_identity(Identity::exact(SIGNER, ISSUER));
        let verifier = Arc::new(SigstoreVerifier::new(policy.checked()?));
        let mut config = AgentConfig::new(folder.join("none.signed.json"), vec![signer.trust()]);
        config.state_dir = Some(folder.to_owned());
        config.polling = None;
        config.watch = false;
        config.packs = Some(PackFetching::new(fetch, verifier, engine));
        runtime.block_on(async { Agent::start(config).await }).context("an agent")
    }
}
