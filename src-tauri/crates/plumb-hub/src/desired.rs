//! What the nodes of a fleet should run, who said so, and who may change it now.

use jiff::{SignedDuration, Timestamp};
use plumb_wire::hub::{
    Desired, DesiredChange, DesiredVersion, LiftDesired, LockView, SetDesired, TakeLock,
    WhichVersion,
};
use serde::{Deserialize, Serialize};

use crate::{
    hub::Hub,
    identity::random,
    limits::{LEASE_S_MAX, NAME_BYTES_MAX, NODES_MAX, REASON_BYTES_MAX},
    problem::Problem,
    refused,
    registry::{self, KeptVersion},
    state::{
        Change, Document, State,
        collection::{DESIRED, LOCK},
        topic,
    },
};

/// Sets what a fleet, or some nodes of it, should run.
pub(crate) async fn set(
    hub: &Hub,
    fleet: &str,
    wanted: &SetDesired,
    by: &str,
) -> Result<Desired, Problem> {
    check(fleet, &wanted.nodes, &wanted.reason)?;
    let which = WhichVersion { version: wanted.version.clone(), digest: wanted.digest.clone() };
    let (pack, found) = registry::find(&hub.state, &wanted.pack, &which).await?;
    refuse(hub, fleet, &found).await?;
    let now = hub.time().await?;
    let to = DesiredVersion {
        pack,
        version: found.version.clone(),
        digest: found.digest.to_string(),
        by: by.to_owned(),
        at: now,
        reason: wanted.reason.clone(),
    };
    let lease = wanted.lease.as_deref();
    change(hub, fleet, &wanted.nodes, Some(&to), &wanted.reason, (by, lease)).await
}

/// Whether the list of what the fleet refuses names the content: an unmodified OPA has no list of its own.
async fn refuse(hub: &Hub, fleet: &str, version: &KeptVersion) -> Result<(), Problem> {
    let Some(list) = refused::list(&hub.state, fleet).await? else { return Ok(()) };
    let content = match version.content {
        Some(content) => Some(content),
        None => registry::content(hub, version.digest).await?,
    };
    match content.and_then(|content| refused::why(&list, content)) {
        Some(why) => Err(Problem::conflict(why)),
        None => Ok(()),
    }
}

/// Takes back what was said of nodes, or of the fleet.
pub(crate) async fn lift(
    hub: &Hub,
    fleet: &str,
    wanted: &LiftDesired,
    by: &str,
) -> Result<Desired, Problem> {
    check(fleet, &wanted.nodes, &wanted.reason)?;
    let lease = wanted.lease.as_deref();
    change(hub, fleet, &wanted.nodes, None, &wanted.reason, (by, lease)).await
}

async fn change(
    hub: &Hub,
    fleet: &str,
    nodes: &[String],
    to: Option<&DesiredVersion>,
    reason: &str,
    (by, lease): (&str, Option<&str>),
) -> Result<Desired, Problem> {
    // In turn with whoever takes the lock or holds it longer; what time it is counts from then on.
    let mut turn = hub.state.turn().await?;
    let now = turn.now(hub.now()).await?;
    let (_, lock) = turn.read::<Lock>(LOCK, fleet).await?;
    Lock::permits(lock.as_ref(), lease, now)?;
    let (version, desired) = turn.read::<Desired>(DESIRED, fleet).await?;
    let mut desired = desired.unwrap_or_default();
    if nodes.is_empty() {
        desired = Desired { fleet: to.cloned(), ..Desired::default() };
    }
    for node in nodes {
        match to {
            Some(to) => desired.nodes.insert(node.clone(), to.clone()),
            None => desired.nodes.remove(node),
        };
    }
    if desired.nodes.len() > NODES_MAX {
        return Err(Problem::refused(format!("a fleet has {NODES_MAX} nodes at most")));
    }
    let entry = DesiredChange {
        by: by.to_owned(),
        nodes: nodes.to_vec(),
        to: to.cloned(),
        reason: reason.to_owned(),
    };
    let change = Change::default().log(topic::DESIRED, fleet, &entry);
    turn.commit(&change.put(DESIRED, fleet, version, &desired), hub.now()).await?;
    hub.refresh().await;
    Ok(desired)
}

fn check(fleet: &str, nodes: &[String], reason: &str) -> Result<(), Problem> {
    check_name("fleet", fleet)?;
    if nodes.len() > NODES_MAX {
        return Err(Problem::refused(format!("{NODES_MAX} nodes at most")));
    }
    nodes.iter().try_for_each(|node| check_name("node", node))?;
    if reason.len() > REASON_BYTES_MAX || reason.contains('\0') {
        let told = format!("a reason is text of at most {REASON_BYTES_MAX} bytes");
        return Err(Problem::refused(told));
    }
    Ok(())
}

