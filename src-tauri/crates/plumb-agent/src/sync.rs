//! Pin, sync, rollback and restart: what the console asks of an agent, and what polls and watches do.

use std::{path::PathBuf, sync::Arc, time::Instant};

use plumb_wire::v1::{
    Fallback, LastKnownGood, LogLevel, Pin, PinRequest, Pinned, Reloaded, Restarted, Trigger,
};

use crate::{
    chain::chain,
    core::{Core, InForce},
    durable::Durable,
    find::{FindError, Wanted},
    load::LoadError,
    metrics::FetchOutcome,
    problem::Fault,
    reload::{Attempt, Fetched, Turn, blocking, expect},
};

/// The bundle the agent should run.
#[derive(Debug, Clone)]
struct Target {
    path: PathBuf,
    wanted: Option<Wanted>,
}

impl Core {
    /// Remembers which bundle this node should run. It takes effect with the next sync.
    pub(crate) async fn pin(self: &Arc<Self>, request: PinRequest) -> Result<Pinned, Fault> {
        let pin = Pin {
            version: checked_version(request.version)?,
            digest: request.digest.map(|text| checked_digest("digest", &text)).transpose()?,
            content: request.content.map(|text| checked_digest("content", &text)).transpose()?,
            since: self.now(),
        };
        let _turn = self.take_turn().await?;
        if let Some(content) = pin.content.as_ref().and_then(|content| content.parse().ok()) {
            self.admitted(content).map_err(|error| not_admitted(&error))?;
        }
        let shown = Wanted::from(&pin).shown();
        let pinned = self.set_pin(Some(pin)).await?;
        self.log(LogLevel::Info, &format!("Pinned: {shown}"));
        Ok(pinned)
    }

    pub(crate) async fn unpin(self: &Arc<Self>) -> Result<Pinned, Fault> {
        let _turn = self.take_turn().await?;
        let pinned = self.set_pin(None).await?;
        self.book().source.clone_from(&self.config.bundle);
        self.log(LogLevel::Info, "Pin removed");
        Ok(pinned)
    }

    pub(crate) async fn set_pin(self: &Arc<Self>, pin: Option<Pin>) -> Result<Pinned, Fault> {
        let previous = self.book().durable.pinned.clone();
        let change = pin.clone();
        self.write_state(move |state| state.pinned = change).await?;
        self.book().missing = false;
        Ok(Pinned { pinned: pin, previous })
    }

    /// Makes a change of the durable state, on disk before in memory.
    pub(crate) async fn write_state(
        self: &Arc<Self>,
        change: impl FnOnce(&mut Durable) + Send + 'static,
    ) -> Result<(), Fault> {
        let core = Arc::clone(self);
        let written = blocking(move |reply| {
            let _ = reply.send(core.change_state(change));
        });
        written.await.map_err(|error| {
            let text =
                format!("the state could not be written, nothing changed: {}", chain(&error));
            self.log(LogLevel::Error, &text);
            Fault::state_not_written(text)
        })
    }

    /// Takes the bundle the node should run now.
    pub(crate) async fn sync(self: &Arc<Self>, force: bool) -> Result<Reloaded, Fault> {
        if let Some(packs) = self.packs.get() {
            return self.sync_pack(packs, force).await;
        }
        let turn = self.take_turn().await?;
        let begun = Instant::now();
        let default = self.book().durable.pinned.is_none();
        if default {
            self.book().source.clone_from(&self.config.bundle);
        }
        let target = self.target().await.map_err(|error| self.cannot_find(&error))?;
        if !force {
            let Fetched { digest, result } = self.fetch(target.path.clone()).await;
            if let Some(now) = self.confirm_if_same(digest)
                && target.wanted.as_ref().is_none_or(|wanted| wanted.is(&now.bundle))
            {
                self.settled();
                return Ok(self.reloaded(&now, false, begun));
            }
            let result = result.and_then(|ready| expect(ready, target.wanted.as_ref()));
            let result = result.and_then(|ready| self.put_in_force(ready));
            let attempt = self.remember(begun, Trigger::Sync, &target.path, digest, result);
            return self.answered(attempt, begun);
        }
        let attempt = self.reload(&turn, &target.path, target.wanted.as_ref(), Trigger::Sync).await;
        self.answered(attempt, begun)
    }

