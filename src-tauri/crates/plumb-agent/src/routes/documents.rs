//! `/v1/data/...`: documents of Rego, as the Open Policy Agent's own API gives them.

use std::sync::Arc;

use axum::{
    Json,
    body::Bytes,
    extract::{Path, State},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::read_json;
use crate::{
    core::{Core, RequestCounts},
    decisions::{Document, count_document, document},
    problem::Fault,
};

#[derive(Debug, Default, Deserialize)]
struct Body {
    #[serde(default)]
    input: Value,
}

/// What OPA's clients find beside a result that is not to be relied on.
const WITHOUT_BUNDLE: &str =
    "there is no verified bundle in force; this agent was started to allow everything meanwhile";

/// `POST /v1/data/{path}`: `{"input": ...}` in, `{"result": ...}` out, `{}` when it is undefined.
pub(super) async fn ask(
    State(core): State<Arc<Core>>,
    Path(path): Path<String>,
    body: Bytes,
) -> Result<Json<Value>, Fault> {
    RequestCounts::count(&core.requests.evaluate);
    let Body { input } = read_json(&body)?;
    let entrypoint = path.parse().map_err(|reason: plumb_decide::Reason| {
        Fault::bad_request(format!("the path: {reason}"))
    })?;
    // Other documents are no decisions, and nobody compares them.
    if core.engine.as_ref().is_some_and(|engine| *engine.decision() == entrypoint) {
        core.recorded.record(core.now(), || input.clone());
    }
    let found = document(&core, entrypoint, input).await;
    count_document(&core, &found);
    Ok(Json(match found? {
        Document::Decided(Some(result)) => json!({ "result": result }),
        Document::Decided(None) => json!({}),
        Document::AllowedWithoutBundle => json!({
            "result": true,
            "warning": { "code": "no_bundle", "message": WITHOUT_BUNDLE },
        }),
    }))
}
