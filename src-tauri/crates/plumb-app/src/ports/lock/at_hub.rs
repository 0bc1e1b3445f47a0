//! The deployment lock of a fleet at the hub of its team.

use std::sync::{Mutex, PoisonError};

use plumb_clients::hub::HubError;
use plumb_exec::LockError;
use plumb_fleet::RunId;
use plumb_wire::hub::{LockView, TakeLock};
use tracing::warn;

use super::LEASE_S;
use crate::{app::App, ports::hub::FleetHub};

/// The lock at the hub, for one run.
#[derive(Debug)]
pub(super) struct HubLease {
    app: App,
    hub: FleetHub,
    run: RunId,
    lease: Mutex<Option<String>>,
}

impl HubLease {
    pub(super) const fn new(app: App, hub: FleetHub, run: RunId) -> Self {
        Self { app, hub, run, lease: Mutex::new(None) }
    }

    /// What proves to the hub that this run holds the lock.
    pub(super) fn lease(&self) -> Option<String> {
        self.lease.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn keep(&self, lease: Option<String>) {
        *self.lease.lock().unwrap_or_else(PoisonError::into_inner) = lease;
    }

    pub(super) async fn hold(&self) -> Result<(), LockError> {
        match self.take(&self.run.to_string(), self.lease()).await {
            Ok(view) => {
                self.keep(view.lease);
                Ok(())
            }
            Err(HubError::Refused { status: 409, detail, .. }) => self.refused(detail).await,
            Err(error) => Err(no_answer(&error)),
        }
    }

    async fn take(&self, purpose: &str, lease: Option<String>) -> Result<LockView, HubError> {
        // A run has one owner on its machine, so asking again for one is asking after a crash.
        let again = lease.is_none();
        let purpose = purpose.to_owned();
        self.hub.take_lock(&TakeLock { purpose, ttl_s: LEASE_S, again, lease }).await
    }

    /// Somebody else holds it, unless that is a run of ours that was killed: nobody would give its lease back.
    async fn refused(&self, detail: String) -> Result<(), LockError> {
        let held = self.hub.lock().await.map_err(|error| no_answer(&error))?;
        let purpose = held.purpose.as_deref().filter(|_| held.held);
        if self.lease().is_none()
            && let Some(left) = purpose.filter(|run| self.app.is_left_behind(run))
        {
            self.end(left).await;
            let view = self.take(&self.run.to_string(), None).await;
            self.keep(view.map_err(|error| no_answer(&error))?.lease);
            return Ok(());
        }
        match held.holder.filter(|_| held.held) {
            Some(holder) => {
                let until = held.until.map_or_else(String::new, |at| format!(", until {at}"));
                let what = purpose.map_or_else(String::new, |what| format!(" for {what}"));
                Err(LockError::Held { by: format!("{holder} at the hub{what}{until}") })
            }
            None => Err(LockError::NoAnswer { message: detail }),
        }
    }

    /// Takes the lease of a run once more, which only its own holder can, and gives it back.
    async fn end(&self, run: &str) {
        match self.take(run, None).await {
            Ok(LockView { lease: Some(lease), .. }) => self.give_back(lease).await,
            Ok(_) => {}
            Err(error) => warn!(%error, run, "the lease of a run at the hub ends by itself"),
        }
    }

    async fn give_back(&self, lease: String) {
        if let Err(error) = self.hub.release_lock(lease).await {
            warn!(%error, "the lease at the hub ends by itself");
        }
    }

    pub(super) async fn release(&self) {
        if let Some(lease) = self.lease() {
            self.keep(None);
            self.give_back(lease).await;
        }
    }

    /// Ends the lease of this run, which another program took.
    pub(super) async fn end_left_behind(&self) {
        let held = self.hub.lock().await;
        if held.is_ok_and(|held| held.held && held.purpose == Some(self.run.to_string())) {
            self.end(&self.run.to_string()).await;
        }
    }
}

fn no_answer(error: &HubError) -> LockError {
    LockError::NoAnswer { message: error.to_string() }
}
