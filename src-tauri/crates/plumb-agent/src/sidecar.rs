//! An Open Policy Agent beside this agent, brought to decide by the verified pack.
//!
//! By default the agent serves the pack as a bundle on loopback; OPA waits for it by long polling and
//! swaps in one step. The agent then waits until OPA itself tells the new revision without an error,
//! and until the probes are answered as they have to be. On a failure the former bundle is offered
//! again and waited for. The other way, `PUT` of modules and documents, is what the field does today:
//! see [`OpaMode::Put`].

mod by_bundle;
mod by_put;
mod config;
mod failure;
mod journal;
mod limits;
mod offer;
mod opa;
mod probe;
mod status;

use std::{
    io,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::future::BoxFuture;
use plumb_bundle::formats::pack::OpaForm;
use plumb_serve::{Serving, serve};
use plumb_wire::v1::LogLevel;
use serde::Serialize;
use tokio::{
    net::TcpListener,
    sync::{Mutex, oneshot, watch},
    time::{Instant, sleep, timeout_at},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use by_bundle::ByBundle;
use by_put::ByPut;
use failure::OpaFailure;
use journal::Journal;
use limits::{CONNECTIONS_MAX, LOOK_PAUSE, PRESENCE_PAUSE, REACH_AGAIN, RETURN_TIMEOUT};
use offer::Offer;
use opa::Opa;

pub use config::{BUNDLE_LISTEN, OpaMode, SidecarConfig, SidecarSettingError};
pub use failure::Return;
pub use status::{OpaError, OpaFault};

use crate::{
    chain::chain,
    fetch::{Activate, Activated, LogSink, Refused, VerifiedPack},
    probe_file::ProbeEntry,
};

/// Why a sidecar cannot be driven.
#[derive(Debug, thiserror::Error)]
pub enum SidecarError {
    #[error(transparent)]
    Setting(#[from] SidecarSettingError),
    #[error("no client for OPA can be made: {problem}")]
    Client { problem: String },
    #[error("serving the bundle for OPA on {listen}")]
    Listen {
        listen: SocketAddr,
        #[source]
        error: io::Error,
    },
    #[error(
        "{path} says what has to be taken back in OPA and cannot be read; mend it, or remove it once OPA has no policies of this agent",
        path = path.display()
    )]
    Journal {
        path: PathBuf,
        #[source]
        error: io::Error,
    },
}

/// What a health endpoint shows about the sidecar.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SidecarReport {
    /// `bundle` or `put`.
    pub mode: &'static str,
    /// The revision OPA was seen to decide by.
    pub in_force: Option<String>,
    /// How long OPA decided by a mixture of two packs at the newest change; nothing where OPA swaps
    /// in one step.
    pub mixed_for_ms: Option<u64>,
    /// Why the newest pack was refused; nothing after one that was taken.
    pub refusal: Option<String>,
    /// What OPA itself said about that.
    pub fault: Option<OpaFault>,
    /// What answers after the refusal.
    pub returned: Option<Return>,
    /// An unfinished change is being taken back.
    pub restoring: bool,
}

/// Until when what may take.
#[derive(Debug, Clone, Copy)]
struct Times {
    /// OPA has to have answered something.
    reach_by: Instant,
    /// The pack has to be in force.
    deadline: Instant,
}

enum Way {
    Bundle(ByBundle),
    Put(ByPut),
}

struct Inner {
    config: SidecarConfig,
    /// One change at a time, also while an earlier one is taken back.
    way: Mutex<Way>,
    report: watch::Sender<SidecarReport>,
    log: LogSink,
    /// OPA did not answer at all when it was last needed.
    away: AtomicBool,
    stop: CancellationToken,
    tracker: TaskTracker,
}

/// Brings packs into force in an OPA. Dropping the last one stops it.
pub struct Sidecar {
    inner: Arc<Inner>,
    bundle_address: Option<SocketAddr>,
}

impl std::fmt::Debug for Sidecar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sidecar")
            .field("opa", &self.inner.config.url().as_str())
            .finish_non_exhaustive()
    }
}

impl Sidecar {
    /// Listens for OPA, or takes back what an earlier process left half done. That OPA is away is no
    /// error here.
    pub async fn start(config: SidecarConfig, log: LogSink) -> Result<Self, SidecarError> {
        config.check()?;
        let opa = Opa::new(&config)
            .map_err(|error| SidecarError::Client { problem: chain(&error.without_url()) })?;
        let opa = Arc::new(opa);
        let (stop, tracker) = (CancellationToken::new(), TaskTracker::new());
        let (way, bundle_address) = match config.mode {
            OpaMode::Bundle => {
                let (way, address) = serve_bundle(&config, &opa, &stop, &tracker).await?;
                (Way::Bundle(way), Some(address))
            }
            OpaMode::Put => {
                let journal = Journal::open(&config.folder).map_err(|error| {
                    SidecarError::Journal { path: Journal::path(&config.folder), error }
                })?;
                (Way::Put(ByPut { opa, journal }), None)
            }
        };
        let report = SidecarReport { mode: config.mode.as_str(), ..SidecarReport::default() };
        let inner = Arc::new(Inner {
            config,
            way: Mutex::new(way),
            report: watch::Sender::new(report),
            log,
            away: AtomicBool::new(false),
            stop,
            tracker,
        });
        if inner.config.mode == OpaMode::Put {
            inner.tracker.spawn(Arc::clone(&inner).look_after());
        }
        Ok(Self { inner, bundle_address })
    }

