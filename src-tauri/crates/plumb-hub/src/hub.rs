//! The hub of a team: what its handlers share, and its listener.

use std::{
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use axum::{Router, middleware::from_fn_with_state};
use jiff::Timestamp;
use plumb_alert::{ReleaseGates, RoleMatrix, SloPolicy};
use plumb_inbox::{AlertStore, Durability, Inbox, PostgresSettings, Settings, SqliteStore, Tip};
use plumb_serve::{TlsConfig, serve};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::{sync::watch, time::interval};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    access::admit,
    error::HubError,
    folder::chain,
    identity, limits,
    limits::{BOOTSTRAP_CHARS_MIN, LOOK_EVERY, RETENTION_EVERY, SOURCES_EVERY, TIP_EVERY},
    packs::Packs,
    policies::Policies,
    rates::{Rate, Rates},
    retention, routes,
    serve::bound,
    served::Shop,
    state::{State, StateError, StatePlace},
    storage::{Blobs, PackStorage},
};

/// The clock of a hub.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// How a hub is set up.
#[derive(Clone)]
pub struct TeamOptions {
    pub listen: SocketAddr,
    /// Folder of everything the hub keeps.
    pub data: PathBuf,
    /// Role admin, until an admin has a token.
    pub bootstrap: Option<SecretString>,
    /// With a client CA, a certificate whose name has a role is as good as a token.
    pub tls: Option<TlsConfig>,
    pub policies: Policies,
    /// A database that keeps what the hub knows, shared with other hubs; else it is in the data folder.
    pub database: Option<PostgresSettings>,
    /// Where alerts and incidents are kept; in that database, or in the data folder, where it is not said.
    pub alerts: Option<Settings>,
    /// Requests of one caller.
    pub rate: Rate,
    pub packs: PackStorage,
    /// How often it looks whether a source of alerts has gone quiet that the routing policy expects.
    pub sources_every: Duration,
    /// How often it removes what the retention policy keeps no longer, where that goes by itself.
    pub retention_every: Duration,
    pub clock: Clock,
}

impl fmt::Debug for TeamOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TeamOptions")
            .field("listen", &self.listen)
            .field("data", &self.data)
            .finish_non_exhaustive()
    }
}

impl TeamOptions {
    /// A hub on a free port of loopback.
    pub fn new(data: impl Into<PathBuf>) -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            data: data.into(),
            bootstrap: None,
            tls: None,
            policies: Policies::default(),
            database: None,
            alerts: None,
            rate: limits::CALLER_RATE,
            packs: PackStorage::Data,
            sources_every: SOURCES_EVERY,
            retention_every: RETENTION_EVERY,
            clock: Arc::new(Timestamp::now),
        }
    }

    fn state_place(&self) -> StatePlace {
        match &self.database {
            Some(settings) => StatePlace::Postgres(settings.clone()),
            None => StatePlace::Folder(self.data.clone()),
        }
    }

    fn check(&self) -> Result<(), HubError> {
        if !self.listen.ip().is_loopback() && self.tls.is_none() {
            return Err(plumb_serve::ExposureError::PlainText { listen: self.listen }.into());
        }
        let short = |token: &SecretString| token.expose_secret().len() < BOOTSTRAP_CHARS_MIN;
        if self.bootstrap.as_ref().is_some_and(short) {
            return Err(HubError::ShortToken { min: BOOTSTRAP_CHARS_MIN });
        }
        Ok(())
    }
}

/// What every handler may need. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Hub(Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) state: State,
    pub(crate) roles: Arc<RoleMatrix>,
    pub(crate) bootstrap: Option<SecretString>,
    pub(crate) callers: Rates,
    pub(crate) refusals: Rates,
    pub(crate) blobs: Blobs,
    pub(crate) shop: Shop,
    pub(crate) inbox: Inbox,
    /// What was kept last in the inbox, also by other hubs; looked at while somebody waits.
    pub(crate) tips: watch::Sender<Tip>,
    pub(crate) slo: SloPolicy,
    pub(crate) gates: ReleaseGates,
    pub(crate) stop: CancellationToken,
    clock: ClockOf,
}

struct ClockOf(Clock);

impl fmt::Debug for ClockOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("clock")
    }
}

