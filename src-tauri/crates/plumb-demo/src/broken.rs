//! Nodes that do not answer as nodes should, and the listener they share with the OPA replay.

use std::time::Duration;

use anyhow::Result;
use axum::{
    Router,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use tokio::{
    net::{TcpListener, TcpSocket},
    task::JoinHandle,
    time::sleep,
};

/// Longer than any console waits.
const SLOW: Duration = Duration::from_mins(1);

/// A port that is held until this is dropped.
#[derive(Debug)]
pub(crate) struct Listening {
    pub(crate) url: String,
    serving: Option<JoinHandle<()>>,
    /// Bound and never listening, so that connections are refused and nobody else gets the port.
    _bound: Option<TcpSocket>,
}

impl Drop for Listening {
    fn drop(&mut self) {
        if let Some(serving) = &self.serving {
            serving.abort();
        }
    }
}

/// Serves a router on a free port of loopback.
pub(crate) async fn serve(router: Router) -> Result<Listening> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let url = format!("http://{}", listener.local_addr()?);
    let serving = tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::warn!(%error, "a demo node stopped");
        }
    });
    Ok(Listening { url, serving: Some(serving), _bound: None })
}

/// Refuses every connection.
pub(crate) fn dead() -> Result<Listening> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(([127, 0, 0, 1], 0).into())?;
    let url = format!("http://{}", socket.local_addr()?);
    Ok(Listening { url, serving: None, _bound: Some(socket) })
}

/// Answers, but so late that nobody waits.
pub(crate) async fn slow() -> Result<Listening> {
    serve(Router::new().fallback(|| async {
        sleep(SLOW).await;
        StatusCode::OK
    }))
    .await
}

/// Answers at once, with nothing that can be read.
pub(crate) async fn garbage() -> Result<Listening> {
    serve(Router::new().fallback(|| async { nonsense() })).await
}

fn nonsense() -> Response {
    const BYTES: &[u8] =
        b"{\"ready\": maybe, \"bundle_version\": \"\x1b[31m2.0.0\xff<script>\", NaN";
    let mut response = BYTES.into_response();
    let media = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, media);
    response
}
