//! A start: the best stored pack that is still trusted, and that the engine takes.

use std::sync::Arc;

use plumb_fleet::Digest;
use plumb_wire::v1::LogLevel;
use tokio::time::Instant;

use super::{
    Wants, correlation,
    examine::{Examined, examine, is_expired},
    on_blocking_thread,
    worker::{Lost, Worker},
};
use crate::{
    chain::chain,
    fetch::{
        failure::FetchFailure,
        limits::{TAKEN_BACK_MAX, TAKEN_BACK_REASON_MAX},
        pack::VerifiedPack,
        status::{Attempt, Ended, FetchEvent, FetchTrigger},
        store::{Record, Slot, StoreError, TakenBack},
    },
};

/// What became of a slot at a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CameUp {
    Yes,
    No,
    /// It is whole, and did not prove itself when it was in force.
    TakenBack,
}

/// How a stored pack is brought back.
#[derive(Debug)]
struct Back {
    slot: Slot,
    trigger: FetchTrigger,
    /// It answers instead of something that should.
    fallback: bool,
    /// What was active before is worth keeping.
    keeps: bool,
}

impl Worker {
    /// Brings the active pack into force, or else the newest last-known-good one that will do.
    pub(super) async fn come_up(&mut self, trigger: FetchTrigger) {
        let slots = match self.store(|store| store.slots()).await {
            Ok(slots) => slots,
            Err(error) => {
                self.start_failed(trigger, FetchFailure::Store(error), None).await;
                return;
            }
        };
        // One that was taken back is better than none at all, and than nothing else.
        let mut last_resort = Vec::new();
        for slot in slots {
            match self.come_up_by(slot.clone(), trigger, false).await {
                CameUp::Yes => return,
                CameUp::No => {}
                CameUp::TakenBack => last_resort.push(slot),
            }
        }
        for slot in last_resort {
            if matches!(self.come_up_by(slot, trigger, true).await, CameUp::Yes) {
                return;
            }
        }
        let text = format!(
            "No stored pack can be used; waiting for {} from the registry",
            self.shared.config.pack_id()
        );
        (self.shared.log)(LogLevel::Warn, &text);
    }

    async fn come_up_by(&mut self, slot: Slot, trigger: FetchTrigger, any: bool) -> CameUp {
        let wanted = slot.clone();
        let record = match self.store(move |store| store.load(&wanted)).await {
            Ok(record) => record,
            Err(StoreError::Disk { error, .. }) if error.kind() == std::io::ErrorKind::NotFound => {
                return CameUp::No;
            }
            Err(error) => {
                self.start_failed(trigger, FetchFailure::Store(error), None).await;
                return CameUp::No;
            }
        };
        let digest = record.digest;
        if !any && self.was_taken_back(digest).is_some() {
            return CameUp::TakenBack;
        }
        let fallback = slot != Slot::Active;
        let back = Back { slot, trigger, fallback, keeps: false };
        match self.bring_back(record, back, None).await {
            Ok(_) => CameUp::Yes,
            Err(failure) => {
                self.start_failed(trigger, failure, Some(digest)).await;
                CameUp::No
            }
        }
    }

    async fn start_failed(
        &mut self,
        trigger: FetchTrigger,
        failure: FetchFailure,
        digest: Option<Digest>,
    ) {
        let lost = Lost { failure, digest };
        self.lost(trigger, &correlation(), lost, std::time::Duration::ZERO).await;
        // What failed at the start says nothing about the registry.
        self.memory.failures = 0;
        self.shared.status.send_modify(|status| status.consecutive_failures = 0);
    }

    /// Brings a stored pack into force. `false` when it is sound and not the one that is wanted.
    async fn bring_back(
        &mut self,
        record: Record,
        back: Back,
        wants: Option<&Wants>,
    ) -> Result<bool, FetchFailure> {
        let Back { slot, trigger, fallback, keeps } = back;
        let pack_id = self.shared.config.pack_id().to_owned();
        if record.pack != pack_id {
            return Err(FetchFailure::WrongPack { wanted: pack_id, found: record.pack });
        }
        let correlation = correlation();
        let (record, examined) = self.examine_again(record).await;
        let late = examined.as_ref().is_ok_and(|(_, late)| *late);
        let examined = examined.map(|(examined, _)| examined);
        let etag = record.etag.clone();
        let pack = |Examined { pack, bundle, report }| VerifiedPack {
            id: pack_id.clone(),
            etag: etag.clone(),
            pack,
            bundle,
            report,
            correlation: correlation.clone(),
        };
        let pack = match examined {
            Ok(examined) => {
                let pack = pack(examined);
                if wants.is_some_and(|Wants(wants)| !wants(&pack)) {
                    return Ok(false);
                }
                self.shared.observe(FetchEvent::Verified(pack.report()));
                pack
            }
            Err(failure) => return self.seen(Err(failure)).map(|_| false),
        };
        if late {
            let text = format!(
                "Pack {} is trusted as of {}, when it was stored, and no longer now; it stays until a newer one comes",
                record.digest.short(),
                record.verified_at
            );
            (self.shared.log)(LogLevel::Error, &text);
        }
        let begun = Instant::now();
        self.activate(&pack, trigger).await?;
        self.in_force(&pack, begun.elapsed());
        self.holds(record.digest, record.etag.clone());
        // The stored pack is whole; its ETag will do.
        self.memory.full_at = Some(std::time::Duration::ZERO);
        if fallback {
            let text = format!("Last-known-good pack {} is in force", record.digest.short());
            (self.shared.log)(LogLevel::Warn, &text);
        }
        self.shared.fallback(fallback);
        let kept = self.store(move |store| {
            if keeps {
                store.exchange(&slot)?;
            } else {
                store.restore_from(&slot)?;
            }
            store.acknowledge(&record);
            Ok::<_, StoreError>(())
        });
        if let Err(error) = kept.await {
            // It answers all the same, and the next start finds it where this one did.
            let text = format!("The active pack cannot be replaced on disk: {}", chain(&error));
            (self.shared.log)(LogLevel::Error, &text);
        }
        Ok(true)
    }

