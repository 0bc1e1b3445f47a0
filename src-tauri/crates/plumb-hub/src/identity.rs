//! Who asks: tokens, kept as hashes, and names in client certificates, each with a role and an end.

use aws_lc_rs::{constant_time::verify_slices_are_equal, rand};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use plumb_alert::{Entitlement, RoleMatrix};
use plumb_fleet::Digest;
use plumb_wire::hub::{CreatedIdentity, Identities, IdentityView, NewIdentity};
use serde::{Deserialize, Serialize};

use crate::{
    limits::{CERTIFICATE_NAME_BYTES_MAX, EXPIRES_AFTER_MAX_S, NAME_BYTES_MAX},
    problem::Problem,
    scope::Scope,
    state::{Change, Document, State, StateError, collection::IDENTITY},
};

/// What every token begins with, so that scanners for secrets know it.
const TOKEN_PREFIX: &str = "plumb_";
const ID_BYTES: usize = 6;
const SECRET_BYTES: usize = 32;
/// Name of whoever shows the first token.
pub(crate) const BOOTSTRAP: &str = "bootstrap";
/// Role that may do everything.
pub(crate) const ADMIN: &str = "admin";

/// Somebody the hub knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) name: String,
    pub(crate) role: String,
    pub(crate) scope: Scope,
}

/// An identity as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Kept {
    name: String,
    role: String,
    certificate: Option<String>,
    #[serde(default, skip_serializing_if = "Scope::is_any")]
    scope: Scope,
    /// SHA-256 of the secret, which is random: no salt would make it harder to guess.
    secret: Option<Digest>,
    created_at: Timestamp,
    created_by: String,
    expires_at: Timestamp,
    revoked_at: Option<Timestamp>,
}

impl Kept {
    fn active(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && now < self.expires_at
    }

    fn identity(self) -> Identity {
        Identity { name: self.name, role: self.role, scope: self.scope }
    }

    fn view(&self, id: &str, now: Timestamp) -> IdentityView {
        IdentityView {
            id: id.to_owned(),
            name: self.name.clone(),
            role: self.role.clone(),
            certificate: self.certificate.clone(),
            node: self.scope.bound(),
            created_at: self.created_at,
            created_by: self.created_by.clone(),
            expires_at: self.expires_at,
            revoked_at: self.revoked_at,
            active: self.active(now),
        }
    }
}

/// Makes an identity; its token is known to the caller alone.
pub(crate) async fn create(
    state: &State,
    roles: &RoleMatrix,
    wanted: &NewIdentity,
    by: &str,
    now: Timestamp,
) -> Result<CreatedIdentity, Problem> {
    check(roles, wanted)?;
    let scope = wanted.node.clone().map(Scope::try_from).transpose().map_err(Problem::refused)?;
    let expires_after = i64::try_from(wanted.expires_after_s).unwrap_or(i64::MAX);
    let expires_at =
        now.saturating_add(SignedDuration::from_secs(expires_after)).unwrap_or(Timestamp::MAX);
    let mut kept = Kept {
        name: wanted.name.clone(),
        role: wanted.role.clone(),
        certificate: wanted.certificate.clone(),
        scope: scope.unwrap_or_default(),
        secret: None,
        created_at: now,
        created_by: by.to_owned(),
        expires_at,
        revoked_at: None,
    };
    let (id, token) = if let Some(name) = &wanted.certificate {
        (certificate_id(name), None)
    } else {
        let id = hex::encode(random::<ID_BYTES>());
        let secret = URL_SAFE_NO_PAD.encode(random::<SECRET_BYTES>());
        kept.secret = Some(Digest::of(secret.as_bytes()));
        let token = format!("{TOKEN_PREFIX}{id}_{secret}");
        (id, Some(token))
    };
    // A certificate may get a role anew, once its former one is over.
    let former: Option<Document<Kept>> = state.get(IDENTITY, &id).await?;
    if former.as_ref().is_some_and(|former| former.body.active(now)) {
        let detail = format!("{id} has a role already: revoke it first");
        return Err(Problem::conflict(detail));
    }
    // That there was an admin is why the first token is over: it is not forgotten.
    if former.as_ref().is_some_and(|former| former.body.role == ADMIN) && wanted.role != ADMIN {
        let detail = format!("{id} was an admin's: give another name in the certificate");
        return Err(Problem::conflict(detail));
    }
    let Kept { name, role, scope, .. } = &kept;
    let detail = format!("{id} made for {name} with role {role} for {scope} until {expires_at}");
    let version = former.map(|former| former.version);
    let change = Change::default().put(IDENTITY, &id, version, &kept).done(by, "tokens", &detail);
    state.commit(&change, now).await?;
    Ok(CreatedIdentity { identity: kept.view(&id, now), token })
}

