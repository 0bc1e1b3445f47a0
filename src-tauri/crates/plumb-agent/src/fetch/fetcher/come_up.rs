//! A start: the best stored pack that is still trusted, and that the engine takes.

use std::sync::Arc;

use plumb_wire::v1::LogLevel;
use tokio::time::Instant;

use super::{
    correlation,
    examine::{Examined, examine, is_expired},
    on_blocking_thread,
    worker::{Lost, Worker},
};
use crate::{
    chain::chain,
    fetch::{
        decide::Held,
        failure::FetchFailure,
        pack::VerifiedPack,
        status::FetchTrigger,
        store::{Record, Slot, StoreError},
    },
};

impl Worker {
    /// Brings the active pack into force, or else the newest last-known-good one that will do.
    pub(super) async fn come_up(&mut self) {
        let slots = match self.store(|store| store.slots()).await {
            Ok(slots) => slots,
            Err(error) => {
                self.start_failed(FetchFailure::Store(error), None).await;
                return;
            }
        };
        for slot in slots {
            let wanted = slot.clone();
            let record = match self.store(move |store| store.load(&wanted)).await {
                Ok(record) => record,
                Err(StoreError::Disk { error, .. })
                    if error.kind() == std::io::ErrorKind::NotFound =>
                {
                    continue;
                }
                Err(error) => {
                    self.start_failed(FetchFailure::Store(error), None).await;
                    continue;
                }
            };
            let digest = record.digest;
            match self.bring_back(record, &slot).await {
                Ok(()) => return,
                Err(failure) => self.start_failed(failure, Some(digest)).await,
            }
        }
        let text = format!(
            "No stored pack can be used; waiting for {} from the registry",
            self.shared.config.pack_id()
        );
        (self.shared.log)(LogLevel::Warn, &text);
    }

    async fn start_failed(&mut self, failure: FetchFailure, digest: Option<plumb_fleet::Digest>) {
        let lost = Lost { failure, digest };
        self.lost(FetchTrigger::Start, &correlation(), lost, std::time::Duration::ZERO).await;
        // What failed at the start says nothing about the registry.
        self.memory.failures = 0;
        self.shared.status.send_modify(|status| status.consecutive_failures = 0);
    }

    async fn bring_back(&mut self, record: Record, slot: &Slot) -> Result<(), FetchFailure> {
        let pack_id = self.shared.config.pack_id().to_owned();
        if record.pack != pack_id {
            return Err(FetchFailure::WrongPack { wanted: pack_id, found: record.pack });
        }
        let correlation = correlation();
        let (record, examined) = self.examine_again(record).await;
        let late = examined.as_ref().is_ok_and(|(_, late)| *late);
        let examined = self.seen(examined.map(|(examined, _)| examined))?;
        let Examined { pack, bundle, report } = examined;
        if late {
            let text = format!(
                "Pack {} is trusted as of {}, when it was stored, and no longer now; it stays until a newer one comes",
                record.digest.short(),
                record.verified_at
            );
            (self.shared.log)(LogLevel::Error, &text);
        }
        let etag = record.etag.clone();
        let pack = VerifiedPack { id: pack_id, etag, pack, bundle, report, correlation };
        let begun = Instant::now();
        self.activate(&pack).await?;
        self.in_force(&pack, begun.elapsed());
        self.memory.held = Some(Held { digest: record.digest, etag: record.etag.clone() });
        // The stored pack is whole; its ETag will do.
        self.memory.full_at = Some(std::time::Duration::ZERO);
        let fallback = *slot != Slot::Active;
        if fallback {
            self.shared.metrics.fell_back();
            let text = format!("Last-known-good pack {} is in force", record.digest.short());
            (self.shared.log)(LogLevel::Warn, &text);
        }
        self.shared.fallback(fallback);
        let slot = slot.clone();
        let kept = self.store(move |store| {
            store.restore_from(&slot)?;
            store.acknowledge(&record);
            Ok::<_, StoreError>(())
        });
        if let Err(error) = kept.await {
            // It answers all the same, and the next start finds it where this one did.
            let text = format!("The active pack cannot be replaced on disk: {}", chain(&error));
            (self.shared.log)(LogLevel::Error, &text);
        }
        Ok(())
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
