//! Starting and stopping an agent.

use std::{
    fs, io,
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use axum::{Router, body::Body, extract::Request, http::Response};
use jiff::Timestamp;
use notify::Watcher;
use plumb_serve::{Serving, serve};
use plumb_trust::{KeySet, TrustedKey};
use plumb_wire::v1::{Authentication, LogLevel, Trigger};
use tokio::{net::TcpListener, sync::mpsc, task::JoinHandle};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::{
    alerts,
    chain::chain,
    config::{AgentConfig, PackFetching, TrustKey},
    core::{Core, Parts},
    durable::{Durable, SetAside, StateDir},
    error::AgentError,
    fetch::{Alert, FetchParts, Fetcher, HttpSource, PackSource},
    governed::Governed,
    history::History,
    keeper::{self, STORE_FOLDER},
    lease::Lease,
    limits::{CONNECTIONS_MAX, KEEPER_QUEUE_MAX},
    list_source,
    metrics::PackOrigin,
    packs::{EmbeddedEngine, PackActivation, PackEngine, TrialLimits, observer, watch},
    plans::Plans,
    roots::Roots,
    routes::{router, warnings},
    tasks,
};

/// The service beside a policy engine.
#[derive(Debug)]
pub struct Agent;

/// An agent that answers. Dropping it cuts it off; [`RunningAgent::shutdown`] lets it finish.
pub struct RunningAgent {
    core: Arc<Core>,
    address: SocketAddr,
    router: Router,
    server: Option<JoinHandle<()>>,
    keeper: Option<JoinHandle<()>>,
    packs: Option<Fetcher>,
    /// Follows the folders for as long as it lives.
    watcher: Option<Box<dyn Watcher + Send + Sync>>,
}

impl std::fmt::Debug for RunningAgent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunningAgent").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Agent {
    /// Reads keys and state, loads what the agent should run, and listens. A bundle that is missing
    /// or refused is no error here: the agent answers, and says that it has none.
    pub async fn start(config: AgentConfig) -> Result<RunningAgent, AgentError> {
        config.check()?;
        let keys = read_keys(&config.trust)?;
        let roots = Roots::open(&config.roots())?;
        let tls = config.tls.as_ref().map(plumb_serve::server).transpose()?;
        let source = config.packs.as_ref().map(|packs| pack_source(&config, packs)).transpose()?;
        let list = config.refused_list.clone();
        let list = list.map(|list| list.client().map(|client| (list, client))).transpose()?;
        let (store, state) = open_state(&config)?;
        let stop = CancellationToken::new();
        let engine = engine(&config, &stop);
        let (keeper_queue, jobs) = mpsc::channel(KEEPER_QUEUE_MAX);
        let listen = config.listen;
        let listener = TcpListener::bind(listen)
            .await
            .map_err(|error| AgentError::Listen { listen, error })?;
        let address =
            listener.local_addr().map_err(|error| AgentError::Listen { listen, error })?;
        let core = Core::new(
            config,
            Parts {
                keys,
                roots,
                store,
                state_dir: state.dir,
                durable: state.durable,
                history: state.history,
                plans: state.plans,
                lease: state.lease,
                governed: state.governed,
                keeper: keeper_queue,
                engine,
                stop,
            },
        );
        announce(&core, address, &state.notes);
        let keeper =
            core.state_dir.is_some().then(|| tokio::spawn(keeper::run(Arc::clone(&core), jobs)));
        let packs = if let Some(source) = source {
            Some(start_packs(&core, source).await?)
        } else {
            let turn = core.turn.lock().await;
            core.come_up(&turn, Trigger::Start).await;
            None
        };
        let follows = packs.is_none() && !core.config.field_compatible;
        let watcher = (core.config.watch && follows).then(|| tasks::watch(&core)).flatten();
        if core.config.polling.is_some() && follows {
            core.tracker.spawn(tasks::poll(Arc::clone(&core)));
        }
        start_alerts(&core, address);
        if let Some((list, client)) = list {
            core.tracker.spawn(list_source::follow(Arc::clone(&core), list, client));
        }
        let router = router(Arc::clone(&core));
        let serving = Serving {
            listener,
            tls: tls.map(TlsAcceptor::from),
            router: router.clone(),
            connections_max: CONNECTIONS_MAX,
        };
        let server = tokio::spawn(serve(serving, core.stop.clone()));
        Ok(RunningAgent { core, address, router, server: Some(server), keeper, packs, watcher })
    }
}