    /// Brings the best stored pack that is wanted into force; nothing when none is.
    pub(super) async fn restore(
        &mut self,
        trigger: FetchTrigger,
        wants: &Wants,
    ) -> Option<Attempt> {
        self.go_back(trigger, wants, true).await
    }

    /// Goes back from the pack in force to the newest other one that is still sound, and remembers
    /// not to take it again. The reason is told as a failure, whether or not there was a way back.
    pub(super) async fn take_back(&mut self, digest: Digest, reason: String) -> Option<Attempt> {
        if self.memory.held.as_ref().is_none_or(|held| held.digest != digest) {
            return None;
        }
        let other = Wants(Box::new(move |pack: &VerifiedPack| pack.digest() != digest));
        let back = self.go_back(FetchTrigger::Rollback, &other, false).await;
        let returned = back.is_some_and(|attempt| attempt.result == Ended::Activated);
        let reason = if returned {
            self.remember(digest, &reason).await;
            reason
        } else {
            format!("{reason}; there is no earlier pack to return to, so it stays")
        };
        let lost = Lost { failure: FetchFailure::TakenBack { reason }, digest: Some(digest) };
        let id = correlation();
        let told = self.lost(FetchTrigger::Rollback, &id, lost, std::time::Duration::ZERO).await;
        Some(told.0)
    }

    /// Remembers not to take a pack again, also after a restart.
    async fn remember(&mut self, digest: Digest, reason: &str) {
        self.taken_back.retain(|taken_back| taken_back.digest != digest);
        if self.taken_back.len() >= TAKEN_BACK_MAX {
            self.taken_back.remove(0);
        }
        let reason = reason.chars().take(TAKEN_BACK_REASON_MAX).collect();
        self.taken_back.push(TakenBack { digest, reason, at: self.shared.clock.now() });
        let all = self.taken_back.clone();
        if let Err(error) = self.store(move |store| store.remember(&all)).await {
            let text = format!(
                "That {} was taken back cannot be written down, so a restart would take it again: {}",
                digest.short(),
                chain(&error)
            );
            (self.shared.log)(LogLevel::Error, &text);
        }
    }

    /// Begins again from the stored packs; what is in force stays until one of them is.
    pub(super) async fn again(&mut self, trigger: FetchTrigger) -> Option<Attempt> {
        self.come_up(trigger).await;
        self.shared.status.borrow().last.clone()
    }

    async fn go_back(
        &mut self,
        trigger: FetchTrigger,
        wants: &Wants,
        keeps: bool,
    ) -> Option<Attempt> {
        let slots = self.store(|store| store.slots()).await.ok()?;
        let correlation = correlation();
        for slot in slots {
            let wanted = slot.clone();
            // One that cannot be read is not the one that is wanted.
            let Ok(record) = self.store(move |store| store.load(&wanted)).await else { continue };
            let digest = record.digest;
            // The one who asked for it says whether it stands for something else.
            let back = Back { slot, trigger, fallback: false, keeps };
            match self.bring_back(record, back, Some(wants)).await {
                Ok(false) => {}
                Ok(true) => {
                    let attempt = Attempt {
                        at: self.shared.clock.now(),
                        trigger,
                        correlation,
                        result: Ended::Activated,
                        cause: None,
                        text: None,
                    };
                    self.write_down(&attempt, Some(digest), None, std::time::Duration::ZERO).await;
                    return Some(attempt);
                }
                Err(failure) => {
                    let lost = Lost { failure, digest: Some(digest) };
                    let zero = std::time::Duration::ZERO;
                    let attempt = self.lost(trigger, &correlation, lost, zero).await.0;
                    if trigger != FetchTrigger::Rollback {
                        return Some(attempt);
                    }
                }
            }
        }
        None
    }

    /// Verifies a stored pack as of now and, when only time speaks against it, as of the moment it was
    /// stored: a clock that jumped must not take the last good policies away. The flag says which.
    async fn examine_again(
        &self,
        record: Record,
    ) -> (Record, Result<(Examined, bool), FetchFailure>) {
        let verifier = Arc::clone(&self.shared.verifier);
        let now = self.shared.clock.now();
        on_blocking_thread(move || {
            let at = |moment| {
                examine(&*verifier, &record.pack, &record.tar, &record.attestation, moment)
            };
            let examined = match at(now) {
                Err(failure) if is_expired(&failure) => {
                    at(record.verified_at).map(|examined| (examined, true))
                }
                other => other.map(|examined| (examined, false)),
            };
            (record, examined)
        })
        .await
    }
}
