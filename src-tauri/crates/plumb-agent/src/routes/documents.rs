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
    decisions::{count_document, document},
    problem::Fault,
};

#[derive(Debug, Default, Deserialize)]
struct Body {
    #[serde(default)]
    input: Value,
}

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
    let found = document(&core, entrypoint, input).await;
    count_document(&core, &found);
    Ok(Json(match found? {
        Some(result) => json!({ "result": result }),
        None => json!({}),
    }))
}
