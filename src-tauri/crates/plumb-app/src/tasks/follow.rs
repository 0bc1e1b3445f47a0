//! Hears from the hub of a fleet what changes in its inbox, so that the window and the desktop know within a moment.

use std::{sync::Arc, time::Duration};

use tracing::debug;

use crate::{
    app::{App, FleetState},
    topics::Topic,
};

/// Between two questions to a hub that answers at once: more is work for the window, not knowledge.
const PAUSE: Duration = Duration::from_millis(100);
/// Before a hub is asked again that did not decide about a claim, such as one that had too many requests.
const UNDECIDED: Duration = Duration::from_secs(5);
/// Before a hub is asked again that did not answer, at first and at most.
const AWAY_FIRST: Duration = Duration::from_secs(1);
const AWAY_MAX: Duration = Duration::from_secs(30);

impl App {
    /// Follows the inbox of a fleet's hub until the fleet is closed. Ends at once where its file names none.
    pub(crate) async fn follow_hub(self, state: Arc<FleetState>) {
        let Ok(loaded) = &state.loaded else { return };
        let Some(inbox) = self.hub_inbox(loaded) else { return };
        tokio::select! {
            () = state.stop.cancelled() => return,
            () = self.painted() => {}
        }
        let mut away = AWAY_FIRST;
        loop {
            let heard = async {
                match self.hub_client(loaded).await? {
                    Some(hub) => inbox.hear(&hub, || self.now()).await,
                    None => Ok(false),
                }
            };
            let heard = tokio::select! {
                () = state.stop.cancelled() => return,
                heard = heard => heard,
            };
            let pause = match heard {
                Ok(changed) => {
                    if changed {
                        self.announce([Topic::Alerts]);
                    }
                    away = AWAY_FIRST;
                    if inbox.tentative().is_empty() {
                        PAUSE
                    } else {
                        // It answers, and does not decide: everything is read for each try.
                        UNDECIDED
                    }
                }
                Err(error) => {
                    debug!(%error, "the hub is not heard");
                    inbox.lost(&error);
                    self.announce([Topic::Alerts]);
                    let pause = away;
                    away = AWAY_MAX.min(away * 2);
                    pause
                }
            };
            tokio::select! {
                () = state.stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }
}
