//! One reqwest client per TLS identity, route and lane, built once and shared.

use std::path::Path;
use std::sync::Arc;

use plumb_fleet::{FailureKind, Node, NodeFailure, Route, TlsFiles};
use reqwest::{Certificate, Client, ClientBuilder, Identity, Proxy, redirect, retry};
use tokio::time::Instant;

use crate::{
    error::{chain, failure},
    escape::escape,
    http::{HttpPool, tunnel::Tunnel},
    limits::{
        EXCERPT_CHARS_MAX, FAILURE_TTL, HEADER_BYTES_MAX, HEADERS_MAX, IDLE_CONNECTION_TIME,
        IDLE_CONNECTIONS_PER_NODE,
    },
    once::{Made, Once},
    uplink::Uplink,
};

/// Which connections a request may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lane {
    /// Kept open between sweeps.
    Warm,
    /// Opened for one observation: fleets with more nodes than open files.
    Brief,
    /// Opened for one mutation, so that a connection the node has just closed cannot put it in doubt.
    Fresh,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct ClientKey {
    tls: Option<Arc<TlsFiles>>,
    proxy: Option<String>,
    /// Whether the system's roots are needed at all: a machine without any can still speak HTTP.
    encrypted: bool,
    lane: Lane,
}

#[derive(Debug)]
pub(crate) struct Clients {
    made: Once<ClientKey, Result<Client, NodeFailure>>,
    uplink: Uplink,
}

impl Clients {
    pub(crate) fn new(uplink: Uplink) -> Self {
        Self { made: Once::new(), uplink }
    }

    /// What all of them send over.
    pub(crate) const fn uplink(&self) -> &Uplink {
        &self.uplink
    }

    /// The client for a node, with its tunnel running.
    pub(crate) async fn get(
        &self,
        pool: &HttpPool,
        node: &Node,
        lane: Lane,
    ) -> Result<Client, NodeFailure> {
        self.uplink.stands()?;
        let proxy = match &node.route {
            Route::Direct => None,
            Route::Proxy(url) => Some(url.clone()),
            Route::Tunnel(command) => {
                let tunnel: Tunnel = pool.tunnels().get(command).await?;
                Some(format!("socks5h://127.0.0.1:{}", tunnel.port()))
            }
        };
        let encrypted = node.url.scheme() == "https"
            || proxy.as_ref().is_some_and(|proxy| proxy.starts_with("https"));
        let key = ClientKey { tls: node.tls.clone(), proxy, encrypted, lane };
        self.shared(key, pool.folder()).await
    }

    /// The client for a server that is no node, reached without proxy or tunnel.
    pub(crate) async fn plain(
        &self,
        pool: &HttpPool,
        encrypted: bool,
        tls: Option<Arc<TlsFiles>>,
    ) -> Result<Client, NodeFailure> {
        self.uplink.stands()?;
        let key = ClientKey { tls, proxy: None, encrypted, lane: Lane::Warm };
        self.shared(key, pool.folder()).await
    }

    async fn shared(&self, key: ClientKey, folder: &Path) -> Result<Client, NodeFailure> {
        let (wanted, folder) = (key.clone(), folder.to_owned());
        self.made
            .get(key, || async move {
                let built = tokio::task::spawn_blocking(move || build(wanted, &folder)).await;
                let value = built.unwrap_or_else(|error| {
                    Err(failure(FailureKind::Policy, format!("the HTTP client: {error}")))
                });
                let good_until = value.is_err().then(|| Instant::now() + FAILURE_TTL);
                Made { value, good_until }
            })
            .await
    }
}

/// A client for a server that is no node, with connections that stay open. Blocks.
pub(crate) fn plain_client(
    encrypted: bool,
    tls: TlsFiles,
    folder: &Path,
) -> Result<Client, NodeFailure> {
    let tls = Some(Arc::new(tls));
    build(ClientKey { tls, proxy: None, encrypted, lane: Lane::Warm }, folder)
}

/// Blocks: reads PEM files and the system's roots.
fn build(key: ClientKey, folder: &Path) -> Result<Client, NodeFailure> {
    let lane = key.lane;
    let idle = match lane {
        Lane::Warm | Lane::Brief => IDLE_CONNECTIONS_PER_NODE,
        Lane::Fresh => 0,
    };
    let idle_time = match lane {
        Lane::Warm => IDLE_CONNECTION_TIME,
        Lane::Brief | Lane::Fresh => std::time::Duration::from_millis(500),
    };
    let builder = Client::builder()
        .redirect(redirect::Policy::none())
        .referer(false)
        .retry(retry::never())
        .no_gzip()
        .no_brotli()
        .no_zstd()
        .no_deflate()
        .http1_max_headers(HEADERS_MAX)
        .http2_max_header_list_size(HEADER_BYTES_MAX)
        .pool_max_idle_per_host(idle)
        .pool_idle_timeout(idle_time)
        .tcp_nodelay(true)
        .user_agent(concat!("plumbline/", env!("CARGO_PKG_VERSION")));
    let builder = with_proxy(builder, key.proxy)?;
    let builder = if key.encrypted {
        with_tls(builder, &key.tls.unwrap_or_default(), folder)?
    } else {
        builder.tls_certs_only([])
    };
    builder.build().map_err(|error| {
        failure(
            FailureKind::Tls,
            format!("TLS settings: {}", escape(&chain(&error), EXCERPT_CHARS_MAX)),
        )
    })
}

fn with_proxy(builder: ClientBuilder, proxy: Option<String>) -> Result<ClientBuilder, NodeFailure> {
    // Proxies of the environment are not for nodes: the fleet file says how each is reached.
    let Some(url) = proxy else { return Ok(builder.no_proxy()) };
    let proxy = Proxy::all(&url).map_err(|_| {
        failure(FailureKind::Policy, "the proxy of this node's route is no URL that can be used")
    })?;
    Ok(builder.proxy(proxy))
}

fn with_tls(
    mut builder: ClientBuilder,
    files: &TlsFiles,
    folder: &Path,
) -> Result<ClientBuilder, NodeFailure> {
    if let Some(ca) = &files.ca {
        let certificates = Certificate::from_pem_bundle(&read(folder, ca)?)
            .map_err(|_| bad_pem(ca, "holds no certificate"))?;
        if certificates.is_empty() {
            return Err(bad_pem(ca, "holds no certificate"));
        }
        builder = builder.tls_certs_only(certificates);
    }
    if let (Some(certificate), Some(key)) = (&files.certificate, &files.key) {
        let mut pem = read(folder, certificate)?;
        pem.push(b'\n');
        pem.extend_from_slice(&read(folder, key)?);
        let identity = Identity::from_pem(&pem)
            .map_err(|_| bad_pem(certificate, "and its key are no usable pair"))?;
        builder = builder.identity(identity);
    }
    Ok(builder)
}

fn read(folder: &Path, path: &str) -> Result<Vec<u8>, NodeFailure> {
    std::fs::read(folder.join(path)).map_err(|error| {
        failure(
            FailureKind::Tls,
            format!("{} cannot be read: {error}", escape(path, EXCERPT_CHARS_MAX)),
        )
    })
}

fn bad_pem(path: &str, problem: &str) -> NodeFailure {
    failure(FailureKind::Tls, format!("{} {problem}", escape(path, EXCERPT_CHARS_MAX)))
}
