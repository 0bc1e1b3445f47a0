//! Sync, reload, rollback and restart of an agent that runs packs: all of it through the fetcher's queue.

use std::{sync::Arc, time::Instant};

use plumb_wire::v1::{LogLevel, Pin, ReloadRecord, Reloaded, Restarted};

use super::is_wanted;
use crate::{
    core::{Core, InForce},
    fetch::{Attempt, Cause, Ended, FetchHandle, FetchTrigger, Stage, VerifiedPack},
    find::Wanted,
    problem::Fault,
};

impl Core {
    /// Whether this node runs what it is pinned to.
    pub(crate) fn runs_the_pin(&self) -> bool {
        let pinned = self.book().durable.pinned.as_ref().map(Wanted::from);
        pinned.is_some_and(|pinned| self.runs(&pinned))
    }

    fn runs(&self, wanted: &Wanted) -> bool {
        self.in_force.load().as_ref().is_some_and(|now| answers_to(now, wanted))
    }

    /// Takes the pack this node should run: what is pinned, from the store or the registry, or else
    /// whatever the registry offers now. With `force` it is loaded again even where it runs.
    pub(crate) async fn sync_pack(
        self: &Arc<Self>,
        packs: &FetchHandle,
        force: bool,
    ) -> Result<Reloaded, Fault> {
        // Refused while another change is being made and changes are locked.
        drop(self.take_turn().await?);
        let begun = Instant::now();
        let pinned = self.book().durable.pinned.as_ref().map(Wanted::from);
        if let Some(pinned) = pinned.clone()
            && !self.runs(&pinned)
        {
            let wants = move |pack: &VerifiedPack| is_wanted(&pinned, pack);
            if let Some(attempt) = packs.restore(FetchTrigger::Sync, wants).await {
                return self.changed(&attempt, begun);
            }
        }
        let mut attempt = self.look_now(packs, FetchTrigger::Sync).await?;
        if force && matches!(attempt.result, Ended::Current | Ended::HeldBack) {
            attempt = self.load_again(packs).await.unwrap_or(attempt);
        }
        match pinned {
            Some(pinned) if !self.runs(&pinned) && attempt.result != Ended::Failed => {
                let text = attempt.text.unwrap_or_else(|| "the registry offers another".to_owned());
                Err(Fault::no_such_bundle(format!(
                    "neither the stored packs nor the registry have {}: {text}",
                    pinned.shown()
                )))
            }
            _ => self.changed(&attempt, begun),
        }
    }

    /// Loads the pack in force once more from the store; nothing when it is not there.
    async fn load_again(&self, packs: &FetchHandle) -> Option<Attempt> {
        let digest = self.in_force.load().as_ref().and_then(|now| Some(now.pack()?.digest))?;
        packs.restore(FetchTrigger::Sync, move |pack| pack.digest() == digest).await
    }

    /// `POST /reload`: looks now, and tells the attempt as the history does.
    pub(crate) async fn reload_pack(
        self: &Arc<Self>,
        packs: &FetchHandle,
    ) -> Result<ReloadRecord, Fault> {
        drop(self.take_turn().await?);
        let begun = Instant::now();
        let attempt = self.look_now(packs, FetchTrigger::Request).await?;
        let now = self.in_force.load_full();
        let success = attempt.result != Ended::Failed;
        let count = now.as_ref().map_or(0, |now| now.bundle.refs.len());
        Ok(ReloadRecord {
            timestamp: attempt.at,
            version: now.as_ref().map(|now| now.version().to_owned()),
            success,
            duration_ms: (begun.elapsed().as_secs_f64() * 1e5).round() / 100.0,
            policies_loaded: if success { u32::try_from(count).unwrap_or(u32::MAX) } else { 0 },
            error: told(&attempt),
            trigger: plumb_wire::v1::Trigger::Request,
            path: Some(packs.url().to_owned()),
            digest: now.as_ref().map(|now| now.bundle.digest.to_string()),
            content: now.as_ref().map(|now| now.bundle.content.to_string()),
        })
    }

    /// Returns to an earlier pack of the store and pins it, so that no look moves on from it.
    pub(crate) async fn roll_pack_back(
        self: &Arc<Self>,
        packs: &FetchHandle,
        to: Option<String>,
    ) -> Result<Reloaded, Fault> {
        let begun = Instant::now();
        let wanted = self.earlier(to)?;
        let pin = Pin {
            version: wanted.version.clone(),
            digest: wanted.digest.clone(),
            content: wanted.content.clone(),
            since: self.now(),
        };
        // Pinned first: a look between the two would bring the newer one back.
        let previous = {
            let _turn = self.take_turn().await?;
            self.set_pin(Some(pin)).await?.previous
        };
        let shown = wanted.shown();
        let attempt =
            packs.restore(FetchTrigger::Rollback, move |pack| is_wanted(&wanted, pack)).await;
        let outcome = match attempt {
            Some(attempt) => self.changed(&attempt, begun),
            None => Err(Fault::no_such_bundle(format!("no stored pack that is sound is {shown}"))),
        };
        if outcome.is_err() {
            let _turn = self.turn.lock().await;
            self.set_pin(previous).await?;
        }
        outcome
    }

    /// Begins again from the stored packs.
    pub(crate) async fn restart_packs(
        self: &Arc<Self>,
        packs: &FetchHandle,
    ) -> Result<Restarted, Fault> {
        drop(self.take_turn().await?);
        self.log(LogLevel::Info, "Restart requested");
        let now = self.now();
        self.set_started(now);
        self.book().told = None;
        packs.again().await;
        let in_force = self.in_force.load_full();
        Ok(Restarted {
            started_at: now,
            version: in_force.as_ref().map(|now| now.version().to_owned()),
            content: in_force.as_ref().map(|now| now.bundle.content.to_string()),
        })
    }

    async fn look_now(&self, packs: &FetchHandle, trigger: FetchTrigger) -> Result<Attempt, Fault> {
        let looked = packs.look(trigger).await;
        looked.ok_or_else(|| {
            Fault::source("the registry asked to be left alone for a while; try again later")
        })
    }

    fn changed(&self, attempt: &Attempt, begun: Instant) -> Result<Reloaded, Fault> {
        if let Some(text) = told(attempt) {
            let at_the_registry = attempt.cause.map(Cause::stage) == Some(Stage::Fetch);
            return Err(if at_the_registry { Fault::source(text) } else { Fault::refused(text) });
        }
        let now = self.in_force.load_full().ok_or_else(Fault::no_bundle)?;
        if attempt.result != Ended::HeldBack || self.runs_the_pin() {
            self.settled();
        }
        let changed = attempt.result == Ended::Activated;
        Ok(self.reloaded(&now, changed, begun))
    }
}

/// A failure as its cause and what happened.
fn told(attempt: &Attempt) -> Option<String> {
    let cause = attempt.cause?;
    Some(format!("{}: {}", cause.as_str(), attempt.text.as_deref().unwrap_or_default()))
}

/// Whether what is in force is what is meant; a pack of a signed bundle answers to either digest.
fn answers_to(now: &InForce, wanted: &Wanted) -> bool {
    let in_pack = |digest: &String| now.pack().is_some_and(|pack| pack.digest.to_hex() == *digest);
    wanted.is(&now.bundle) || {
        let without = Wanted { digest: None, ..wanted.clone() };
        without.is(&now.bundle) && wanted.digest.as_ref().is_some_and(in_pack)
    }
}
