//! Nodes for tests: recorded replies, and peers that answer whatever they are told.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use plumb_clients::{HttpPool, Now, TokenSource, observe};
use plumb_fleet::{Node, NodeApi, NodeFailure, NodeId, NodeReport, Route};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{method, path},
};

/// Long enough for any answer on loopback, short enough to fail a test.
pub(crate) const PATIENT: Duration = Duration::from_secs(20);

/// The moment every test takes place, one second after the peers' `Date`.
pub(crate) fn now() -> Now {
    Arc::new(|| "2026-11-21T05:25:18Z".parse::<Timestamp>().expect("a time"))
}

pub(crate) const DATE: &str = "Sat, 21 Nov 2026 05:25:17 GMT";

pub(crate) fn pool() -> HttpPool {
    HttpPool::new(TokenSource::system(), "/")
}

pub(crate) fn node(api: NodeApi, url: &str) -> Node {
    Node {
        id: NodeId::new("eu-gw-001").expect("a valid name"),
        api,
        url: url.parse().expect("a URL"),
        labels: BTreeMap::new().into(),
        credential: None,
        tls: None,
        allow_plain_token: false,
        route: Route::Direct,
        bundle_folder: None,
        bundle: None,
    }
}

pub(crate) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/fixtures/nodes")
}

pub(crate) fn fixture(name: &str) -> Vec<u8> {
    let path = fixtures().join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A node that answers the recorded replies of a case: `v1__status.500.json` is `/v1/status`.
pub(crate) async fn recorded(api: NodeApi, case: &str) -> MockServer {
    let server = MockServer::start().await;
    let folder = fixtures().join(api.name()).join(case);
    for entry in std::fs::read_dir(&folder).expect("a case folder") {
        let entry = entry.expect("an entry");
        let name = entry.file_name().into_string().expect("UTF-8");
        let mut parts = name.trim_end_matches(".json").split('.');
        let endpoint = format!("/{}", parts.next().expect("a name").replace("__", "/"));
        let status = parts.next().map_or(200, |status| status.parse().expect("a status"));
        let body = std::fs::read(entry.path()).expect("readable");
        let reply = ResponseTemplate::new(status)
            .insert_header("date", DATE)
            .set_body_raw(body, "application/json");
        Mock::given(method("GET")).and(path(endpoint)).respond_with(reply).mount(&server).await;
    }
    server
}

/// What observing a node gives, without what the clock decides.
pub(crate) async fn observed(node: &Node) -> Result<NodeReport, NodeFailure> {
    observed_within(node, PATIENT).await
}

pub(crate) async fn observed_within(
    node: &Node,
    deadline: Duration,
) -> Result<NodeReport, NodeFailure> {
    let mut report = observe(&pool(), node, deadline, &now()).await;
    if let Ok(report) = &mut report {
        report.latency_ms = 0;
    }
    report
}

/// What a peer does with one request.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// These bytes, then the end.
    Bytes(Vec<u8>),
    /// This head, then blanks without end, as fast as they are taken.
    Endless(String),
    /// This head, then one blank every 20 ms.
    Drip(String),
    Silence,
    Close,
}

impl Reply {
    pub(crate) fn json(status: u16, body: &str) -> Self {
        Self::Bytes(http(status, "content-type: application/json\r\n", body.as_bytes()))
    }
}

/// A complete answer.
pub(crate) fn http(status: u16, headers: &str, body: &[u8]) -> Vec<u8> {
    let mut answer = format!(
        "HTTP/1.1 {status} X\r\ndate: {DATE}\r\ncontent-length: {}\r\n{headers}\r\n",
        body.len()
    )
    .into_bytes();
    answer.extend_from_slice(body);
    answer
}

/// A server that answers each path as it is told, whether or not that is HTTP.
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    pub(crate) requests: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Peer {
    pub(crate) async fn start(reply: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let requests = Arc::new(AtomicUsize::new(0));
        let (count, reply) = (requests.clone(), Arc::new(reply));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, reply.clone(), count.clone()));
            }
        });
        Self { address, requests, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn count(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    mut stream: TcpStream,
    reply: Arc<impl Fn(&str) -> Reply + Send + Sync + 'static>,
    count: Arc<AtomicUsize>,
) {
    let mut read = Vec::new();
    let mut chunk = [0; 4096];
    while !read.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return,
            Ok(length) => read.extend_from_slice(&chunk[..length]),
        }
    }
    count.fetch_add(1, Ordering::Relaxed);
    let text = String::from_utf8_lossy(&read).into_owned();
    let path = text.split(' ').nth(1).unwrap_or_default();
    match reply(path) {
        Reply::Close => {}
        Reply::Silence => std::future::pending().await,
        Reply::Bytes(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
        Reply::Endless(head) => {
            let blanks = vec![b' '; 64 << 10];
            let mut sent = stream.write_all(head.as_bytes()).await;
            while sent.is_ok() {
                sent = stream.write_all(&blanks).await;
            }
        }
        Reply::Drip(head) => {
            let mut sent = stream.write_all(head.as_bytes()).await;
            while sent.is_ok() {
                tokio::time::sleep(Duration::from_millis(20)).await;
                sent = stream.write_all(b" ").await;
            }
        }
    }
}
