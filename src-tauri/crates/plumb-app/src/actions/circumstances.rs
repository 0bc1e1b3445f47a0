//! What stands around a plan when it is examined: the roster's word on promotion, and ways back.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use plumb_fleet::{FleetId, NodeId};
use plumb_runbook::{Circumstances, FreezeWindow, Plan, Probe, Promotion, WayBack};

use crate::{actions::submit::enforcing, app::App, error::AppError};

impl App {
    /// Gathers what is known here around a plan. `back` are the answers of nodes that were asked whether
    /// they still accept what they would go back to.
    pub(crate) async fn circumstances(
        &self,
        plan: &Plan,
        back: &BTreeMap<NodeId, Probe>,
    ) -> Result<Circumstances, AppError> {
        let current = self.current(plan.fleet.as_str()).await?;
        // Where nothing has to be approved, nobody has to verify it.
        let enforcing = plan.consent.as_ref().map(|_| enforcing(plan, &current));
        Ok(Circumstances {
            lock: self.lock_held(plan).await,
            enforcing,
            refusing: self.refusing(plan, &current).await?,
            promotion: self.promotion(&plan.fleet).await?,
            freeze: self.freezes(&plan.fleet).await?,
            checklist: self.checklist(&plan.fleet).await?,
            ways_back: back.iter().map(|(node, said)| (node.clone(), way_back(said))).collect(),
        })
    }

    /// Windows of the roster, and freezes that runs of runbooks hold; a run's own is none for what it does.
    async fn freezes(&self, fleet: &FleetId) -> Result<Vec<FreezeWindow>, AppError> {
        let mut windows = self.freeze_windows(fleet).await?;
        let held = {
            let mut conn = self.record().read().await?;
            plumb_store::runbooks::in_force(&mut conn, fleet).await?
        };
        let own = crate::runbooks::in_runbook();
        let open_end = self.now() + SignedDuration::from_hours(1);
        windows.extend(held.into_iter().filter(|held| Some(held.run) != own).map(|held| {
            let reason = format!("{} (run {} of a runbook)", held.reason, held.run);
            // It holds until somebody lifts it, however late that is.
            FreezeWindow { from: held.since, until: held.until.max(open_end), reason }
        }));
        Ok(windows)
    }

    /// What staging certified for a fleet; nothing where the roster names no staging fleet for it.
    async fn promotion(&self, fleet: &FleetId) -> Result<Option<Promotion>, AppError> {
        let Some(roster) = self.roster_of(fleet).await? else { return Ok(None) };
        let Some((_, environment)) = roster.environment_of(fleet) else { return Ok(None) };
        let Some(staging_fleet) = environment.staging_fleet.clone() else { return Ok(None) };
        let certified = self.promoted(environment, &staging_fleet).await?;
        Ok(Some(Promotion { staging_fleet, certified }))
    }

    /// When the roster says that nothing is changed in a fleet, past windows too: a plan keeps its bytes
    /// when one ends.
    pub(crate) async fn freeze_windows(
        &self,
        fleet: &FleetId,
    ) -> Result<Vec<FreezeWindow>, AppError> {
        let roster = self.roster_of(fleet).await?;
        let environment = roster.as_ref().and_then(|roster| roster.environment_of(fleet));
        Ok(environment.map(|(_, environment)| environment.freeze.clone()).unwrap_or_default())
    }
}

/// Only a node that said that it accepts its former bundle is known to have a way back.
fn way_back(said: &Probe) -> WayBack {
    let reason = match said {
        Probe::Verified => return WayBack::Verified,
        Probe::Missing => "the file it would go back to is gone".to_owned(),
        Probe::Refused { message } => format!("it refuses what it would go back to: {message}"),
        Probe::NoAnswer { message } => {
            format!("it did not say whether it accepts what it would go back to: {message}")
        }
    };
    WayBack::Missing { reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_no_way_back() {
        assert_eq!(way_back(&Probe::Verified), WayBack::Verified);
        let message = "timed out".to_owned();
        for said in [
            Probe::Missing,
            Probe::Refused { message: message.clone() },
            Probe::NoAnswer { message },
        ] {
            assert!(matches!(way_back(&said), WayBack::Missing { .. }), "{said:?}");
        }
    }
}