    /// Where OPA downloads the bundle, in [`OpaMode::Bundle`].
    pub fn bundle_address(&self) -> Option<SocketAddr> {
        self.bundle_address
    }

    /// What there is to show, and a way to wait for its next change.
    pub fn report(&self) -> watch::Receiver<SidecarReport> {
        self.inner.report.subscribe()
    }

    /// Stops: no bundle is served any more, and what has to be taken back waits for the next start.
    pub async fn shutdown(&self) {
        self.inner.stop.cancel();
        self.inner.tracker.close();
        self.inner.tracker.wait().await;
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        self.inner.stop.cancel();
    }
}

impl Activate for Sidecar {
    fn activate<'a>(&'a self, pack: &'a VerifiedPack) -> BoxFuture<'a, Result<Activated, Refused>> {
        Box::pin(async move {
            let deadline = Instant::now() + self.inner.config.deadline;
            let content = Arc::clone(pack.pack());
            let form = crate::fetch::on_blocking_thread(move || content.to_opa()).await;
            let form = form.map_err(OpaFailure::Form).map_err(|failure| refusal(&failure, None))?;
            let cancel = CancellationToken::new();
            // What is begun is ended or taken back, also when nobody waits any more.
            let guard = cancel.clone().drop_guard();
            let (answer, answered) = oneshot::channel();
            let change = Arc::clone(&self.inner).change(form, deadline, cancel, answer);
            self.inner.tracker.spawn(change);
            let answer = answered.await;
            guard.disarm();
            answer.unwrap_or_else(|_| {
                Err(Refused {
                    reason: "the agent stops, or has a bug that this pack met".to_owned(),
                })
            })
        })
    }
}

impl Inner {
    /// One change, and what follows from it.
    async fn change(
        self: Arc<Self>,
        form: OpaForm,
        deadline: Instant,
        cancel: CancellationToken,
        answer: oneshot::Sender<Result<Activated, Refused>>,
    ) {
        let turn = tokio::select! {
            () = cancel.cancelled() => return,
            () = self.stop.cancelled() => return,
            turn = timeout_at(deadline, self.way.lock()) => turn,
        };
        let Ok(mut way) = turn else {
            let refused = self.refused(&OpaFailure::StillRestoring, Return::Awaited);
            // Whoever asked may have gone.
            let _ = answer.send(Err(refused));
            return;
        };
        let probes = match &self.config.probes[..] {
            [] => probe::of_packages(&form),
            given => given.to_vec(),
        };
        let revision = form.revision.clone();
        let times = self.times(deadline);
        match &mut *way {
            Way::Bundle(way) => {
                let result = match way.activate(form, &probes, times, &cancel).await {
                    Ok(()) => Ok(self.taken(revision, None)),
                    Err((failure, returned)) => Err(self.refused(&failure, returned)),
                };
                let _ = answer.send(result);
            }
            Way::Put(way) => {
                self.change_by_put(way, &form, &probes, times, &cancel, answer).await;
            }
        }
    }

    async fn change_by_put(
        &self,
        way: &mut ByPut,
        form: &OpaForm,
        probes: &[ProbeEntry],
        times: Times,
        cancel: &CancellationToken,
        answer: oneshot::Sender<Result<Activated, Refused>>,
    ) {
        if way.journal.former().is_some() {
            // Only an agent that stops leaves the turn before all is back.
            let _ = answer.send(Err(self.refused(&OpaFailure::StillRestoring, Return::Awaited)));
            return;
        }
        let failure = match way.activate(form, probes, times, cancel).await {
            Ok(changed) => {
                let _ = answer.send(Ok(self.taken(form.revision.clone(), Some(changed.mixed))));
                return;
            }
            Err(failure) => failure,
        };
        let back = if failure.is_passing() && way.journal.former().is_none() {
            // Nothing was changed, and nobody knows what OPA is at.
            Return::Awaited
        } else if way.journal.held().is_empty() {
            Return::Nothing
        } else {
            Return::Answers
        };
        let restoring = self.restore(way);
        tokio::pin!(restoring);
        tokio::select! {
            restored = &mut restoring => {
                let returned = if restored { back } else { Return::Awaited };
                let _ = answer.send(Err(self.refused(&failure, returned)));
            }
            () = sleep(RETURN_TIMEOUT) => {
                let _ = answer.send(Err(self.refused(&failure, Return::Awaited)));
                restoring.await;
            }
        }
    }