pub(crate) fn check_name(what: &str, name: &str) -> Result<(), Problem> {
    let sound = !name.trim().is_empty()
        && name.len() <= NAME_BYTES_MAX
        && !name.contains('/')
        && !name.chars().any(char::is_control);
    if sound {
        return Ok(());
    }
    Err(Problem::refused(format!(
        "the name of a {what} is one line without '/', at most {NAME_BYTES_MAX} bytes"
    )))
}

/// The lock of a fleet: a lease that ends by itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Lock {
    lease: String,
    holder: String,
    purpose: String,
    until: Timestamp,
}

impl Lock {
    fn view(&self, with_lease: bool, now: Timestamp) -> LockView {
        if self.until <= now {
            return LockView { held: false, lease: None, holder: None, purpose: None, until: None };
        }
        LockView {
            held: true,
            lease: with_lease.then(|| self.lease.clone()),
            holder: Some(self.holder.clone()),
            purpose: Some(self.purpose.clone()),
            until: Some(self.until),
        }
    }

    fn held_by_other(&self, lease: Option<&str>, now: Timestamp) -> Option<Problem> {
        let other = self.until > now && lease != Some(self.lease.as_str());
        other.then(|| {
            let Self { holder, purpose, until, .. } = self;
            Problem::conflict(format!(
                "{holder} holds the lock of this fleet until {until} for {purpose}: ask them, or wait for it"
            ))
        })
    }

    /// Refuses a change while somebody else holds the lock, and one that names a lease which is not held now: others
    /// may have changed what that lease protected.
    fn permits(known: Option<&Self>, lease: Option<&str>, now: Timestamp) -> Result<(), Problem> {
        if let Some(problem) = known.and_then(|lock| lock.held_by_other(lease, now)) {
            return Err(problem);
        }
        if lease.is_some() && known.is_none_or(|lock| lock.until <= now) {
            let told = "this lease is over, and what it protected may have changed: look at what the fleet should run, \
                        take the lock again and use its new lease";
            return Err(Problem::conflict(told));
        }
        Ok(())
    }
}

/// Takes the lock, or holds it longer.
pub(crate) async fn take_lock(
    hub: &Hub,
    fleet: &str,
    wanted: &TakeLock,
    by: &str,
) -> Result<LockView, Problem> {
    check_name("fleet", fleet)?;
    check_name("purpose", &wanted.purpose)?;
    if !(1..=LEASE_S_MAX).contains(&wanted.ttl_s) {
        return Err(Problem::refused(format!("ttl_s must be between 1 and {LEASE_S_MAX}")));
    }
    let mut turn = hub.state.turn().await?;
    let now = turn.now(hub.now()).await?;
    let ttl = SignedDuration::from_secs(i64::from(wanted.ttl_s));
    let until = now.saturating_add(ttl).unwrap_or(Timestamp::MAX);
    let (version, known) = turn.read::<Lock>(LOCK, fleet).await?;
    let again = |lock: &Lock| wanted.again && lock.holder == by && lock.purpose == wanted.purpose;
    if let Some(problem) = known
        .as_ref()
        .filter(|lock| !again(lock))
        .and_then(|lock| lock.held_by_other(wanted.lease.as_deref(), now))
    {
        return Err(problem);
    }
    let held = known.filter(|lock| lock.until > now);
    if wanted.lease.is_some() && held.is_none() {
        let told = "this lease is over, and what it protected may have changed: take a new one";
        return Err(Problem::conflict(told));
    }
    let lease = held.map_or_else(|| hex::encode(random::<16>()), |lock| lock.lease);
    let (holder, purpose) = (by.to_owned(), wanted.purpose.clone());
    let lock = Lock { lease, holder, purpose, until };
    let done = Change::default().done(by, "lock", &format!("lock of {fleet} until {until}"));
    turn.commit(&done.put(LOCK, fleet, version, &lock), now).await?;
    Ok(lock.view(true, now))
}

/// Gives the lock back.
pub(crate) async fn release_lock(
    hub: &Hub,
    fleet: &str,
    lease: &str,
    by: &str,
) -> Result<LockView, Problem> {
    let mut turn = hub.state.turn().await?;
    let now = turn.now(hub.now()).await?;
    let (version, known) = turn.read::<Lock>(LOCK, fleet).await?;
    let mut lock = known.ok_or_else(|| Problem::not_found("nobody holds this lock"))?;
    if let Some(problem) = lock.held_by_other(Some(lease), now) {
        return Err(problem);
    }
    lock.until = lock.until.min(now);
    let done = Change::default().done(by, "lock", &format!("lock of {fleet} given back"));
    turn.commit(&done.put(LOCK, fleet, version, &lock), now).await?;
    Ok(lock.view(false, now))
}

/// Who holds it.
pub(crate) async fn lock(state: &State, fleet: &str, now: Timestamp) -> Result<LockView, Problem> {
    let known: Option<Document<Lock>> = state.get(LOCK, fleet).await?;
    Ok(known.map_or_else(
        || LockView { held: false, lease: None, holder: None, purpose: None, until: None },
        |lock| lock.body.view(false, now),
    ))
}
