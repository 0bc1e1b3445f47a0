//! Every operation of the hub, once: who may call it, what it takes, what it answers. What stands here is what callers
//! are let through to, and what the OpenAPI document tells.

mod openapi;

use plumb_alert::Entitlement;
use plumb_wire::{alerts, hub, packs};
use schemars::{JsonSchema, Schema, SchemaGenerator};

pub(crate) use openapi::document;

/// Who may call an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Anybody, also without an identity.
    Nothing,
    /// Any identity; what is asked for decides the rest.
    Identity,
    Role(Entitlement),
}

type Shape = fn(&mut SchemaGenerator) -> Schema;

/// What travels in a body.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Body {
    None,
    Json(Shape),
    Bytes(&'static str),
}

/// One operation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Operation {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) id: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) needs: Needs,
    pub(crate) query: Option<Shape>,
    pub(crate) body: Body,
    pub(crate) answer: Body,
}

const fn json<T: JsonSchema>() -> Body {
    Body::Json(shape::<T>)
}

fn shape<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// An object whose fields stand in the help, not in a schema: readers have to ignore what they do not know.
fn anything(_: &mut SchemaGenerator) -> Schema {
    schemars::json_schema!({ "type": "object" })
}

/// The operation that a method and a path of the router lead to.
pub(crate) fn operation(method: &str, path: &str) -> Option<&'static Operation> {
    OPERATIONS.iter().find(|operation| operation.path == path && operation.method == method)
}

const fn get(path: &'static str, id: &'static str, summary: &'static str) -> Operation {
    Operation {
        method: "GET",
        path,
        id,
        summary,
        needs: Needs::Identity,
        query: None,
        body: Body::None,
        answer: Body::None,
    }
}

impl Operation {
    const fn post(mut self) -> Self {
        self.method = "POST";
        self
    }

    const fn put(mut self) -> Self {
        self.method = "PUT";
        self
    }

    const fn delete(mut self) -> Self {
        self.method = "DELETE";
        self
    }

    const fn needs(mut self, entitlement: Entitlement) -> Self {
        self.needs = Needs::Role(entitlement);
        self
    }

    const fn open(mut self) -> Self {
        self.needs = Needs::Nothing;
        self
    }

    const fn query<T: JsonSchema>(mut self) -> Self {
        self.query = Some(shape::<T>);
        self
    }

    const fn takes(mut self, body: Body) -> Self {
        self.body = body;
        self
    }

    const fn gives(mut self, answer: Body) -> Self {
        self.answer = answer;
        self
    }
}

