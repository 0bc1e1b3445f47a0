//! Every operation of the hub, once: who may call it, what it takes, what it answers. What stands here is what callers
//! are let through to, and what the OpenAPI document tells.

mod openapi;

use plumb_alert::Entitlement;
use plumb_wire::hub;
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
];