    /// Returns to an earlier bundle and pins it, so that neither poll nor watch moves on from it.
    pub(crate) async fn rollback(self: &Arc<Self>, to: Option<String>) -> Result<Reloaded, Fault> {
        if let Some(packs) = self.packs.get() {
            return self.roll_pack_back(packs, to).await;
        }
        let turn = self.take_turn().await?;
        let begun = Instant::now();
        let wanted = self.earlier(to)?;
        let path = self.look_up(wanted.clone()).await.map_err(|error| self.cannot_find(&error))?;
        let Fetched { digest, result } = self.fetch(path.clone()).await;
        let result = result.and_then(|ready| expect(ready, Some(&wanted)));
        // Before the pin, which would otherwise stay on what is not taken.
        let result = result.and_then(|ready| {
            self.admitted(ready.bundle.content)?;
            Ok(ready)
        });
        if let Ok(ready) = &result {
            let pin = Pin {
                version: wanted.version,
                digest: Some(ready.bundle.digest.to_string()),
                content: Some(ready.bundle.content.to_string()),
                since: self.now(),
            };
            self.set_pin(Some(pin)).await?;
        }
        let result = result.and_then(|ready| self.put_in_force(ready));
        let attempt = self.remember(begun, Trigger::Rollback, &path, digest, result);
        drop(turn);
        self.answered(attempt, begun)
    }

    pub(crate) fn earlier(&self, to: Option<String>) -> Result<Wanted, Fault> {
        let Some(version) = to else {
            let good = self.book().durable.last_known_good.clone();
            return good
                .map(|good| Wanted::from(&good))
                .ok_or_else(|| Fault::no_such_bundle("there is no last known good bundle"));
        };
        let version = checked_version(version)?;
        let now = self.in_force.load().as_ref().map(|now| now.bundle.digest.to_string());
        let book = self.book();
        let known = book.history.all().find(|record| {
            record.success && record.version.as_ref() == Some(&version) && record.digest != now
        });
        Ok(match known {
            Some(record) => {
                Wanted { version, digest: record.digest.clone(), content: record.content.clone() }
            }
            None => Wanted { version, digest: None, content: None },
        })
    }

    /// Drops everything held in memory and starts again from disk.
    pub(crate) async fn restart(self: &Arc<Self>) -> Result<Restarted, Fault> {
        if let Some(packs) = self.packs.get() {
            return self.restart_packs(packs).await;
        }
        let turn = self.take_turn().await?;
        self.log(LogLevel::Info, "Restart requested");
        {
            let mut book = self.book();
            book.source.clone_from(&self.config.bundle);
            book.refused = None;
            book.missing = false;
            book.local_rules = None;
        }
        let now = self.now();
        self.set_started(now);
        let in_force = self.come_up(&turn, Trigger::Restart).await;
        Ok(Restarted {
            started_at: now,
            version: in_force.as_ref().map(|now| now.version().to_owned()),
            content: in_force.as_ref().map(|now| now.bundle.content.to_string()),
        })
    }

    /// Loads what the agent should run; where that is refused, what it ran before.
    pub(crate) async fn come_up(
        self: &Arc<Self>,
        turn: &Turn<'_>,
        trigger: Trigger,
    ) -> Option<Arc<InForce>> {
        let reason = match self.target().await {
            Err(error) => error.to_string(),
            Ok(target) => {
                let wanted = target.wanted.as_ref();
                match self.reload(turn, &target.path, wanted, trigger).await.result {
                    Ok(now) => {
                        self.settled();
                        return Some(now);
                    }
                    Err(error) => self.error_text(&error, &target.path),
                }
            }
        };
        let before: Vec<LastKnownGood> = {
            let book = self.book();
            let state = &book.durable;
            [&state.in_force, &state.last_known_good].into_iter().flatten().cloned().collect()
        };
        for good in before {
            let wanted = Wanted::from(&good);
            let Ok(path) = self.look_up(wanted.clone()).await else { continue };
            let attempt = self.reload(turn, &path, Some(&wanted), trigger).await;
            if let Ok(now) = attempt.result {
                let since = self.now();
                self.log(LogLevel::Warn, &format!("Fallback to {}: {reason}", wanted.shown()));
                self.fall_back(Fallback { since, reason });
                return Some(now);
            }
        }
        // A process that really restarted would have nothing either.
        if let Some(dropped) = self.in_force.swap(None) {
            self.tracker.spawn_blocking(move || drop(dropped));
        }
        self.log(LogLevel::Error, &format!("No verified bundle in force: {reason}"));
        None
    }