impl RunningAgent {
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Base URL of the agent.
    pub fn url(&self) -> String {
        url(&self.core, self.address)
    }

    /// Answers a request without a socket, as it would over one that shows no client certificate.
    pub async fn call(&self, request: Request) -> Response<Body> {
        match self.router.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }

    /// How long the newest swap of bundles took: what requests could have waited for at most.
    pub fn last_swap(&self) -> Duration {
        Duration::from_nanos(self.core.swap_ns.load(Ordering::Relaxed))
    }

    /// When the bundle in force was loaded, or nothing while there is none.
    pub fn loaded_at(&self) -> Option<Timestamp> {
        self.core.loaded_at()
    }

    /// The fetcher of packs, where there is one.
    pub fn packs(&self) -> Option<&Fetcher> {
        self.packs.as_ref()
    }

    /// The alerts of the fetcher, for the one who sends them on; `None` when they were taken already.
    pub fn pack_alerts(&mut self) -> Option<mpsc::Receiver<Alert>> {
        self.packs.as_mut()?.alerts()
    }

    /// Stops: no new connections, requests in flight finish, history and state reach the disk.
    pub async fn shutdown(mut self) {
        self.core.log(LogLevel::Info, "Stopping");
        self.watcher = None;
        self.core.stop.cancel();
        self.core.tracker.close();
        if let Some(server) = self.server.take() {
            let _ = server.await;
        }
        if let Some(packs) = self.packs.take() {
            packs.shutdown().await;
        }
        self.core.tracker.wait().await;
        if let Some(engine) = &self.core.engine {
            engine.close().await;
        }
        if let Some(keeper) = self.keeper.take() {
            let _ = keeper.await;
        }
        // A connection that is just being dropped may still hold the core.
        if let Some(state) = &self.core.state_dir {
            state.release();
        }
    }
}

impl Drop for RunningAgent {
    fn drop(&mut self) {
        self.core.stop.cancel();
    }
}

fn url(core: &Core, address: SocketAddr) -> String {
    let scheme = if core.config.tls.is_some() { "https" } else { "http" };
    format!("{scheme}://{address}")
}

/// Watches the conditions and sends alerts, when somebody wants them.
fn start_alerts(core: &Arc<Core>, address: SocketAddr) {
    let Some(config) = &core.config.alerts else { return };
    let receiver = config.check().expect("the configuration was checked at the start");
    core.tracker.spawn(alerts::watch(Arc::clone(core), config.clone()));
    let agent_url = url(core, address);
    core.tracker.spawn(alerts::push(Arc::clone(core), config.clone(), receiver, agent_url));
}

fn pack_source(
    config: &AgentConfig,
    packs: &PackFetching,
) -> Result<Arc<dyn PackSource>, AgentError> {
    match &packs.source {
        Some(source) => Ok(Arc::clone(source)),
        None => Ok(Arc::new(HttpSource::new(&packs.config, config.clock.clone())?)),
    }
}

