//! Connections: accept, TLS, HTTP, and a stop that lets requests in flight finish.

use std::{net::IpAddr, sync::Arc, time::Duration};

use axum::{Router, body::Body, extract::Request};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto::Builder, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::{
    limits::{ACCEPT_PAUSE, HEADER_TIMEOUT, STOP_TIMEOUT, TLS_HANDSHAKE_TIMEOUT},
    names::names,
};

/// Who is at the other end of a connection.
#[derive(Debug, Clone)]
pub struct Peer {
    pub address: IpAddr,
    /// It showed a certificate that descends from the client CA.
    pub certified: bool,
    /// Names in that certificate: what it speaks for, and its subject's common name.
    pub names: Arc<[String]>,
}

/// What is served where.
pub struct Serving {
    pub listener: TcpListener,
    pub tls: Option<TlsAcceptor>,
    /// Every request carries a [`Peer`] among its extensions.
    pub router: Router,
    /// Open connections at once; the next ones wait to be accepted.
    pub connections_max: usize,
}

impl std::fmt::Debug for Serving {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Serving").field("listener", &self.listener).finish_non_exhaustive()
    }
}

/// Serves until it is stopped; requests in flight finish.
pub async fn serve(serving: Serving, stop: CancellationToken) {
    let Serving { listener, tls, router, connections_max } = serving;
    let open = Arc::new(Semaphore::new(connections_max));
    let graceful = GracefulShutdown::new();
    loop {
        let permit =
            Arc::clone(&open).acquire_owned().await.expect("the semaphore is never closed");
        let (stream, address) = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, from)) => (stream, from.ip()),
                Err(error) => {
                    // Out of file descriptors, or a client that left at once.
                    tracing::debug!(%error, "accept");
                    sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
        };
        let watcher = graceful.watcher();
        let (tls, router, stop) = (tls.clone(), router.clone(), stop.clone());
        let connection = async move {
            let _permit = permit;
            let _ = stream.set_nodelay(true);
            match tls {
                None => {
                    let peer = Peer { address, certified: false, names: Arc::default() };
                    answer(stream, peer, router, watcher).await;
                }
                Some(tls) => {
                    let Some((stream, peer)) = handshake(&stop, &tls, stream, address).await else {
                        return;
                    };
                    answer(stream, peer, router, watcher).await;
                }
            }
        };
        tokio::spawn(connection);
    }
    drop(listener);
    if timeout(STOP_TIMEOUT, graceful.shutdown()).await.is_err() {
        tracing::warn!("connections were cut that did not finish in time");
    }
}

async fn handshake(
    stop: &CancellationToken,
    tls: &TlsAcceptor,
    stream: TcpStream,
    address: IpAddr,
) -> Option<(tokio_rustls::server::TlsStream<TcpStream>, Peer)> {
    let shaken = tokio::select! {
        shaken = timeout(TLS_HANDSHAKE_TIMEOUT, tls.accept(stream)) => shaken,
        () = stop.cancelled() => return None,
    };
    match shaken {
        Ok(Ok(stream)) => {
            let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
            let names = shown.map(|leaf| names(leaf)).unwrap_or_default();
            let peer = Peer { address, certified: shown.is_some(), names: names.into() };
            Some((stream, peer))
        }
        Ok(Err(error)) => {
            tracing::debug!(%error, "TLS handshake");
            None
        }
        Err(_) => None,
    }
}

async fn answer<S>(
    stream: S,
    peer: Peer,
    router: Router,
    watcher: hyper_util::server::graceful::Watcher,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = router.map_request(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(peer.clone());
        request
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(100)
        .keep_alive_interval(Duration::from_secs(30));
    let connection = builder
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
        .into_owned();
    // A client that goes away in the middle of an answer is its own affair.
    let _ = watcher.watch(connection).await;
}
