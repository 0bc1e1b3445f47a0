//! The one HTTP client of the console: shared connections, bounded bodies, deadlines, no redirects.

mod body;
mod client;
mod session;
mod tunnel;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicUsize},
};

use jiff::Timestamp;
use plumb_fleet::NodeId;

pub(crate) use client::{Lane, plain_client};
pub(crate) use session::{Answer, Call, SendError, Session, endpoint, header_lines, json};

use crate::{
    content::{ContentCache, InForceByNode},
    credentials::TokenSource,
    nodes::open_reload::OpenReloads,
    uplink::Uplink,
};
use client::Clients;
use tunnel::Tunnels;

/// The clock that dates what nodes answer.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The wall clock.
pub fn wall_clock() -> Now {
    Arc::new(Timestamp::now)
}

/// Everything the adapters share: connections, tokens, tunnels, known contents. Cheap to clone.
#[derive(Clone)]
pub struct HttpPool {
    inner: Arc<Inner>,
    tap: Option<Tap>,
}

/// Hears every answer as it comes. It must not block.
pub type Tap = Arc<dyn Fn(Received) + Send + Sync>;

/// Who answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answerer {
    /// A node, or a server that the fleet file names.
    Node(NodeId),
    /// Another host, by its name and port.
    Host(String),
}

/// An answer, word for word.
#[derive(Debug, Clone)]
pub struct Received {
    pub from: Answerer,
    pub method: String,
    /// Path and query, of a node below its URL.
    pub path: String,
    /// Our clock when the last byte had arrived.
    pub at: Timestamp,
    pub status: u16,
    /// One `name: value` each, as they came.
    pub headers: Vec<String>,
    pub body: Vec<u8>,
}

struct Inner {
    clients: Clients,
    tunnels: Tunnels,
    tokens: TokenSource,
    contents: ContentCache,
    in_force: InForceByNode,
    open_reloads: OpenReloads,
    /// Bytes of bodies being read now, over all nodes.
    reading: Arc<AtomicUsize>,
    folder: PathBuf,
}

impl HttpPool {
    /// A pool that takes tokens from `tokens` and finds the fleet file's relative PEM paths in `folder`.
    pub fn new(tokens: TokenSource, folder: impl Into<PathBuf>) -> Self {
        Self::over(Uplink::default(), tokens, folder)
    }

    /// The same over a way to the network that others share.
    pub fn over(uplink: Uplink, tokens: TokenSource, folder: impl Into<PathBuf>) -> Self {
        Self {
            inner: Arc::new(Inner {
                clients: Clients::new(uplink),
                tunnels: Tunnels::new(),
                tokens,
                contents: ContentCache::new(),
                in_force: InForceByNode::default(),
                open_reloads: OpenReloads::default(),
                reading: Arc::new(AtomicUsize::new(0)),
                folder: folder.into(),
            }),
            tap: None,
        }
    }

    /// The same connections, where somebody hears what nodes answer.
    #[must_use]
    pub fn tapped(&self, tap: Tap) -> Self {
        Self { inner: self.inner.clone(), tap: Some(tap) }
    }

    pub(crate) const fn tap(&self) -> Option<&Tap> {
        self.tap.as_ref()
    }

    /// A pool that opens no connection, and says this why.
    pub fn closed(tokens: TokenSource, folder: impl Into<PathBuf>, why: &'static str) -> Self {
        let uplink = Uplink::default();
        uplink.cut(why);
        Self::over(uplink, tokens, folder)
    }

    /// What it sends over.
    pub fn uplink(&self) -> &Uplink {
        self.inner.clients.uplink()
    }

    pub fn tokens(&self) -> &TokenSource {
        &self.inner.tokens
    }

    pub(crate) fn clients(&self) -> &Clients {
        &self.inner.clients
    }

    pub(crate) fn tunnels(&self) -> &Tunnels {
        &self.inner.tunnels
    }

    pub(crate) fn in_force(&self) -> &InForceByNode {
        &self.inner.in_force
    }

    pub(crate) fn open_reloads(&self) -> &OpenReloads {
        &self.inner.open_reloads
    }

    pub(crate) fn contents(&self) -> &ContentCache {
        &self.inner.contents
    }

    pub(crate) fn reading(&self) -> &Arc<AtomicUsize> {
        &self.inner.reading
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.inner.folder
    }
}

impl fmt::Debug for HttpPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpPool").field("folder", &self.inner.folder).finish_non_exhaustive()
    }
}
