//! What OPA pushes: its status, and its decisions. Both are read under limits, and nothing that was masked comes back.

use std::{collections::BTreeMap, io::Read as _};

use axum::{
    Json, Router,
    extract::{Path, Request, State},
    http::{StatusCode, header},
    routing::{get, post},
};
use flate2::read::MultiGzDecoder;
use plumb_wire::hub::{
    DecisionEntry, Decisions, DecisionsTaken, LogQuery, NodeBundle, NodeStatus, NodeStatuses,
};
use serde::Deserialize;
use serde_json::Value;

use super::admin::wanted;
use crate::{
    access::Caller,
    extract::{Params, body},
    hub::Hub,
    limits::{
        DECISION_BYTES_MAX, DECISIONS_COUNT_MAX, DECISIONS_KEPT, DECISIONS_PACKED_MAX,
        DECISIONS_UNPACKED_MAX, NODES_MAX, STATUS_BYTES_MAX, STATUS_PARTS_MAX,
    },
    problem::Problem,
    scope::Named,
    state::{Change, Document, collection::NODE, topic},
};

/// Longest text kept of a status.
const TEXT_CHARS_MAX: usize = 2_000;
/// Time OPA writes where there is none.
const NEVER: &str = "0001-01-01T00:00:00Z";

pub(super) fn routes() -> Router<Hub> {
    Router::new()
        .route("/status", post(status))
        .route("/status/{partition}", post(status_of_partition))
        .route("/logs", post(decisions))
        .route("/logs/{partition}", post(decisions_of_partition))
        .route("/v1/hub/nodes", get(nodes))
        .route("/v1/hub/decisions", get(newest))
}

