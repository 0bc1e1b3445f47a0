//! Which handler answers which path; who may is said in `api.rs`.

mod admin;
mod alerts;
mod fleets;
mod packs;
mod telemetry;

use axum::{
    Json, Router,
    response::{IntoResponse as _, Response},
    routing::get,
};
use plumb_wire::hub::{Health, WhoAmI};

use crate::{access::Caller, api, hub::Hub, problem::Problem};

/// Every route.
pub(crate) fn all(hub: &Hub) -> Router<Hub> {
    Router::new()
        .route("/healthz", get(health))
        .route("/v1/openapi.json", get(openapi))
        .route("/v1/hub/whoami", get(whoami))
        .merge(admin::routes())
        .merge(alerts::routes())
        .merge(packs::routes())
        .merge(fleets::routes())
        .merge(telemetry::routes())
        .merge(crate::packs::routes(hub.shop.packs().clone()))
        .fallback(nowhere)
}

async fn health() -> Json<Health> {
    Json(Health { status: "ok".to_owned() })
}

async fn openapi() -> Response {
    Json(api::document()).into_response()
}

async fn whoami(caller: Caller) -> Json<WhoAmI> {
    Json(WhoAmI {
        name: caller.name().to_owned(),
        role: caller.role().to_owned(),
        node: caller.scope().bound(),
        entitlements: caller.entitlements().map(|one| one.as_str().to_owned()).collect(),
    })
}

/// Never reached: the door knows every path.
async fn nowhere() -> Problem {
    Problem::not_found("there is nothing here")
}