pub(crate) const OPERATIONS: &[Operation] = &[
    get("/healthz", "health", "Whether the hub is up").open().gives(json::<hub::Health>()),
    get("/v1/openapi.json", "openapi", "This document").gives(Body::Bytes("application/json")),
    get("/v1/hub/whoami", "whoami", "Who the hub takes the caller for")
        .gives(json::<hub::WhoAmI>()),
    get("/v1/hub/tokens", "tokens", "Identities, without what proves them")
        .needs(Entitlement::Admin)
        .gives(json::<hub::Identities>()),
    get("/v1/hub/tokens", "create_token", "Makes a token, or gives a role to a certificate")
        .post()
        .needs(Entitlement::Admin)
        .takes(json::<hub::NewIdentity>())
        .gives(json::<hub::CreatedIdentity>()),
    get("/v1/hub/tokens/{id}", "revoke_token", "Ends an identity at once")
        .delete()
        .needs(Entitlement::Admin)
        .gives(json::<hub::IdentityView>()),
    get("/v1/hub/audit", "audit", "Refusals and administrative acts, newest first")
        .needs(Entitlement::Admin)
        .query::<hub::LogQuery>()
        .gives(json::<hub::Audit>()),
    // Alerts and incidents.
    get(
        "/v1/tools/execute",
        "execute",
        "A call of the alert tools; the body is JSON, whatever its content type says",
    )
    .post()
    .takes(json::<alerts::ToolBody>())
    .gives(Body::Json(anything)),
    get(
        "/v1/alertmanager/webhook",
        "alertmanager",
        "Takes a notification of Alertmanager, version 4",
    )
    .post()
    .needs(Entitlement::Ingest)
    .takes(json::<alerts::Notification>())
    .gives(Body::Json(anything)),
    get("/v1/alerts", "alerts", "Alerts, those seen last first")
        .needs(Entitlement::Read)
        .query::<alerts::AlertsQuery>()
        .gives(Body::Json(anything)),
    get("/v1/alerts", "ingest", "Takes a report")
        .post()
        .needs(Entitlement::Ingest)
        .takes(json::<alerts::Ingest>())
        .gives(Body::Json(anything)),
    get(
        "/v1/alerts/dashboard",
        "dashboard",
        "Counts by status, signatures, sources, newest alerts",
    )
    .needs(Entitlement::Read)
    .query::<alerts::DashboardQuery>()
    .gives(Body::Json(anything)),
    get(
        "/v1/alerts/changes",
        "changes",
        "Alerts that changed since a place; may be held back until there is one",
    )
    .needs(Entitlement::Read)
    .query::<alerts::ChangesQuery>()
    .gives(Body::Json(anything)),
    get("/v1/alerts/claim", "claim", "Takes alerts that nobody holds")
        .post()
        .needs(Entitlement::Claim)
        .takes(json::<alerts::Claim>())
        .gives(Body::Json(anything)),
    get("/v1/alerts/{alert}", "alert", "One alert, and where it is routed")
        .needs(Entitlement::Read)
        .gives(Body::Json(anything)),
    get("/v1/alerts/{alert}/claim", "claim_one", "Takes this one alert, if nobody holds it")
        .post()
        .needs(Entitlement::Claim)
        .takes(json::<alerts::ClaimBody>())
        .gives(Body::Json(anything)),
    get("/v1/alerts/{alert}/ack", "ack", "Closes an alert")
        .post()
        .needs(Entitlement::Ack)
        .takes(json::<alerts::AckBody>())
        .gives(Body::Json(anything)),
    get(
        "/v1/alerts/{alert}/fail",
        "fail",
        "Marks a claimed alert as failed; it is new again after the pause",
    )
    .post()
    .needs(Entitlement::Fail)
    .takes(json::<alerts::FailBody>())
    .gives(Body::Json(anything)),
    get("/v1/alerts/{alert}/incident", "alert_to_incident", "Puts an alert into an incident")
        .post()
        .needs(Entitlement::Convert)
        .takes(json::<alerts::ConvertBody>())
        .gives(Body::Json(anything)),
    get(
        "/v1/alerts/{alert}/triage",
        "triage",
        "Settles an alert with a triage, at most one within the cooldown of its signature",
    )
    .post()
    .needs(Entitlement::Convert)
    .takes(json::<alerts::TriageBody>())
    .gives(Body::Json(anything)),
    get("/v1/incidents", "incidents", "Incidents, the worst first")
        .needs(Entitlement::IncidentRead)
        .query::<alerts::IncidentsQuery>()
        .gives(Body::Json(anything)),
    get("/v1/incidents/open", "open_incidents", "Incidents that are worked on: open or mitigating")
        .needs(Entitlement::IncidentRead)
        .query::<alerts::OpenQuery>()
        .gives(Body::Json(anything)),
    get("/v1/incidents/{incident}", "incident", "An incident with its timeline")
        .needs(Entitlement::IncidentRead)
        .gives(Body::Json(anything)),
    get("/v1/incidents/{incident}/draft", "postmortem", "The draft of a postmortem")
        .needs(Entitlement::IncidentRead)
        .gives(Body::Bytes("text/markdown")),
    get("/v1/incidents/{incident}/events", "incident_append_event", "Adds a note to a timeline")
        .post()
        .needs(Entitlement::IncidentAppend)
        .takes(json::<alerts::NoteBody>())
        .gives(Body::Json(anything)),
    get("/v1/incidents/{incident}/move", "move_incident", "Moves an incident on, or back")
        .post()
        .needs(Entitlement::IncidentAppend)
        .takes(json::<alerts::MoveBody>())
        .gives(Body::Json(anything)),
    get("/v1/incidents/{incident}/close", "incident_close", "Closes an incident for good")
        .post()
        .needs(Entitlement::IncidentClose)
        .takes(json::<alerts::ResolutionBody>())
        .gives(Body::Json(anything)),
    get("/v1/releases/check", "release_check", "Judges a release by what was measured")
        .post()
        .needs(Entitlement::IncidentRead)
        .takes(json::<alerts::ReleaseCheck>())
        .gives(Body::Json(anything)),
    // Packs and bundles.
    get(
        packs::path::PACK,
        "pack",
        "A pack, as its readers fetch it; may be held back until there is a new one",
    )
    .needs(Entitlement::PackRead)
    .gives(Body::Bytes(packs::PACK_MEDIA)),
    get(packs::path::ATTESTATION, "pack_attestation", "What vouches for the pack that is served")
        .needs(Entitlement::PackRead)
        .gives(Body::Bytes(packs::ATTESTATION_MEDIA)),
    get(
        packs::path::EVENTS,
        "pack_events",
        "Server-sent events: the digest of now and every later one",
    )
    .needs(Entitlement::PackRead)
    .gives(Body::Bytes("text/event-stream")),
    get(
        "/bundles/{fleet}/{node}",
        "bundle",
        "What a node should run, as OPA downloads it; may be held back",
    )
    .needs(Entitlement::PackRead)
    .gives(Body::Bytes("application/vnd.openpolicyagent.bundles")),
    get("/v1/hub/packs", "packs", "Packs with their versions")
        .needs(Entitlement::HubRead)
        .gives(json::<hub::PackList>()),
    get(
        "/v1/hub/storage",
        "storage",
        "Whether the storage of packs takes and gives bytes, and what is missing in it",
    )
    .needs(Entitlement::HubRead)
    .gives(json::<hub::StorageStatus>()),
    get("/v1/hub/packs/{packId}", "pack_versions", "Versions of one pack")
        .needs(Entitlement::HubRead)
        .gives(json::<hub::PackView>()),
    get(
        "/v1/hub/packs/{packId}",
        "publish",
        "Publishes a version: the tar of a pack, or a bundle of OPA",
    )
    .post()
    .needs(Entitlement::PackPublish)
    .query::<hub::PublishQuery>()
    .takes(Body::Bytes("application/octet-stream"))
    .gives(json::<hub::PackView>()),
    get(
        "/v1/hub/packs/{packId}/serve",
        "serve_version",
        "Serves another version at the pack endpoint",
    )
    .post()
    .needs(Entitlement::PackPublish)
    .takes(json::<hub::WhichVersion>())
    .gives(json::<hub::PackView>()),
    get(
        "/v1/hub/packs/{packId}/attestations/{digest}",
        "attest",
        "Keeps the Sigstore bundle of a pack",
    )
    .put()
    .needs(Entitlement::PackPublish)
    .takes(Body::Bytes(packs::ATTESTATION_MEDIA)),
    get("/v1/hub/packs/{packId}/files/{digest}", "pack_file", "The bytes of any version")
        .needs(Entitlement::HubRead)
        .gives(Body::Bytes("application/octet-stream")),
    // Fleets.
    get("/v1/hub/fleets/{fleet}/desired", "desired", "What a fleet should run")
        .needs(Entitlement::HubRead)
        .gives(json::<hub::Desired>()),
    get(
        "/v1/hub/fleets/{fleet}/desired",
        "set_desired",
        "Sets what a fleet, or nodes of it, should run",
    )
    .put()
    .needs(Entitlement::DesiredWrite)
    .takes(json::<hub::SetDesired>())
    .gives(json::<hub::Desired>()),
    get("/v1/hub/fleets/{fleet}/desired/lift", "lift_desired", "Takes back what was said of nodes")
        .post()
        .needs(Entitlement::DesiredWrite)
        .takes(json::<hub::LiftDesired>())
        .gives(json::<hub::Desired>()),
    get(
        "/v1/hub/fleets/{fleet}/desired/history",
        "desired_history",
        "Who said what should run, newest first",
    )
    .needs(Entitlement::HubRead)
    .query::<hub::LogQuery>()
    .gives(json::<hub::DesiredHistory>()),
    get("/v1/hub/fleets/{fleet}/lock", "lock", "Who holds the deployment lock")
        .needs(Entitlement::HubRead)
        .gives(json::<hub::LockView>()),
    get(
        "/v1/hub/fleets/{fleet}/lock",
        "take_lock",
        "Takes the deployment lock, or holds it longer",
    )
    .post()
    .needs(Entitlement::Deploy)
    .takes(json::<hub::TakeLock>())
    .gives(json::<hub::LockView>()),
    get("/v1/hub/fleets/{fleet}/lock", "release_lock", "Gives the deployment lock back")
        .delete()
        .needs(Entitlement::Deploy)
        .takes(json::<hub::ReleaseLock>())
        .gives(json::<hub::LockView>()),
    get(
        "/v1/hub/fleets/{fleet}/refused",
        "refused",
        "The refused list of a fleet: content that no node may take, as the people of its roster signed it",
    )
    .needs(Entitlement::PackRead)
    .gives(Body::Bytes("application/json")),
    get(
        "/v1/hub/fleets/{fleet}/refused",
        "refuse",
        "Takes a newer version of that list, which forgets nothing that was refused",
    )
    .put()
    .needs(Entitlement::Refuse)
    .takes(Body::Bytes("application/json")),
    get("/v1/hub/deployments", "deployments", "The newest report of each run, newest first")
        .needs(Entitlement::HubRead)
        .query::<hub::DeploymentQuery>()
        .gives(json::<hub::Deployments>()),
    get("/v1/hub/deployments", "report_deployment", "Tells how a run stands")
        .post()
        .needs(Entitlement::Deploy)
        .takes(json::<hub::DeploymentReport>()),
    get("/v1/hub/plans/{plan}/approvals", "mailbox", "Files in the mailbox of a plan")
        .needs(Entitlement::HubRead)
        .gives(json::<hub::Mailbox>()),
    get(
        "/v1/hub/plans/{plan}/approvals",
        "deliver",
        "Puts a signed document into the mailbox of a plan",
    )
    .post()
    .needs(Entitlement::Approve)
    .takes(Body::Bytes("application/json"))
    .gives(json::<hub::MailView>()),
    get("/v1/hub/plans/{plan}/approvals/{id}", "letter", "One file of the mailbox, as it came")
        .needs(Entitlement::HubRead)
        .gives(Body::Bytes("application/json")),
    // What OPA pushes.
    get("/status", "push_status", "Takes a status of OPA")
        .post()
        .needs(Entitlement::Telemetry)
        .takes(Body::Bytes("application/json")),
    get("/status/{partition}", "push_status_of_partition", "Takes a status of OPA")
        .post()
        .needs(Entitlement::Telemetry)
        .takes(Body::Bytes("application/json")),
    get("/logs", "push_decisions", "Takes decisions of OPA, as gzip or not")
        .post()
        .needs(Entitlement::Telemetry)
        .takes(Body::Bytes("application/json"))
        .gives(json::<hub::DecisionsTaken>()),
    get(
        "/logs/{partition}",
        "push_decisions_of_partition",
        "Takes decisions of OPA, as gzip or not",
    )
    .post()
    .needs(Entitlement::Telemetry)
    .takes(Body::Bytes("application/json"))
    .gives(json::<hub::DecisionsTaken>()),
    get("/v1/hub/nodes", "nodes", "What nodes said last of their bundles")
        .needs(Entitlement::HubRead)
        .gives(json::<hub::NodeStatuses>()),
    get("/v1/hub/decisions", "decisions", "The newest decisions that nodes told")
        .needs(Entitlement::HubRead)
        .query::<hub::LogQuery>()
        .gives(json::<hub::Decisions>()),
];
