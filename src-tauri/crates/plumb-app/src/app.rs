//! The application: files, fleets, connections and tasks behind every use case. Cheap to clone.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt,
    sync::{
        Arc, Mutex, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use camino::Utf8PathBuf;
use jiff::Timestamp;
use plumb_alert::AlertRef;
use plumb_clients::{HttpPool, KeySafe, TokenSource, Uplink};
use plumb_exec::{Clock as _, Desk, Order, Wish};
use plumb_fleet::{Content, ContentDigest, Digest, Fleet, FleetId, Node, NodeId, PlanHash, RunId};
use plumb_store::{Database, Kind};
use plumb_trust::KeySet;
use tokio::sync::{Notify, OnceCell, broadcast, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::warn;

use crate::{
    actions::{
        decisions::{Comparisons, Looking},
        prepare::Prepared,
    },
    alerts::{self, OwnInbox, hub::HubInbox},
    console_key::KeyPlace,
    current::Current,
    error::{AppError, Code},
    fleets::Print,
    notifications::Heard,
    opened::Evidence,
    opening::Reopen,
    own_log,
    ports::clock::WallClock,
    runbooks::{DashboardPace, RunbookRun},
    tasks::agreement::Agreement,
    topics::{ANNOUNCE_EVERY, Announcer, Topic},
    wishes::known,
};

/// Plans kept between preview and start; an older one has to be made again.
const PREPARED_MAX: usize = 32;

/// How long a window may take to paint before sweeps begin without it.
const PAINT_MAX: Duration = Duration::from_secs(10);

/// How the application is opened.
#[derive(Debug, Clone)]
pub struct AppOptions {
    /// Folder of `cache.sqlite`, `record.sqlite` and the locks of runs.
    pub data_dir: Utf8PathBuf,
    pub clock: WallClock,
    /// Who acts, as it stands in journals.
    pub operator: String,
    /// Sweep on a period; a command line sweeps on demand only.
    pub sweep_on_period: bool,
    pub tokens: TokenSource,
    /// Signs heads of journals, and certificates.
    pub console_key: KeyPlace,
    /// Who asks for changes, by the name in the roster; else whoever's key this machine has.
    pub person: Option<String>,
    /// The program whose processes evaluate Rego: this one, where its main function asks
    /// [`crate::run_evaluation_process_if_asked`]. Without it Rego is not compared.
    pub evaluator: Option<plumb_worker::Program>,
    /// How dashboards of runs are kept at a Grafana.
    pub dashboards: DashboardPace,
    /// How long what a killed program left of a runbook may take to be gone, once it was killed.
    pub left_gone_within: Duration,
}

impl AppOptions {
    /// For the window: sweeps by itself.
    pub fn window(data_dir: Utf8PathBuf) -> Self {
        Self {
            data_dir,
            clock: WallClock::default(),
            operator: operator(),
            sweep_on_period: true,
            tokens: TokenSource::system(),
            console_key: KeyPlace::Keyring(KeySafe::system()),
            person: std::env::var("PLUMBLINE_PERSON").ok().filter(|person| !person.is_empty()),
            evaluator: None,
            dashboards: DashboardPace::default(),
            left_gone_within: Duration::from_secs(5),
        }
    }

    /// Lets this program start itself again to evaluate Rego: its main function has to have asked
    /// [`crate::run_evaluation_process_if_asked`].
    #[must_use]
    pub fn evaluating(mut self) -> Self {
        self.evaluator = plumb_worker::Program::current()
            .inspect_err(|error| tracing::warn!(%error, "Rego is not evaluated"))
            .ok();
        self
    }

    /// For one command: nothing happens by itself.
    pub fn command(data_dir: Utf8PathBuf) -> Self {
        Self { sweep_on_period: false, ..Self::window(data_dir) }
    }
}

/// The user and machine this program runs as.
fn operator() -> String {
    let user = ["USER", "LOGNAME", "USERNAME"].iter().find_map(|name| std::env::var(name).ok());
    let host =
        std::fs::read_to_string("/etc/hostname").ok().or_else(|| std::env::var("HOSTNAME").ok());
    let user = user.unwrap_or_else(|| "operator".to_owned());
    match host.as_deref().map(str::trim) {
        Some(host) if !host.is_empty() => format!("{user}@{host}"),
        _ => user,
    }
}

/// Everything behind the doors.
#[derive(Clone)]
pub struct App(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub options: AppOptions,
    /// The evidence that is shown instead of fleets.
    pub evidence: Option<Arc<Evidence>>,
    /// Replaced when a check condemns the file.
    pub cache: RwLock<Database>,
    pub record: RwLock<Database>,
    /// The console's own alerts, which are in the record.
    pub alerts: OwnInbox,
    /// What is kept of the inboxes of hubs.
    pub hub_inboxes: Mutex<BTreeMap<FleetId, Arc<HubInbox>>>,
    pub fleets: RwLock<BTreeMap<FleetId, Arc<FleetState>>>,
    pub open_fleet: RwLock<Option<FleetId>>,
    pub notices: Mutex<Vec<String>>,
    pub announcer: Announcer,
    pub tasks: TaskTracker,
    pub cancel: CancellationToken,
    pub visible: AtomicBool,
    /// Evidence is shown before the fleets: nothing is asked of anybody.
    pub off_network: AtomicBool,
    /// What everything is sent over; cut when evidence is opened, and another one from when it is closed.
    pub uplink: Mutex<Uplink>,
    /// Held by whoever begins something that nodes or a hub are told of, until it is known as a run: evidence comes before
    /// the fleets only where nobody does.
    pub beginning: tokio::sync::RwLock<()>,
    /// Cancelled, in the sense of done, once the cached fleet is on screen.
    pub painted: CancellationToken,
    pub prepared: Mutex<VecDeque<Prepared>>,
    pub runs: Mutex<BTreeMap<RunId, ActiveRun>>,
    /// Runs of runbooks that people look at here.
    pub runbook_runs: Mutex<BTreeMap<RunId, Arc<RunbookRun>>>,
    /// The newest run of this process that had no key to sign with, and why.
    pub unsigned: Mutex<Option<(RunId, String)>>,
    /// The newest run of this process whose refused content is not refused everywhere, and why.
    pub unspread: Mutex<Option<(RunId, String)>>,
    /// Plans for which approval was asked here: their requests are no news to whoever asked.
    pub asked: Mutex<BTreeSet<String>>,
    /// How the desktop took the newest notification.
    pub heard: Mutex<Heard>,
    /// What comparisons of contents came to.
    pub compared: Mutex<Comparisons>,
    /// Alerts that were claimed in this program: they are no news to whoever claimed them.
    pub claimed: Mutex<BTreeSet<AlertRef>>,
    /// The comparison that somebody looks at.
    pub looking: Mutex<Looking>,
    /// Digests of the fleet files that previews of imports were made from; nothing where there was no file.
    pub previewed: Mutex<BTreeMap<String, Option<Digest>>>,
    /// Fleets are opened and closed one at a time.
    pub enrolling: tokio::sync::Mutex<()>,
    pub demo: tokio::sync::Mutex<Option<tokio::process::Child>>,
}

/// A run this process carries out.
#[derive(Debug, Clone)]
pub(crate) struct ActiveRun {
    /// Aborts it.
    pub cancel: CancellationToken,
    /// Where orders for it are given; nothing once this program lets it go.
    pub desk: Option<Desk>,
    /// It can be picked up from its journal.
    pub rollout: bool,
    pub done: watch::Receiver<bool>,
}

/// One fleet of the list, whether its file can be read or not.
#[derive(Debug)]
pub(crate) struct FleetState {
    pub name: FleetId,
    pub file: Utf8PathBuf,
    pub loaded: Result<Loaded, String>,
    /// Set once the signed bundles beside the file are verified and in the catalogue.
    pub bundles: OnceCell<()>,
    pub current: Mutex<Option<Current>>,
    pub reading: tokio::sync::Mutex<()>,
    /// Snapshots are stored one at a time, each over the one before.
    pub storing: tokio::sync::Mutex<()>,
    /// Whether nodes with equal contents answered alike.
    pub agreement: Mutex<Agreement>,
    pub sweeping: AtomicBool,
    /// A sweep of this process has finished.
    pub swept: AtomicBool,
    pub wake: Notify,
    pub stop: CancellationToken,
}

/// A fleet that could be read, with its connections.
#[derive(Debug, Clone)]
pub(crate) struct Loaded {
    pub fleet: Arc<Fleet>,
    pub pool: HttpPool,
    pub keys: Arc<KeySet>,
    pub print: Arc<Print>,
}

impl Loaded {
    /// A node of the fleet by its name.
    pub(crate) fn node(&self, id: &str) -> Result<&Arc<Node>, AppError> {
        NodeId::new(id).ok().and_then(|id| self.fleet.nodes.get(&id)).ok_or_else(|| {
            AppError::new(
                Code::NotFound,
                format!("{id} is not a node of {}", self.fleet.name),
                "name a node as the fleet file does",
            )
        })
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("data_dir", &self.0.options.data_dir).finish_non_exhaustive()
    }
}

impl App {
    /// Opens the two files and every known fleet. Nothing is sent before the first sweep.
    pub async fn open(options: AppOptions) -> Result<Self, AppError> {
        Self::open_over(options, None).await
    }

    /// The same, where evidence is shown instead of fleets.
    pub(crate) async fn open_over(
        options: AppOptions,
        evidence: Option<Arc<Evidence>>,
    ) -> Result<Self, AppError> {
        let mut notices = Vec::new();
        let mut open = async |kind: Kind| {
            let path = options.data_dir.join(kind.file_name());
            let opened = Database::open(path.as_std_path(), kind).await?;
            notices.extend(opened.notices.iter().map(ToString::to_string));
            Ok::<Database, plumb_store::StoreError>(opened.database)
        };
        // Evidence that is opened lies in a scratch folder, and is told of in the log of whoever opens it.
        if evidence.is_none() {
            own_log::keep_in(&options.data_dir);
        }
        let cache = open(Kind::Cache).await?;
        let record = open(Kind::Record).await?;
        let (routing, unrouted) = alerts::routing(&options.data_dir);
        let (retention, unretained) = alerts::retention(&options.data_dir);
        notices.extend(unrouted.into_iter().chain(unretained));
        let alerts = OwnInbox::open(&record, &options.clock, routing, retention);
        let app = Self(Arc::new(Inner {
            options,
            evidence,
            cache: RwLock::new(cache),
            record: RwLock::new(record),
            alerts,
            hub_inboxes: Mutex::default(),
            fleets: RwLock::default(),
            open_fleet: RwLock::default(),
            notices: Mutex::new(notices),
            announcer: Announcer::default(),
            tasks: TaskTracker::new(),
            cancel: CancellationToken::new(),
            visible: AtomicBool::new(true),
            off_network: AtomicBool::new(false),
            uplink: Mutex::default(),
            beginning: tokio::sync::RwLock::default(),
            painted: CancellationToken::new(),
            prepared: Mutex::default(),
            runs: Mutex::default(),
            runbook_runs: Mutex::default(),
            unsigned: Mutex::default(),
            unspread: Mutex::default(),
            asked: Mutex::default(),
            heard: Mutex::default(),
            compared: Mutex::default(),
            claimed: Mutex::default(),
            looking: Mutex::default(),
            previewed: Mutex::default(),
            enrolling: tokio::sync::Mutex::default(),
            demo: tokio::sync::Mutex::default(),
        }));
        app.reload_fleets(Reopen::All).await?;
        app.spawn_tasks();
        Ok(app)
    }

    /// Ends background tasks, waits for what must finish, and closes the files.
    pub async fn close(&self) {
        self.0.cancel.cancel();
        self.let_runbooks_go();
        self.let_runs_go().await;
        self.0.tasks.close();
        self.0.tasks.wait().await;
        self.0.demo.lock().await.take();
        if let Err(error) = self.0.alerts.inbox().close().await {
            warn!(%error, "the inbox was not closed");
        }
        self.cache().close().await;
        self.record().close().await;
    }

    /// The program ends. A rollout is paused and stays open in its journal, to be picked up; any other
    /// run is aborted. What was sent is waited for.
    async fn let_runs_go(&self) {
        let mut desks = Vec::new();
        for run in self.0.runs.lock().expect("no panic while runs are held").values_mut() {
            let desk = run.desk.take();
            if run.rollout {
                desks.extend(desk);
            } else {
                run.cancel.cancel();
            }
        }
        let by = self.0.options.operator.clone();
        for desk in desks {
            // One that is paused already, or has ended, needs no pause.
            let _ = desk.give(Order { by: by.clone(), what: Wish::Pause }).await;
        }
    }

    /// Whether this program carries out a run, or holds one of a runbook.
    pub(crate) fn carries_something_out(&self) -> bool {
        let runs = self.0.runs.lock().expect("no panic while runs are held");
        let runbooks = self.0.runbook_runs.lock().expect("no panic while runs are held");
        !runs.is_empty() || !runbooks.is_empty()
    }

    pub fn now(&self) -> Timestamp {
        self.0.options.clock.now()
    }

    /// The clock as the adapters take it.
    pub(crate) fn wall(&self) -> plumb_clients::Now {
        let clock = self.0.options.clock.clone();
        Arc::new(move || clock.now())
    }

    pub(crate) fn cache(&self) -> Database {
        self.0.cache.read().expect("no panic while a file is held").clone()
    }

    pub(crate) fn record(&self) -> Database {
        self.0.record.read().expect("no panic while a file is held").clone()
    }

    /// Folder of its files.
    pub(crate) fn data_dir(&self) -> &camino::Utf8Path {
        &self.0.options.data_dir
    }

    /// Cancelled when it closes.
    pub(crate) fn cancelled(&self) -> CancellationToken {
        self.0.cancel.clone()
    }

    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub fn subscribe(&self) -> broadcast::Receiver<Vec<Topic>> {
        self.0.announcer.subscribe()
    }

    /// Topics that cover every view, for a listener that missed some.
    pub fn every_topic(&self) -> Vec<Topic> {
        let mut topics = vec![Topic::Shell, Topic::Alerts];
        topics.extend(self.fleet_states().iter().map(|state| Topic::fleet(&state.name)));
        topics
    }

    /// Tells something that people should know, once, and goes on.
    pub(crate) fn notice(&self, notice: String) {
        warn!("{notice}");
        let mut notices = self.0.notices.lock().expect("no panic while notices are held");
        if !notices.contains(&notice) {
            notices.push(notice);
            drop(notices);
            self.announce([Topic::Shell]);
        }
    }

    pub(crate) fn announce(&self, topics: impl IntoIterator<Item = Topic>) {
        self.0.announcer.add(topics);
    }

    /// The window is in front; behind others it sweeps more slowly.
    pub fn set_visible(&self, visible: bool) {
        self.0.visible.store(visible, Ordering::Relaxed);
        if visible {
            self.fleet_states().iter().for_each(|state| state.wake.notify_one());
        }
    }

    /// The cached fleet is on screen: sweeps and slow checks may begin.
    pub fn first_paint_done(&self) {
        self.0.painted.cancel();
    }

    /// Waits for the first paint, but not for ever: a window that never paints still sweeps.
    pub(crate) async fn painted(&self) {
        let _ = tokio::time::timeout(PAINT_MAX, self.0.painted.cancelled()).await;
    }

    fn spawn_tasks(&self) {
        let tasks = &self.0.tasks;
        let app = self.clone();
        tasks.spawn(async move {
            let mut tick = tokio::time::interval(ANNOUNCE_EVERY);
            loop {
                tokio::select! {
                    () = app.0.cancel.cancelled() => return,
                    _ = tick.tick() => app.0.announcer.flush(),
                }
            }
        });
        if self.0.options.sweep_on_period {
            tasks.spawn(self.clone().watch_others());
            tasks.spawn(self.clone().expire_daily());
            tasks.spawn(self.clone().check_files_after_paint());
        }
    }

    pub(crate) fn fleet_states(&self) -> Vec<Arc<FleetState>> {
        self.0.fleets.read().expect("no panic while fleets are held").values().cloned().collect()
    }

    pub(crate) fn state(&self, fleet: &str) -> Result<Arc<FleetState>, AppError> {
        let fleets = self.0.fleets.read().expect("no panic while fleets are held");
        FleetId::new(fleet).ok().and_then(|id| fleets.get(&id).cloned()).ok_or_else(|| {
            let known: Vec<&str> = fleets.keys().map(FleetId::as_str).collect();
            let hint = if known.is_empty() {
                "add a fleet file first".to_owned()
            } else {
                format!("known fleets: {}", known.join(", "))
            };
            AppError::new(Code::NotFound, format!("there is no fleet {fleet:?}"), hint)
        })
    }

    pub(crate) fn loaded(&self, fleet: &str) -> Result<(Arc<FleetState>, Loaded), AppError> {
        let state = self.state(fleet)?;
        match &state.loaded {
            Ok(loaded) => {
                let loaded = loaded.clone();
                Ok((state, loaded))
            }
            Err(problem) => Err(AppError::new(
                Code::Invalid,
                problem.clone(),
                format!("mend {} and open the fleet again", state.file),
            )),
        }
    }

    /// Keeps policies by content; what is known already costs one look.
    pub(crate) async fn keep_contents(
        &self,
        contents: impl IntoIterator<Item = Content>,
    ) -> Result<(), AppError> {
        let contents: BTreeMap<ContentDigest, Content> =
            contents.into_iter().map(|content| (content.digest, content)).collect();
        let missing = self.unknown_contents(&contents.keys().copied().collect()).await?;
        if missing.is_empty() {
            return Ok(());
        }
        let now = self.now();
        let mut cache = self.cache().write().await?;
        for digest in missing {
            plumb_store::contents::insert(&mut cache, &contents[&digest], now).await?;
        }
        cache.commit().await?;
        Ok(())
    }

    pub(crate) async fn unknown_contents(
        &self,
        digests: &BTreeSet<ContentDigest>,
    ) -> Result<BTreeSet<ContentDigest>, AppError> {
        if digests.is_empty() {
            return Ok(BTreeSet::new());
        }
        let mut conn = self.cache().read().await?;
        Ok(plumb_store::contents::missing(&mut conn, digests).await?)
    }

    /// The policies of a content, where they were ever read.
    pub(crate) async fn content(&self, digest: ContentDigest) -> Result<Option<Content>, AppError> {
        let mut conn = self.cache().read().await?;
        Ok(plumb_store::contents::get(&mut conn, digest).await?)
    }

    /// What the store holds of a fleet now. A command has no paint to wait for and sees every bundle at once.
    pub(crate) async fn current(&self, fleet: &str) -> Result<Current, AppError> {
        let (state, loaded) = self.loaded(fleet)?;
        if !self.0.options.sweep_on_period {
            self.bundles_known(&state).await?;
        }
        let held = || state.current.lock().expect("no panic while a fleet is held").clone();
        if let Some(current) = held() {
            return Ok(current);
        }
        // A window asks several questions at once at its start; the store is read for the first of them.
        let _one_at_a_time = state.reading.lock().await;
        match held() {
            Some(current) => Ok(current),
            None => self.read_current(&state, &loaded).await,
        }
    }

    /// Reads the newest snapshot and desired versions from the store and keeps them for queries.
    pub(crate) async fn read_current(
        &self,
        state: &FleetState,
        loaded: &Loaded,
    ) -> Result<Current, AppError> {
        let name = &loaded.fleet.name;
        let stored = {
            let mut conn = self.cache().read().await?;
            plumb_store::snapshots::latest_with(
                &mut conn,
                name,
                plumb_store::snapshots::Policies::Without,
            )
            .await?
        };
        let (snapshot, sweep) = known(&loaded.fleet, stored);
        let (snapshot, sweep) = self.as_of(snapshot, sweep).await?;
        let desired = Arc::new(self.read_desired(&loaded.fleet).await?);
        let current = Current::of(loaded.fleet.clone(), snapshot, sweep, desired);
        *state.current.lock().expect("no panic while a fleet is held") = Some(current.clone());
        Ok(current)
    }

    pub(crate) async fn keep_prepared(&self, prepared: Prepared) -> Result<(), AppError> {
        let document =
            String::from_utf8(prepared.plan.canonical_bytes()).expect("canonical JSON is UTF-8");
        let mut record = self.record().write().await?;
        let (hash, now) = (prepared.plan.hash(), self.now());
        plumb_store::plans::insert(&mut record, hash, &prepared.plan.fleet, now, &document).await?;
        record.commit().await?;
        let mut kept = self.0.prepared.lock().expect("no panic while plans are held");
        kept.retain(|other| other.plan.hash() != hash);
        if kept.len() == PREPARED_MAX {
            kept.pop_front();
        }
        kept.push_back(prepared);
        Ok(())
    }

    pub(crate) fn prepared(&self, hash: PlanHash) -> Result<Prepared, AppError> {
        let kept = self.0.prepared.lock().expect("no panic while plans are held");
        kept.iter().find(|prepared| prepared.plan.hash() == hash).cloned().ok_or_else(|| {
            AppError::new(
                Code::Outdated,
                "this plan was started already, or shown too long ago",
                "plan again",
            )
        })
    }

    pub(crate) fn forget_prepared(&self, hash: PlanHash) {
        let mut kept = self.0.prepared.lock().expect("no panic while plans are held");
        kept.retain(|prepared| prepared.plan.hash() != hash);
    }
}
