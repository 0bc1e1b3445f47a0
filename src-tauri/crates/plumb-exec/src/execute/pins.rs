//! The console's own pins, among them the desired version: intent first, and what came of it by looking.

use plumb_journal::Event;
use plumb_runbook::{PinChange, Plan};
use tracing::warn;

use super::Execution;
use crate::ports::{Clock, EffectHandler, Journal, JournalError, Lock, PinMove};

impl<H: EffectHandler, J: Journal, C: Clock, L: Lock> Execution<'_, H, J, C, L> {
    /// Changes the console's own pins as the plan says, or back. Where that does not work, no node may be
    /// touched.
    pub(super) async fn change_pins(&mut self, back: bool) -> Result<(), JournalError> {
        let Some(pins) = pin_move(self.plan, back) else { return Ok(()) };
        // Another program may have left this intent: then it stands, and pins that are changed stay so.
        let intended = self.state.pins_pending && !back;
        if !intended {
            self.record(self.intent(back, &pins.to));
        }
        self.flush().await?;
        // The disk may have been slow.
        self.tend_lease();
        if !self.known.lease.holds(self.now()) {
            let reason = "the lease of the deployment lock ended first".to_owned();
            self.record(Event::PinsUnchanged { reason });
            return self.flush().await;
        }
        match self.setting.handler.change_pins(&pins).await {
            Ok(()) => self.record(changed(self.plan, back, pins.to)),
            Err(message) => self.look_at_pins(back, pins.to, message).await,
        }
        self.flush().await
    }

    /// Of an intent that another program left, tells what came of it.
    pub(super) async fn settle_pins(&mut self) -> Result<(), JournalError> {
        let back = self.state.rollback.is_some();
        if let Some(pins) = pin_move(self.plan, back) {
            let message = "the program ended before they were changed".to_owned();
            self.look_at_pins(back, pins.to, message).await;
        }
        self.flush().await
    }

    async fn look_at_pins(&mut self, back: bool, pins: PinChange, message: String) {
        let what = match self.plan.desired {
            Some(_) if !back => "the desired version was not set",
            _ => "the pins were not changed",
        };
        match self.setting.handler.pins_stand(&pins).await {
            Ok(true) => self.record(changed(self.plan, back, pins)),
            Ok(false) => {
                warn!(error = %message, "{what}");
                self.known.unset = Some(format!("{what}: {message}"));
                self.record(Event::PinsUnchanged { reason: message });
            }
            Err(unknown) => {
                warn!(error = %unknown, "not known whether pins were changed");
                self.known.unset = Some(format!("{what}: {message}; {unknown}"));
            }
        }
    }

    fn intent(&self, back: bool, pins: &PinChange) -> Event {
        match &self.plan.desired {
            Some(change) if !back => {
                let (version, content) = (change.version.clone(), change.content);
                Event::DesiredStarted { version, content }
            }
            _ => Event::PinsStarted { pins: pins.clone() },
        }
    }
}

/// What the journal says once pins of the console stand as a plan wants them, or as they stood before.
pub fn changed(plan: &Plan, back: bool, pins: PinChange) -> Event {
    match &plan.desired {
        Some(change) if !back => {
            let (version, content) = (change.version.clone(), change.content);
            Event::DesiredSet { version, content }
        }
        _ => Event::PinsChanged { pins },
    }
}

/// What a plan does to the console's own pins.
fn pin_move(plan: &Plan, back: bool) -> Option<PinMove> {
    let (before, after) = (plan.pins_before.clone(), plan.pins_after());
    if back {
        return Some(PinMove { from: after, to: before?, sole: false });
    }
    let sole = plan.desired.as_ref().is_some_and(|change| change.nodes.is_none());
    Some(PinMove { from: before, to: after?, sole })
}
