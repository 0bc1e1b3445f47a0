//! The frame: fleets, mode, newest sweep, notices.

use std::sync::atomic::Ordering;

use crate::{
    app::{App, FleetState},
    error::AppError,
    views::{
        convert::ms,
        shell::{FleetSummary, Mode, ShellView, SweepView},
    },
};

impl App {
    /// What the frame shows. The open fleet is the one chosen last, or the first on the list.
    pub async fn shell(&self) -> Result<ShellView, AppError> {
        let states = self.fleet_states();
        let chosen = self.0.open_fleet.read().expect("no panic while the choice is held").clone();
        let open = states
            .iter()
            .find(|state| Some(&state.name) == chosen.as_ref())
            .or_else(|| states.iter().find(|state| state.loaded.is_ok()))
            .or(states.first());
        let sweep = match open {
            Some(state) if state.loaded.is_ok() => self.sweep_view(state).await?,
            _ => None,
        };
        let live = open.is_some_and(|state| state.swept.load(Ordering::Relaxed));
        Ok(ShellView {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            fleet: open.map(|state| state.name.to_string()),
            mode: match (self.in_evidence(), live) {
                (Some(_), _) => Mode::Evidence,
                (None, true) => Mode::Live,
                (None, false) => Mode::Cache,
            },
            evidence: self.in_evidence().map(|evidence| evidence.view()),
            sweep,
            notices: self.0.notices.lock().expect("no panic while notices are held").clone(),
            demo_available: self.in_evidence().is_none() && crate::demo::program().is_some(),
            now_ms: ms(self.now()),
            fleets: states.iter().map(|state| summary(state)).collect(),
        })
    }

    async fn sweep_view(&self, state: &FleetState) -> Result<Option<SweepView>, AppError> {
        let running = state.sweeping.load(Ordering::Relaxed);
        let current = self.current(state.name.as_str()).await?;
        Ok(current.sweep.map(|sweep| SweepView {
            started_at_ms: ms(sweep.started_at),
            finished_at_ms: ms(sweep.finished_at),
            answered: sweep.answered,
            total: sweep.total,
            running,
        }))
    }
}

pub(crate) fn summary(state: &FleetState) -> FleetSummary {
    let fleet = state.loaded.as_ref().ok().map(|loaded| &loaded.fleet);
    FleetSummary {
        name: state.name.to_string(),
        environment: fleet.map(|fleet| fleet.environment.clone()).unwrap_or_default(),
        production: fleet.is_some_and(|fleet| plumb_runbook::is_production(&fleet.environment)),
        read_only: fleet.is_some_and(|fleet| fleet.read_only),
        nodes: fleet.map_or(0, |fleet| u32::try_from(fleet.nodes.len()).unwrap_or(u32::MAX)),
        file: state.file.to_string(),
        error: state.loaded.as_ref().err().cloned(),
    }
}
