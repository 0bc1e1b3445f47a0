//! The endpoint on a socket, following its folder.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use axum::Router;
use notify::{
    Event, EventKind, RecursiveMode, Watcher,
    event::{AccessKind, AccessMode},
};
use plumb_serve::{Exposure, Serving, TlsConfig, serve};
use secrecy::SecretString;
use tokio::{
    net::TcpListener,
    sync::mpsc,
    time::{sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    error::HubError,
    folder::{PackFolder, chain},
    limits::{CONNECTIONS_MAX, RESCAN, SETTLE},
    packs::{Access, Packs, router},
};

/// How packs are served.
#[derive(Debug)]
pub struct HubConfig {
    pub listen: SocketAddr,
    pub folder: PathBuf,
    /// Packs that may be asked for before they are there.
    pub expected: Vec<String>,
    /// Bearer token readers have to show.
    pub token: Option<SecretString>,
    /// With a client CA, a certificate is as good as the token.
    pub tls: Option<TlsConfig>,
    /// Accept a listener that is neither loopback nor TLS, because a proxy in front is both.
    pub insecure_behind_proxy: bool,
}

impl HubConfig {
    /// A hub on a free port of loopback, open to every reader there.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            folder: folder.into(),
            expected: Vec::new(),
            token: None,
            tls: None,
            insecure_behind_proxy: false,
        }
    }

    fn exposure(&self) -> Exposure<'_> {
        Exposure {
            listen: self.listen,
            token: self.token.as_ref(),
            tls: self.tls.as_ref(),
            behind_proxy: self.insecure_behind_proxy,
        }
    }
}

/// An endpoint that answers. Dropping it cuts it off.
#[derive(Debug)]
pub struct RunningHub {
    packs: Packs,
    address: SocketAddr,
    encrypted: bool,
    stop: CancellationToken,
    tracker: TaskTracker,
}

impl RunningHub {
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// URL of a pack.
    pub fn pack_url(&self, id: &str) -> String {
        let scheme = if self.encrypted { "https" } else { "http" };
        format!("{scheme}://{}/v1/policy/packs/{id}", self.address)
    }

    pub fn packs(&self) -> &Packs {
        &self.packs
    }

    /// Stops: requests in flight finish, those that wait for a change are answered at once.
    pub async fn shutdown(self) {
        self.stop.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }
}

impl Drop for RunningHub {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Serves the packs of a folder until the hub is shut down.
pub async fn serve_packs(config: HubConfig) -> Result<RunningHub, HubError> {
    config.exposure().check()?;
    let tls = config.tls.as_ref().map(plumb_serve::server).transpose()?;
    let certificate = config.tls.as_ref().is_some_and(TlsConfig::asks_for_certificates);
    let access = Access { certificate, token: config.token };
    let stop = CancellationToken::new();
    let folder = PackFolder::open(&config.folder)?;
    let watched = folder.path().to_owned();
    let (changed, changes) = mpsc::channel(1);
    let watcher = watch(&watched, changed)?;
    // Opened after the watch began, so that no change falls between.
    let packs = Packs::with_access(folder, config.expected, access, stop.clone())?;
    let encrypted = tls.is_some();
    let (serving, address) = bound(config.listen, tls, router(packs.clone())).await?;
    let tracker = TaskTracker::new();
    tracker.spawn(serve(serving, stop.clone()));
    tracker.spawn(follow(packs.clone(), changes, Arc::new(watcher), stop.clone()));
    Ok(RunningHub { packs, address, encrypted, stop, tracker })
}

/// Takes the address, and tells where it can be reached: a port of 0 is a free one.
pub(crate) async fn bound(
    listen: SocketAddr,
    tls: Option<Arc<ServerConfig>>,
    router: Router,
) -> Result<(Serving, SocketAddr), HubError> {
    let failed = |error| HubError::Listen { listen, error };
    let listener = TcpListener::bind(listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let tls = tls.map(TlsAcceptor::from);
    Ok((Serving { listener, tls, router, connections_max: CONNECTIONS_MAX }, address))
}

fn watch(
    folder: &std::path::Path,
    changed: mpsc::Sender<()>,
) -> Result<impl Watcher + Send + Sync + use<>, HubError> {
    let failed = |error| HubError::Watch { path: folder.to_owned(), error };
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        // Reading the folder is told, too, and is no change.
        let read_only = event.is_ok_and(|event| {
            let reading = matches!(
                event.kind,
                EventKind::Access(
                    AccessKind::Open(_)
                        | AccessKind::Read
                        | AccessKind::Any
                        | AccessKind::Close(AccessMode::Read)
                )
            );
            reading && !event.need_rescan()
        });
        if !read_only {
            // A full queue already says that something changed.
            let _ = changed.try_send(());
        }
    })
    .map_err(failed)?;
    watcher.watch(folder, RecursiveMode::NonRecursive).map_err(failed)?;
    Ok(watcher)
}

async fn follow<W: Watcher + Send + Sync>(
    packs: Packs,
    mut changes: mpsc::Receiver<()>,
    _watcher: Arc<W>,
    stop: CancellationToken,
) {
    loop {
        let pause: Duration = tokio::select! {
            changed = timeout(RESCAN, changes.recv()) => match changed {
                Ok(Some(())) => SETTLE,
                Ok(None) => return,
                Err(_) => Duration::ZERO,
            },
            () = stop.cancelled() => return,
        };
        sleep(pause).await;
        // What came until here is covered by this look.
        while changes.try_recv().is_ok() {}
        let packs = packs.clone();
        match tokio::task::spawn_blocking(move || packs.refresh()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(error = %chain(&error), "packs cannot be looked at"),
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
}