/// Starts the fetcher; where it cannot be, the agent gives back what it holds already.
async fn start_packs(core: &Arc<Core>, source: Arc<dyn PackSource>) -> Result<Fetcher, AgentError> {
    let packs = core.config.packs.clone().expect("a source is only made for packs");
    let logging = Arc::clone(core);
    let parts = FetchParts {
        source,
        verifier: packs.verifier,
        activate: Arc::new(PackActivation::new(Arc::clone(core), &packs.engine)),
        disk: packs.disk,
        clock: core.config.clock.clone(),
        share: Box::new(rand::random::<f64>),
        log: Arc::new(move |level, line| logging.log(level, line)),
        observe: observer(core, packs.observe),
    };
    core.pack.comes_from(PackOrigin::Pack(core.packs_url()));
    let limits = match &packs.engine {
        PackEngine::Embedded(settings) => settings.trial,
        PackEngine::Beside(_) => TrialLimits::default(),
    };
    let started = Fetcher::start(packs.config, parts).await.map_err(|error| {
        core.stop.cancel();
        if let Some(state) = &core.state_dir {
            state.release();
        }
        AgentError::from(error)
    });
    let fetcher = started?;
    // The first of its kind: an agent starts one fetcher.
    let _ = core.packs.set(fetcher.handle());
    core.tracker.spawn(watch(Arc::clone(core), limits));
    Ok(fetcher)
}

fn engine(config: &AgentConfig, stop: &CancellationToken) -> Option<EmbeddedEngine> {
    let Some(PackFetching { engine: PackEngine::Embedded(settings), .. }) = &config.packs else {
        return None;
    };
    Some(EmbeddedEngine::new((**settings).clone(), stop.clone()))
}

fn read_keys(trust: &[TrustKey]) -> Result<KeySet, AgentError> {
    let mut keys = KeySet::new();
    for TrustKey { id, pem } in trust {
        let text = fs::read_to_string(pem).map_err(|error| AgentError::ReadKey {
            id: id.clone(),
            path: pem.clone(),
            error,
        })?;
        let key = TrustedKey::from_pem(id, &text, None).and_then(|key| keys.add(key));
        key.map_err(|error| AgentError::Key {
            id: id.clone(),
            path: pem.clone(),
            reason: chain(&error),
        })?;
    }
    Ok(keys)
}

/// What was read from the state folder, and what is to be said about it.
#[derive(Debug, Default)]
struct State {
    dir: Option<StateDir>,
    durable: Durable,
    history: History,
    plans: Plans,
    lease: Lease,
    governed: Option<Governed>,
    notes: Vec<(LogLevel, String)>,
}

fn open_state(config: &AgentConfig) -> Result<(Option<Roots>, State), AgentError> {
    let Some(path) = &config.state_dir else { return Ok((None, State::default())) };
    let failed = |error: io::Error| AgentError::StateDir { path: path.clone(), error };
    let dir = StateDir::open(path)?;
    let store = path.join(STORE_FOLDER);
    fs::create_dir_all(&store).map_err(failed)?;
    let (durable, set_aside) = dir.read(config.clock.now())?;
    let mut notes = Vec::new();
    if let Some(SetAside { reason, to }) = set_aside {
        let text = format!(
            "The state file was damaged ({reason}) and set aside as {}; pin and settings are lost",
            to.display()
        );
        notes.push((LogLevel::Error, text));
    }
    let (plans, note) = Plans::open(Some(path.clone()), config.clock.now()).map_err(failed)?;
    notes.extend(note.map(|note| (LogLevel::Error, note)));
    let (mut history, unreadable) = History::read(path).map_err(failed)?;
    if unreadable > 0 {
        notes.push((LogLevel::Warn, format!("{unreadable} lines of the history cannot be read")));
    }
    if config.field_compatible {
        history.forget_ring();
    }
    let governance = config.governance.clone();
    let governed = governance.map(|governance| Governed::open(governance, path)).transpose()?;
    let lease = Lease::open(path);
    let state = State { dir: Some(dir), durable, history, plans, lease, governed, notes };
    Ok((Some(Roots::open(&[store])?), state))
}

fn announce(core: &Core, address: SocketAddr, notes: &[(LogLevel, String)]) {
    core.log(LogLevel::Info, &format!("Listening on {address}"));
    if core.config.authentication() == Authentication::None {
        core.log(
            LogLevel::Warn,
            "STARTED WITHOUT AUTHENTICATION: whoever reaches this port can change the policies",
        );
    }
    for warning in warnings(core) {
        core.log(LogLevel::Warn, warning);
    }
    for (level, note) in notes {
        core.log(*level, note);
    }
}