impl std::ops::Deref for Hub {
    type Target = Inner;
    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl Hub {
    pub(crate) fn now(&self) -> Timestamp {
        (self.clock.0)()
    }

    /// The time that decides between hubs that share their state.
    pub(crate) async fn time(&self) -> Result<Timestamp, StateError> {
        self.state.now(self.now()).await
    }

    /// Serves what was just changed, before the change is answered.
    pub(crate) async fn refresh(&self) {
        if let Err(error) = self.shop.refresh(&self.state).await {
            tracing::error!(error = %chain(&error), "what is served cannot be looked at");
        }
    }
}

/// A hub that answers. Dropping it cuts it off.
#[derive(Debug)]
pub struct TeamHub {
    address: SocketAddr,
    encrypted: bool,
    state: State,
    inbox: Inbox,
    stop: CancellationToken,
    tracker: TaskTracker,
}

impl TeamHub {
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it is reached from this machine.
    pub fn url(&self) -> String {
        let scheme = if self.encrypted { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// Stops: requests in flight finish, those that wait for a change are answered at once.
    pub async fn shutdown(self) {
        self.stop.cancel();
        self.tracker.close();
        self.tracker.wait().await;
        if let Err(error) = self.inbox.close().await {
            tracing::warn!(error = %chain(&error), "the store of alerts was not closed");
        }
        self.state.close().await;
    }

    /// Where alerts are kept, in words.
    pub fn durability(&self) -> Durability {
        self.inbox.durability()
    }
}

impl Drop for TeamHub {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Serves a hub until it is shut down.
pub async fn serve_team(options: TeamOptions) -> Result<TeamHub, HubError> {
    options.check()?;
    let tls = options.tls.as_ref().map(plumb_serve::server).transpose()?;
    let folder = |error| HubError::Folder { path: options.data.clone(), error };
    std::fs::create_dir_all(&options.data).map_err(folder)?;
    let state = State::open(&options.state_place()).await?;
    let now = (options.clock)();
    if options.bootstrap.is_none() && !identity::has_admin(&state, now).await? {
        return Err(HubError::NoAdmin);
    }
    let stop = CancellationToken::new();
    let blobs = Blobs::open(&options.packs, &options.data)?;
    let shop = Shop::new(blobs.clone(), Packs::of_registry(stop.clone()));
    shop.refresh(&state).await?;
    let alerts = options.alerts.or_else(|| options.database.map(Settings::Postgres));
    let store = open_alerts(alerts, &options.data, &options.clock).await?;
    let inbox = Inbox::new(store, options.policies.routing);
    let tips = watch::Sender::new(Tip::default());
    let hub = Hub(Arc::new(Inner {
        state: state.clone(),
        roles: Arc::new(options.policies.roles),
        bootstrap: options.bootstrap,
        callers: Rates::new(options.rate),
        refusals: Rates::new(limits::REFUSAL_RATE),
        blobs,
        shop,
        inbox: inbox.clone(),
        tips: tips.clone(),
        slo: options.policies.slo,
        gates: options.policies.gates,
        stop: stop.clone(),
        clock: ClockOf(options.clock),
    }));
    let encrypted = tls.is_some();
    let (serving, address) = bound(options.listen, tls, router(hub.clone())).await?;
    let tracker = TaskTracker::new();
    tracker.spawn(serve(serving, stop.clone()));
    tracker.spawn(look(state.clone(), stop.clone()));
    tracker.spawn(watch(inbox.clone(), options.sources_every, stop.clone()));
    tracker.spawn(tell_tips(inbox.clone(), tips, stop.clone()));
    let retained =
        retention::by_itself(hub.clone(), options.policies.retention, options.retention_every);
    tracker.spawn(retained);
    tracker.spawn(follow(hub, stop.clone()));
    Ok(TeamHub { address, encrypted, state, inbox, stop, tracker })
}

async fn open_alerts(
    settings: Option<Settings>,
    data: &Path,
    clock: &Clock,
) -> Result<Arc<dyn AlertStore>, HubError> {
    let settings = settings.unwrap_or_else(|| Settings::Sqlite(data.join("alerts.sqlite")));
    let Settings::Sqlite(path) = settings else { return Ok(settings.open().await?) };
    let clock = Arc::clone(clock);
    let store = SqliteStore::open(&path, plumb_inbox::Clock::new(move || clock())).await?;
    Ok(Arc::new(store))
}

fn router(hub: Hub) -> Router {
    routes::all(&hub).layer(from_fn_with_state(hub.clone(), admit)).with_state(hub)
}

/// Notices what other processes changed.
async fn look(state: State, stop: CancellationToken) {
    let mut every = interval(LOOK_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = every.tick() => {}
            () = stop.cancelled() => return,
        }
        if let Err(error) = state.look().await {
            tracing::warn!(error = %chain(&error), "the state cannot be looked at");
        }
    }
}

/// Raises an alert where a source has gone quiet. Hubs that share an inbox all look; what they see is one alert.
async fn watch(inbox: Inbox, every: Duration, stop: CancellationToken) {
    let mut every = interval(every);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // Whoever was away with the hub gets the time to come back.
    every.tick().await;
    loop {
        tokio::select! {
            _ = every.tick() => {}
            () = stop.cancelled() => return,
        }
        match inbox.watch_sources().await {
            Ok(told) => {
                for error in told.into_iter().filter_map(Result::err) {
                    tracing::warn!(error = %chain(&error), "a quiet source is not told");
                }
            }
            Err(error) => tracing::warn!(error = %chain(&error), "sources cannot be looked at"),
        }
    }
}

/// Wakes whoever follows the inbox. One look serves all of them, and nobody looks while nobody follows.
async fn tell_tips(inbox: Inbox, tips: watch::Sender<Tip>, stop: CancellationToken) {
    let mut every = interval(TIP_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = every.tick() => {}
            () = stop.cancelled() => return,
        }
        if tips.receiver_count() == 0 {
            continue;
        }
        match inbox.tip().await {
            Ok(tip) => {
                tips.send_if_modified(|known| {
                    let moved = *known != tip;
                    *known = tip;
                    moved
                });
            }
            Err(error) => tracing::warn!(error = %chain(&error), "changes cannot be looked at"),
        }
    }
}

/// Serves what other processes changed.
async fn follow(hub: Hub, stop: CancellationToken) {
    let mut changes = hub.state.changes();
    loop {
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            () = stop.cancelled() => return,
        }
        hub.refresh().await;
    }
}