    /// Takes an unfinished change back; whether it is back.
    async fn restore(&self, way: &mut ByPut) -> bool {
        if way.journal.former().is_none() {
            return true;
        }
        self.report.send_modify(|report| report.restoring = true);
        let restored = way.restore(&self.stop, |text| (self.log)(LogLevel::Error, text)).await;
        let text = match &restored {
            Ok(()) => "The former policies are back in OPA".to_owned(),
            Err(failure) => format!("The former policies are not back in OPA: {}", chain(failure)),
        };
        let level = if restored.is_ok() { LogLevel::Info } else { LogLevel::Error };
        (self.log)(level, &text);
        let revision = way.journal.revision().map(str::to_owned);
        self.report.send_modify(|report| {
            report.restoring = restored.is_err();
            if restored.is_ok() {
                report.in_force = revision;
                report.returned = Some(Return::Answers);
            }
        });
        restored.is_ok()
    }

    /// Takes back what an earlier process left, and sees to it that an OPA that restarted gets what
    /// it lost.
    async fn look_after(self: Arc<Self>) {
        let mut away = false;
        loop {
            {
                let mut way = self.way.lock().await;
                let Way::Put(way) = &mut *way else { return };
                if way.journal.former().is_some() {
                    self.restore(way).await;
                } else {
                    match way.keep(&self.stop).await {
                        Ok(false) => away = false,
                        Ok(true) => {
                            let text =
                                "OPA had lost the policies of the pack in force; they are back";
                            (self.log)(LogLevel::Warn, text);
                        }
                        Err(failure) if !away => {
                            away = true;
                            let text =
                                format!("OPA's policies cannot be read: {}", chain(&failure));
                            (self.log)(LogLevel::Warn, &text);
                        }
                        Err(_) => {}
                    }
                }
            }
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = sleep(PRESENCE_PAUSE) => {}
            }
        }
    }

    fn times(&self, deadline: Instant) -> Times {
        let soon = Instant::now() + REACH_AGAIN;
        let away = self.away.load(Ordering::Relaxed);
        Times { reach_by: if away { soon.min(deadline) } else { deadline }, deadline }
    }

    fn taken(&self, revision: String, mixed: Option<Duration>) -> Activated {
        let mixed_for_ms = mixed.map(|mixed| u64::try_from(mixed.as_millis()).unwrap_or(u64::MAX));
        let detail = match mixed_for_ms {
            None => format!("OPA decides by {revision}"),
            Some(ms) => format!("OPA decides by {revision}, mixed_for_ms={ms}"),
        };
        (self.log)(LogLevel::Info, &detail);
        self.away.store(false, Ordering::Relaxed);
        self.report.send_modify(|report| {
            *report = SidecarReport {
                mode: report.mode,
                in_force: Some(revision),
                mixed_for_ms,
                ..SidecarReport::default()
            };
        });
        Activated { detail: Some(detail) }
    }

    fn refused(&self, failure: &OpaFailure, returned: Return) -> Refused {
        let refused = refusal(failure, Some(returned));
        self.away.store(failure.is_away(), Ordering::Relaxed);
        self.report.send_modify(|report| {
            report.refusal = Some(refused.reason.clone());
            report.fault = failure.fault().cloned();
            report.returned = Some(returned);
            if returned != Return::Answers {
                report.in_force = None;
            }
        });
        refused
    }
}

fn refusal(failure: &OpaFailure, returned: Option<Return>) -> Refused {
    let reason = chain(failure);
    Refused {
        reason: match returned {
            Some(returned) => format!("{reason}; {returned}"),
            None => reason,
        },
    }
}

/// Asks every probe until it is answered; the first wrong answer ends it.
async fn ask_all(opa: &Opa, probes: &[ProbeEntry], deadline: Instant) -> Result<(), OpaFailure> {
    for probe in probes {
        loop {
            let late = || OpaFailure::Late { what: format!("the probe data.{}", probe.path) };
            let answer = timeout_at(deadline, opa.ask(probe)).await.unwrap_or_else(|_| Err(late()));
            match answer {
                Err(failure) if failure.is_passing() && Instant::now() < deadline => {
                    sleep(LOOK_PAUSE).await;
                }
                Err(failure) => return Err(failure),
                Ok(answer) => match probe::objection(probe, answer.as_ref()) {
                    None => break,
                    Some(objection) => return Err(OpaFailure::Probe { objection }),
                },
            }
        }
    }
    Ok(())
}

async fn serve_bundle(
    config: &SidecarConfig,
    opa: &Arc<Opa>,
    stop: &CancellationToken,
    tracker: &TaskTracker,
) -> Result<(ByBundle, SocketAddr), SidecarError> {
    let listen = config.bundle_listen;
    let failed = |error| SidecarError::Listen { listen, error };
    let listener = TcpListener::bind(listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let offer = Offer::new(config.pack_id(), stop.clone());
    let router = offer::router(Arc::clone(&offer));
    let serving = Serving { listener, tls: None, router, connections_max: CONNECTIONS_MAX };
    tracker.spawn(serve(serving, stop.clone()));
    let way = ByBundle {
        opa: Arc::clone(opa),
        offer,
        name: config.pack_id().to_owned(),
        listen: address.to_string(),
        limit: config.deadline,
    };
    Ok((way, address))
}