fn check(roles: &RoleMatrix, wanted: &NewIdentity) -> Result<(), Problem> {
    let plain = |text: &str, max| {
        !text.trim().is_empty() && text.len() <= max && !text.chars().any(char::is_control)
    };
    if !plain(&wanted.name, NAME_BYTES_MAX) {
        let detail = format!("name must be one line of at most {NAME_BYTES_MAX} bytes");
        return Err(Problem::refused(detail));
    }
    if wanted.name == BOOTSTRAP {
        return Err(Problem::refused(format!(
            "{BOOTSTRAP} is whoever shows the first token: use another name"
        )));
    }
    if !roles.knows(&wanted.role) {
        let known: Vec<&str> = roles.names().collect();
        let detail = format!("there is no role {:?}: use {}", wanted.role, known.join(", "));
        return Err(Problem::refused(detail));
    }
    if !(1..=EXPIRES_AFTER_MAX_S).contains(&wanted.expires_after_s) {
        let days = EXPIRES_AFTER_MAX_S / 86_400;
        let detail = format!("it must expire after 1 s at least and {days} days at most");
        return Err(Problem::refused(detail));
    }
    // What else a role may do is not bound by this, and a token that looks bound and is not misleads.
    let tells =
        [Entitlement::PackRead, Entitlement::Telemetry, Entitlement::Ingest, Entitlement::Read];
    let more = Entitlement::ALL
        .iter()
        .find(|may| !tells.contains(may) && roles.check(&wanted.role, **may).is_ok());
    if let Some(more) = more.filter(|_| wanted.node.is_some()) {
        return Err(Problem::refused(format!(
            "role {:?} has {}, which is not bound to nodes: bind a role that only tells and fetches, such as agent_node",
            wanted.role,
            more.as_str()
        )));
    }
    let sound = |name: &String| plain(name, CERTIFICATE_NAME_BYTES_MAX);
    if !wanted.certificate.as_ref().is_none_or(sound) {
        return Err(Problem::refused("certificate must be a name that stands in certificates"));
    }
    Ok(())
}

/// Every identity, in order of ids.
pub(crate) async fn list(state: &State, now: Timestamp) -> Result<Identities, Problem> {
    let kept: Vec<Document<Kept>> = state.list(IDENTITY, "").await?;
    let identities = kept.iter().map(|one| one.body.view(&one.key, now)).collect();
    Ok(Identities { identities })
}

/// Ends an identity at once; one that was ended before stays so.
pub(crate) async fn revoke(
    state: &State,
    id: &str,
    by: &str,
    now: Timestamp,
) -> Result<IdentityView, Problem> {
    let kept = state.change(IDENTITY, id, now, |kept: Option<Kept>| {
        let Some(mut kept) = kept else {
            return Err(Problem::not_found(format!("there is no identity {id:?}: list them")));
        };
        kept.revoked_at.get_or_insert(now);
        let detail = format!("{id} of {} revoked", kept.name);
        Ok((kept, Change::default().done(by, "tokens", &detail)))
    });
    Ok(kept.await?.view(id, now))
}

/// Whether somebody other than the token of the beginning may do everything.
pub(crate) async fn has_admin(state: &State, now: Timestamp) -> Result<bool, StateError> {
    let kept: Vec<Document<Kept>> = state.list(IDENTITY, "").await?;
    Ok(kept.iter().any(|one| one.body.role == ADMIN && one.body.active(now)))
}

/// Whether somebody ever had an identity that may do everything: the first token does not come
/// back with the end of the last one.
pub(crate) async fn had_admin(state: &State) -> Result<bool, StateError> {
    let kept: Vec<Document<Kept>> = state.list(IDENTITY, "").await?;
    Ok(kept.iter().any(|one| one.body.role == ADMIN))
}

/// Whose token it is; nobody's, where it is unknown, over or revoked.
pub(crate) async fn of_token(
    state: &State,
    shown: &[u8],
    now: Timestamp,
) -> Result<Option<Identity>, StateError> {
    let parts = std::str::from_utf8(shown).ok().and_then(|text| text.strip_prefix(TOKEN_PREFIX));
    let Some((id, secret)) = parts.and_then(|text| text.split_once('_')) else { return Ok(None) };
    if id.len() != 2 * ID_BYTES || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(None);
    }
    let Some(Document { body: kept, .. }) = state.get::<Kept>(IDENTITY, id).await? else {
        return Ok(None);
    };
    let shown = Digest::of(secret.as_bytes());
    let right = kept
        .secret
        .is_some_and(|secret| verify_slices_are_equal(shown.as_bytes(), secret.as_bytes()).is_ok());
    Ok((right && kept.active(now)).then(|| kept.identity()))
}

/// Who the names of a verified certificate stand for: the first that has a role.
pub(crate) async fn of_certificate(
    state: &State,
    names: &[String],
    now: Timestamp,
) -> Result<Option<Identity>, StateError> {
    for name in names {
        let found: Option<Document<Kept>> = state.get(IDENTITY, &certificate_id(name)).await?;
        if let Some(kept) = found.map(|found| found.body).filter(|kept| kept.active(now)) {
            return Ok(Some(kept.identity()));
        }
    }
    Ok(None)
}

fn certificate_id(name: &str) -> String {
    format!("cert:{name}")
}

pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).expect("the system has randomness");
    bytes
}
