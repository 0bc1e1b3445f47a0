//! The door: who asks, whether they may, how often; a refusal is written down.

use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, MatchedPath, Request, State},
    http::{Method, request::Parts},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use plumb_alert::{Entitlement, RoleMatrix};
use plumb_serve::{Peer, bearer, same};
use secrecy::ExposeSecret as _;
use tokio::time::timeout;

use crate::{
    api::{self, Needs},
    audit::Audited,
    folder::chain,
    hub::Hub,
    identity::{self, ADMIN, BOOTSTRAP, Identity},
    limits::REQUEST_TIMEOUT,
    problem::Problem,
    scope::Scope,
    state::{Change, topic::AUDIT},
};

/// Who calls, and what their role allows.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    identity: Identity,
    roles: Arc<RoleMatrix>,
}

impl Caller {
    pub(crate) fn name(&self) -> &str {
        &self.identity.name
    }

    pub(crate) fn role(&self) -> &str {
        &self.identity.role
    }

    pub(crate) fn may(&self, entitlement: Entitlement) -> Result<(), Problem> {
        Ok(self.roles.check(&self.identity.role, entitlement)?)
    }

    /// For which nodes the caller tells and fetches.
    pub(crate) fn scope(&self) -> &Scope {
        &self.identity.scope
    }

    /// Everything the role allows.
    pub(crate) fn entitlements(&self) -> impl Iterator<Item = Entitlement> {
        let all = Entitlement::ALL.iter().copied();
        all.filter(|entitlement| self.may(*entitlement).is_ok())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Self>().cloned();
        caller.ok_or_else(|| Problem::unauthenticated("this needs an identity"))
    }
}

/// Lets a request through to its handler, or says why not.
pub(crate) async fn admit(State(hub): State<Hub>, mut request: Request, next: Next) -> Response {
    let method = match request.method() {
        &Method::HEAD => Method::GET,
        method => method.clone(),
    };
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let path = matched.as_ref().map(MatchedPath::as_str);
    let operation = path.and_then(|path| api::operation(method.as_str(), path));
    if operation.is_some_and(|operation| operation.needs == Needs::Nothing) {
        return next.run(request).await;
    }
    let asked = Asked {
        method: method.as_str().to_owned(),
        path: request.uri().path().chars().take(300).collect(),
        from: request.extensions().get::<Peer>().map(|peer| peer.address.to_string()),
    };
    let shown = bearer(request.headers()).map(<[u8]>::to_vec);
    let peer = request.extensions().get::<Peer>().filter(|peer| peer.certified).cloned();
    let caller = match hub.caller(shown.as_deref(), peer.as_ref()).await {
        Ok(caller) => caller,
        Err(problem) => return refuse(&hub, None, &asked, problem).await,
    };
    if !hub.callers.take(caller.name()) {
        let told = format!("{} asks more often than the hub allows", caller.name());
        return refuse(&hub, Some(&caller), &asked, Problem::too_many(told)).await;
    }
    let needs = match (operation, path) {
        (Some(operation), _) => operation.needs,
        (None, Some(path)) => {
            return Problem::method(format!("{path} does not know {method}")).into_response();
        }
        (None, None) => {
            return Problem::not_found(format!("there is no {}", asked.path)).into_response();
        }
    };
    if let Needs::Role(entitlement) = needs
        && let Err(problem) = caller.may(entitlement)
    {
        return refuse(&hub, Some(&caller), &asked, problem).await;
    }
    request.extensions_mut().insert(caller.clone());
    let answered = match timeout(REQUEST_TIMEOUT, next.run(request)).await {
        Ok(answer) => answer,
        Err(_) => Problem::not_now("the request took longer than the hub waits").into_response(),
    };
    match answered.extensions().get::<Refused>() {
        // Decided by what stands in the body.
        Some(Refused(detail)) => {
            hub.audit(Some(&caller), &asked, "refused", detail.clone()).await;
            answered
        }
        None => answered,
    }
}

/// What was asked for, and from where.
#[derive(Debug)]
pub(crate) struct Asked {
    method: String,
    path: String,
    from: Option<String>,
}

/// Marks an answer by which a handler refused a role.
#[derive(Debug, Clone)]
pub(crate) struct Refused(pub(crate) String);

async fn refuse(hub: &Hub, caller: Option<&Caller>, asked: &Asked, problem: Problem) -> Response {
    hub.audit(caller, asked, "refused", problem.detail().to_owned()).await;
    problem.into_response()
}

impl Hub {
    /// Who shows a token or a certificate; the token decides where there are both.
    async fn caller(&self, shown: Option<&[u8]>, peer: Option<&Peer>) -> Result<Caller, Problem> {
        let now = self.now();
        let known = |identity| Caller { identity, roles: Arc::clone(&self.roles) };
        if let Some(shown) = shown {
            if let Some(first) = &self.bootstrap
                && same(shown, first.expose_secret().as_bytes())
            {
                if identity::had_admin(&self.state).await? {
                    return Err(Problem::unauthenticated(
                        "the first token is over, because an admin has had a token or certificate: use that one, or make one on the hub's machine (plumb hub token create --role admin --data DIR), and take PLUMB_HUB_TOKEN away",
                    ));
                }
                let (name, role) = (BOOTSTRAP.to_owned(), ADMIN.to_owned());
                return Ok(known(Identity { name, role, scope: Scope::Any }));
            }
            let found = identity::of_token(&self.state, shown, now).await?;
            return found.map(known).ok_or_else(|| {
                Problem::unauthenticated(
                    "the bearer token is not accepted: it is unknown, expired or revoked",
                )
            });
        }
        let Some(peer) = peer else {
            return Err(Problem::unauthenticated(
                "this needs a bearer token or a client certificate: plumb hub token create",
            ));
        };
        let found = identity::of_certificate(&self.state, &peer.names, now).await?;
        found.map(known).ok_or_else(|| {
            let names = peer.names.join(", ");
            Problem::unauthenticated(format!(
                "the certificate of {names} has no role here: plumb hub token create --for-certificate NAME"
            ))
        })
    }

    /// Writes a line of the audit log; so many refusals of one address, and no more.
    async fn audit(&self, caller: Option<&Caller>, asked: &Asked, outcome: &str, detail: String) {
        let whose = asked.from.as_deref().unwrap_or("-");
        if !self.refusals.take(whose) {
            tracing::warn!(from = whose, "more refusals than the audit log takes");
            return;
        }
        let entry = Audited {
            who: caller.map_or_else(String::new, |caller| caller.name().to_owned()),
            role: caller.map_or_else(String::new, |caller| caller.role().to_owned()),
            method: asked.method.clone(),
            path: asked.path.clone(),
            outcome: outcome.to_owned(),
            detail: match &asked.from {
                Some(from) => format!("{detail} (from {from})"),
                None => detail,
            },
        };
        let change = Change::default().log(AUDIT, &entry.who, &entry);
        if let Err(error) = self.state.commit(&change, self.now()).await {
            tracing::error!(error = %chain(&error), "audit entry not written");
        }
    }
}