    /// Looks at the source once more: confirms, takes what is new, or refuses it once.
    pub(crate) async fn refresh(self: &Arc<Self>, trigger: Trigger) {
        let _turn = self.turn.lock().await;
        let begun = Instant::now();
        let target = match self.target().await {
            Ok(target) => target,
            Err(error) => {
                self.pack.fetched(begun.elapsed(), FetchOutcome::Failed);
                return self.source_missing(&error.to_string());
            }
        };
        let Fetched { digest, result } = self.fetch(target.path.clone()).await;
        let is_target =
            |now: &InForce| target.wanted.as_ref().is_none_or(|wanted| wanted.is(&now.bundle));
        let same = self.confirm_if_same(digest).is_some_and(|now| is_target(&now));
        let outcome = match digest {
            None => FetchOutcome::Failed,
            Some(_) if same => FetchOutcome::Unchanged,
            Some(_) => FetchOutcome::Fresh,
        };
        self.pack.fetched(begun.elapsed(), outcome);
        if same {
            return self.settled();
        }
        if let Err(error) = &result
            && error.is_missing()
        {
            return self.source_missing(&self.error_text(error, &target.path));
        }
        if digest.is_some() && self.book().refused == digest {
            return;
        }
        let result = result.and_then(|ready| expect(ready, target.wanted.as_ref()));
        let result = result.and_then(|ready| self.put_in_force(ready));
        let refused = result.is_err().then_some(digest).flatten();
        self.book().refused = refused;
        let attempt = self.remember(begun, trigger, &target.path, digest, result);
        if attempt.result.is_ok() {
            self.settled();
        }
    }

    fn source_missing(&self, reason: &str) {
        if !std::mem::replace(&mut self.book().missing, true) {
            self.log(LogLevel::Warn, &format!("The source offers no bundle: {reason}"));
        }
    }

    /// Something else answers than what should run.
    pub(crate) fn fall_back(&self, fallback: Fallback) {
        self.book().fallback = Some(fallback);
        self.pack.fallback(true);
        self.alerts.look();
    }

    /// What should run does.
    pub(crate) fn settled(&self) {
        self.pack.fallback(false);
        self.alerts.look();
        let mut book = self.book();
        book.fallback = None;
        book.missing = false;
        book.refused = None;
    }

    async fn target(self: &Arc<Self>) -> Result<Target, FindError> {
        let (pinned, source) = {
            let book = self.book();
            (book.durable.pinned.clone(), book.source.clone())
        };
        match pinned {
            None => Ok(Target { path: source, wanted: None }),
            Some(pin) => {
                let wanted = Wanted::from(&pin);
                let path = self.look_up(wanted.clone()).await?;
                Ok(Target { path, wanted: Some(wanted) })
            }
        }
    }

    pub(crate) async fn look_up(self: &Arc<Self>, wanted: Wanted) -> Result<PathBuf, FindError> {
        let core = Arc::clone(self);
        blocking(move |reply| {
            let _ = reply.send(core.find(&wanted).map(|path| path.shown));
        })
        .await
    }

    pub(crate) fn cannot_find(&self, error: &FindError) -> Fault {
        self.log(LogLevel::Error, &format!("Hot-reload failed: {error}"));
        match error {
            FindError::None { .. } => Fault::no_such_bundle(error.to_string()),
            FindError::Ambiguous { .. } => Fault::ambiguous(error.to_string()),
        }
    }

    fn answered(&self, attempt: Attempt, begun: Instant) -> Result<Reloaded, Fault> {
        match attempt.result {
            Ok(now) => {
                self.settled();
                Ok(self.reloaded(&now, true, begun))
            }
            Err(error) if error.is_missing() => {
                Err(Fault::no_such_bundle(attempt.record.error.unwrap_or_default()))
            }
            Err(error @ LoadError::OnRefusedList { .. }) => {
                Err(Fault::content_refused(error.full_text()))
            }
            Err(error @ LoadError::NotApproved { .. }) => {
                Err(Fault::not_approved(error.full_text()))
            }
            Err(error @ LoadError::Other { .. }) => Err(Fault::no_such_bundle(chain(&error))),
            Err(error) => Err(Fault::refused(error.full_text())),
        }
    }

    pub(crate) fn reloaded(&self, now: &InForce, changed: bool, begun: Instant) -> Reloaded {
        Reloaded {
            changed,
            version: now.version().to_owned(),
            digest: now.bundle.digest.to_string(),
            content: now.bundle.content.to_string(),
            path: now.place.shown(),
            policies_loaded: u32::try_from(now.bundle.refs.len()).unwrap_or(u32::MAX),
            duration_ms: (begun.elapsed().as_secs_f64() * 1e5).round() / 100.0,
            loaded_at: now.loaded_at,
            confirmed_at: self.confirmed_at(),
            pinned: self.book().durable.pinned.clone(),
        }
    }
}

fn not_admitted(error: &LoadError) -> Fault {
    match error {
        LoadError::NotApproved { .. } => Fault::not_approved(error.full_text()),
        _ => Fault::content_refused(error.full_text()),
    }
}

fn checked_version(label: String) -> Result<String, Fault> {
    match plumb_fleet::Version::new(label) {
        Ok(version) => Ok(version.into()),
        Err(error) => Err(Fault::bad_request(format!("version {error}"))),
    }
}

fn checked_digest(field: &str, text: &str) -> Result<String, Fault> {
    match text.parse::<plumb_fleet::Digest>() {
        Ok(digest) => Ok(digest.to_hex()),
        Err(error) => Err(Fault::bad_request(format!("{field}: {error}"))),
    }
}