/// The part of a status that is kept.
#[derive(Debug, Deserialize)]
struct Pushed {
    #[serde(default)]
    labels: BTreeMap<String, Value>,
    #[serde(default)]
    bundles: Option<BTreeMap<String, PushedBundle>>,
    /// The one bundle of an old configuration.
    #[serde(default)]
    bundle: Option<PushedBundle>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PushedBundle {
    name: Option<String>,
    active_revision: Option<String>,
    last_successful_activation: Option<String>,
    code: Option<String>,
    message: Option<String>,
}

impl From<PushedBundle> for NodeBundle {
    fn from(pushed: PushedBundle) -> Self {
        let text = |text: Option<String>| cut(text.unwrap_or_default());
        let at = pushed.last_successful_activation.filter(|at| at != NEVER).map(cut);
        Self {
            active_revision: text(pushed.active_revision),
            last_successful_activation: at,
            code: text(pushed.code),
            message: text(pushed.message),
        }
    }
}

async fn status_of_partition(
    hub: State<Hub>,
    caller: Caller,
    Path(_): Path<String>,
    request: Request,
) -> Result<StatusCode, Problem> {
    status(hub, caller, request).await
}

async fn status(
    State(hub): State<Hub>,
    caller: Caller,
    request: Request,
) -> Result<StatusCode, Problem> {
    let bytes = unpacked(request, STATUS_BYTES_MAX, STATUS_BYTES_MAX as u64).await?;
    let pushed: Pushed = serde_json::from_slice(&bytes)
        .map_err(|error| Problem::bad_request(format!("the status: {error}")))?;
    let labels = labels(pushed.labels);
    let node = caller.scope().name(named(&labels))?;
    let named = pushed.bundle.map(|one| (one.name.clone().unwrap_or_default(), one));
    let bundles = pushed.bundles.unwrap_or_default().into_iter().chain(named);
    let bundles = bundles.take(STATUS_PARTS_MAX).map(|(name, one)| (cut(name), one.into()));
    let now = hub.now();
    let status = NodeStatus {
        node: node.clone(),
        told_by: caller.name().to_owned(),
        at: now,
        labels,
        bundles: bundles.collect(),
    };
    let others: bool = hub.state.get::<NodeStatus>(NODE, &node).await?.is_none();
    if others && hub.state.list::<NodeStatus>(NODE, "").await?.len() >= NODES_MAX {
        return Err(Problem::refused(format!("the hub knows {NODES_MAX} nodes already")));
    }
    let kept = hub.state.change(NODE, &node, now, |_: Option<NodeStatus>| {
        Ok::<_, Problem>((status.clone(), Change::default()))
    });
    kept.await?;
    Ok(StatusCode::OK)
}

async fn nodes(State(hub): State<Hub>) -> Result<Json<NodeStatuses>, Problem> {
    let found: Vec<Document<NodeStatus>> = hub.state.list(NODE, "").await?;
    Ok(Json(NodeStatuses { nodes: found.into_iter().map(|one| one.body).collect() }))
}

async fn decisions_of_partition(
    hub: State<Hub>,
    caller: Caller,
    Path(_): Path<String>,
    request: Request,
) -> Result<Json<DecisionsTaken>, Problem> {
    decisions(hub, caller, request).await
}

async fn decisions(
    State(hub): State<Hub>,
    caller: Caller,
    request: Request,
) -> Result<Json<DecisionsTaken>, Problem> {
    let bytes = unpacked(request, DECISIONS_PACKED_MAX, DECISIONS_UNPACKED_MAX).await?;
    let events: Vec<Value> = serde_json::from_slice(&bytes)
        .map_err(|error| Problem::bad_request(format!("the decisions: {error}")))?;
    if events.len() > DECISIONS_COUNT_MAX {
        return Err(Problem::too_large(format!("{DECISIONS_COUNT_MAX} decisions at most")));
    }
    let count = events.len();
    let mut change = Change::default();
    let mut taken = 0;
    for mut event in events {
        erase(&mut event);
        let told = event.get("labels").and_then(Value::as_object).cloned().unwrap_or_default();
        let node = match caller.scope().name(named(&labels(told.into_iter().collect()))) {
            Ok(node) => node,
            // Somebody else's decisions: nothing of the batch is believed.
            Err(problem) if problem.is_forbidden() => return Err(problem),
            Err(_) => continue,
        };
        if !event.is_object() || event.to_string().len() > DECISION_BYTES_MAX {
            continue;
        }
        taken += 1;
        change = change.log(topic::DECISION, &node, &event);
    }
    hub.state.commit(&change, hub.now()).await?;
    hub.state.keep_newest(topic::DECISION, DECISIONS_KEPT).await?;
    Ok(Json(DecisionsTaken { taken, dropped: count - taken }))
}

async fn newest(
    State(hub): State<Hub>,
    Params(query): Params<LogQuery>,
) -> Result<Json<Decisions>, Problem> {
    let found = hub.state.entries::<Value>(&wanted(topic::DECISION, &query, hub.now())).await?;
    let decisions = found.into_iter().map(|entry| DecisionEntry {
        seq: entry.seq,
        at: entry.at,
        node: entry.subject,
        event: entry.body,
    });
    Ok(Json(Decisions { decisions: decisions.collect() }))
}

/// What the node says it erased is gone, also where a sender left it in.
fn erase(event: &mut Value) {
    let erased = event.get("erased").and_then(Value::as_array).cloned().unwrap_or_default();
    for path in erased.iter().filter_map(Value::as_str) {
        let Some((parent, last)) = path.rsplit_once('/') else { continue };
        let last = last.replace("~1", "/").replace("~0", "~");
        if let Some(Value::Object(parent)) = event.pointer_mut(parent) {
            parent.remove(&last);
        }
    }
}

fn labels(told: BTreeMap<String, Value>) -> BTreeMap<String, String> {
    let texts = told.into_iter().filter_map(|(name, value)| match value {
        Value::String(text) => Some((cut(name), cut(text))),
        _ => None,
    });
    texts.take(STATUS_PARTS_MAX).collect()
}

/// Which node the labels name.
fn named(labels: &BTreeMap<String, String>) -> Named<'_> {
    let label = |name: &str| labels.get(name).map(String::as_str).filter(|text| !text.is_empty());
    Named { fleet: label("fleet"), node: label("node"), id: label("id") }
}

fn cut(text: String) -> String {
    if text.chars().count() <= TEXT_CHARS_MAX {
        return text;
    }
    text.chars().take(TEXT_CHARS_MAX).collect()
}

/// A body, unpacked where it is gzip, within limits for both.
async fn unpacked(
    request: Request,
    packed_max: usize,
    unpacked_max: u64,
) -> Result<Vec<u8>, Problem> {
    let gzip = request
        .headers()
        .get(header::CONTENT_ENCODING)
        .is_some_and(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"gzip"));
    let bytes = body(request.into_body(), packed_max).await?;
    if !gzip {
        return Ok(bytes.to_vec());
    }
    let unpack = move || {
        let mut unpacked = Vec::new();
        let read = MultiGzDecoder::new(&*bytes).take(unpacked_max + 1).read_to_end(&mut unpacked);
        match read {
            Err(error) => Err(Problem::bad_request(format!("the body is no gzip: {error}"))),
            Ok(_) if unpacked.len() as u64 > unpacked_max => {
                Err(Problem::too_large(format!("unpacks to more than {unpacked_max} bytes")))
            }
            Ok(_) => Ok(unpacked),
        }
    };
    let unpacked = tokio::task::spawn_blocking(unpack).await;
    unpacked.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}
