//! The bundle server: what is offered, to an OPA that waits for it.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{CONTENT_TYPE, ETAG, IF_NONE_MATCH},
    },
    response::{IntoResponse, Response},
    routing::get,
};
use plumb_bundle::formats::pack::{BUNDLE_MEDIA_TYPE, OpaForm};
use plumb_fleet::Digest;
use plumb_wire::packs::PREFER;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::limits::HOLD_MAX;

/// A bundle that OPA may have.
#[derive(Debug)]
pub(super) struct Offered {
    pub(super) revision: String,
    etag: HeaderValue,
    archive: Bytes,
}

impl Offered {
    pub(super) fn new(form: OpaForm) -> Self {
        let etag = format!("\"{}\"", Digest::of(&form.archive));
        Self {
            revision: form.revision,
            etag: HeaderValue::from_str(&etag).expect("hex in quotes is a header value"),
            archive: Bytes::from(form.archive),
        }
    }
}

#[derive(Debug, Clone, Default)]
struct Turn {
    current: Option<Arc<Offered>>,
    /// Counts every change and every nudge.
    number: u64,
}

/// What OPA was told.
#[derive(Debug, Default)]
struct Told {
    asked: u64,
    /// The turn of the newest answer.
    turn: u64,
    /// ETag of the bundle OPA got last.
    sent: Option<HeaderValue>,
}

/// What is offered; one OPA asks for it.
#[derive(Debug)]
pub(super) struct Offer {
    name: String,
    turn: watch::Sender<Turn>,
    told: Mutex<Told>,
    stop: CancellationToken,
}

impl Offer {
    pub(super) fn new(name: &str, stop: CancellationToken) -> Arc<Self> {
        // Answers that were never given belong to turn 0.
        let turn = Turn { current: None, number: 1 };
        Arc::new(Self {
            name: name.to_owned(),
            turn: watch::Sender::new(turn),
            told: Mutex::default(),
            stop,
        })
    }

    pub(super) fn current(&self) -> Option<Arc<Offered>> {
        self.turn.borrow().current.clone()
    }

    /// Offers something else; the turn in which it is offered.
    pub(super) fn set(&self, offered: Option<Arc<Offered>>) -> u64 {
        self.turn.send_modify(|turn| {
            turn.current = offered;
            turn.number += 1;
        });
        self.turn.borrow().number
    }

    /// Answers a request that is held, so that OPA forgets an error it had on the way.
    pub(super) fn nudge(&self) {
        self.turn.send_modify(|turn| turn.number += 1);
    }

    /// Requests so far.
    pub(super) fn asked(&self) -> u64 {
        self.told().asked
    }

    /// Whether this is the bundle OPA got last.
    pub(super) fn was_sent(&self, offered: &Offered) -> bool {
        self.told().sent.as_ref() == Some(&offered.etag)
    }

    /// Whether OPA asked, and was answered, in this turn or a later one.
    pub(super) fn was_answered_in(&self, turn: u64) -> bool {
        self.told().turn >= turn
    }

    fn told(&self) -> std::sync::MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers one request, at once or when there is news.
    async fn answer(&self, asked_with: Option<&HeaderValue>, wait: Duration) -> Response {
        let mut turns = self.turn.subscribe();
        let until = Instant::now() + wait;
        self.told().asked += 1;
        loop {
            let turn = turns.borrow_and_update().clone();
            let over = wait.is_zero() || Instant::now() >= until || self.stop.is_cancelled();
            match &turn.current {
                Some(offered) if asked_with != Some(&offered.etag) => {
                    let mut told = self.told();
                    told.turn = turn.number;
                    told.sent = Some(offered.etag.clone());
                    let archive = offered.archive.clone();
                    return respond(StatusCode::OK, Some(&offered.etag), archive);
                }
                Some(offered) => {
                    // OPA clears an error only when it is told that nothing changed.
                    let mut told = self.told();
                    if over || told.turn < turn.number {
                        told.turn = turn.number;
                        let etag = Some(&offered.etag);
                        return respond(StatusCode::NOT_MODIFIED, etag, Bytes::new());
                    }
                }
                // An error would make OPA wait longer and longer before it asks again.
                None if over && !wait.is_zero() => {
                    return respond(StatusCode::NOT_MODIFIED, None, Bytes::new());
                }
                None if over => {
                    return (StatusCode::NOT_FOUND, "no pack is in force yet\n").into_response();
                }
                None => {}
            }
            tokio::select! {
                _ = turns.changed() => {}
                () = sleep_until(until) => {}
                () = self.stop.cancelled() => {}
            }
        }
    }
}

fn respond(status: StatusCode, etag: Option<&HeaderValue>, body: Bytes) -> Response {
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(BUNDLE_MEDIA_TYPE));
    if let Some(etag) = etag {
        headers.insert(ETAG, etag.clone());
    }
    response
}

/// Serves `bundles/<name>`, with or without the ending that OPA guesses.
pub(super) fn router(offer: Arc<Offer>) -> Router {
    Router::new().route("/bundles/{name}", get(bundle)).with_state(offer)
}

async fn bundle(
    State(offer): State<Arc<Offer>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Response {
    if name.strip_suffix(".tar.gz").unwrap_or(&name) != offer.name {
        let text = format!("the bundle here is bundles/{}\n", offer.name);
        return (StatusCode::NOT_FOUND, text).into_response();
    }
    let prefer = headers.get(PREFER).and_then(|value| value.to_str().ok()).unwrap_or_default();
    offer.answer(headers.get(IF_NONE_MATCH), wanted_wait(prefer)).await
}

/// `modes=snapshot,delta;wait=30`, as OPA writes it, or `wait=30` as RFC 7240 does.
fn wanted_wait(prefer: &str) -> Duration {
    let seconds = prefer
        .split([';', ','])
        .find_map(|part| part.trim().strip_prefix("wait=")?.trim_matches('"').parse().ok());
    Duration::from_secs(seconds.unwrap_or(0)).min(HOLD_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_opa_asks_for_is_found_and_bounded() {
        let check = |prefer: &str, seconds: u64| {
            assert_eq!(wanted_wait(prefer), Duration::from_secs(seconds), "{prefer}");
        };
        check("modes=snapshot,delta;wait=30", 30);
        check("wait=5", 5);
        check("modes=snapshot,delta", 0);
        check("wait=999999", HOLD_MAX.as_secs());
        check("wait=-1", 0);
    }
}
