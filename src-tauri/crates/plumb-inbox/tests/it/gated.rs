//! A store whose every step waits for leave, so that a test decides who goes next, and who stops dead.

use std::sync::Arc;

use jiff::Timestamp;
use plumb_alert::{
    Alert, AlertRef, Appended, Incident, IncidentRef, SignatureState, TimelineEntry,
};
use plumb_inbox::{
    AlertQuery, AlertStore, Dashboard, Durability, Expiring, IncidentQuery, Pending, Rows, Tip,
};
use tokio::sync::{
    Mutex,
    mpsc::{UnboundedReceiver, UnboundedSender},
};

/// What somebody is about to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doing {
    Begin,
    Read,
    /// Keeps alerts, which is the turn of one until its commit.
    Keep,
    Put,
    Commit,
}

/// The gate of one user of a store.
#[derive(Debug)]
pub(crate) struct Gate {
    pub(crate) announce: UnboundedSender<Doing>,
    pub(crate) leave: Mutex<UnboundedReceiver<()>>,
}

impl Gate {
    async fn pass(&self, doing: Doing) {
        // Without a test on the other side nobody waits.
        if self.announce.send(doing).is_ok() {
            self.leave.lock().await.recv().await;
        }
    }
}

#[derive(Debug)]
pub(crate) struct Gated {
    pub(crate) store: Arc<dyn AlertStore>,
    pub(crate) gate: Arc<Gate>,
}

impl AlertStore for Gated {
    fn durability(&self) -> Durability {
        self.store.durability()
    }

    fn write(&self) -> Pending<'_, Box<dyn Rows>> {
        Box::pin(async {
            self.gate.pass(Doing::Begin).await;
            let rows = self.store.write().await?;
            let rows: Box<dyn Rows> = Box::new(GatedRows { rows, gate: self.gate.clone() });
            Ok(rows)
        })
    }

    fn read(&self) -> Pending<'_, Box<dyn Rows>> {
        self.store.read()
    }

    fn close(&self) -> Pending<'_, ()> {
        self.store.close()
    }
}

struct GatedRows {
    rows: Box<dyn Rows>,
    gate: Arc<Gate>,
}

macro_rules! gated {
    ($($doing:ident $name:ident<$life:lifetime>($($arg:ident: $kind:ty),*) -> $answer:ty;)*) => {$(
        fn $name<$life>(&$life mut self, $($arg: $kind),*) -> Pending<$life, $answer> {
            Box::pin(async move {
                self.gate.pass(Doing::$doing).await;
                self.rows.$name($($arg),*).await
            })
        }
    )*};
}

impl Rows for GatedRows {
    gated! {
        Read now<'a>() -> Timestamp;
        Read lock<'a>(names: &'a [String]) -> ();
        Read newest<'a>(fingerprints: &'a [String]) -> Vec<Alert>;
        Read alert<'a>(alert: &'a AlertRef) -> Option<Alert>;
        Read due<'a>(now: Timestamp, limit: u32) -> Vec<Alert>;
        Read unclaimed<'a>(since: Timestamp, limit: u32) -> Vec<Alert>;
        Read changed<'a>(after: u64, limit: u32) -> Vec<(u64, Alert)>;
        Read before_newest<'a>(alerts: u32) -> u64;
        Read tip<'a>() -> Tip;
        Read alerts<'a>(query: &'a AlertQuery) -> Vec<Alert>;
        Read incident<'a>(incident: &'a IncidentRef) -> Option<Incident>;
        Read open_incident<'a>(signature: &'a str) -> Option<Incident>;
        Read incidents<'a>(query: &'a IncidentQuery) -> Vec<Incident>;
        Put append<'a>(appended: &'a [Appended]) -> ();
        Read timeline<'a>(incident: &'a IncidentRef) -> Vec<TimelineEntry>;
        Read signature<'a>(signature: &'a str) -> Option<SignatureState>;
        Put put_signature<'a>(state: &'a SignatureState) -> ();
        Read dashboard<'a>(since: Timestamp, now: Timestamp) -> Dashboard;
        Read expiring<'a>(before: Timestamp) -> Expiring;
        Put expire<'a>(before: Timestamp, limit: u32) -> u64;
    }

    fn put_alerts<'a>(&'a mut self, alerts: &'a [Alert]) -> Pending<'a, ()> {
        Box::pin(async move {
            // Where nothing is kept, nobody takes a turn.
            if !alerts.is_empty() {
                self.gate.pass(Doing::Keep).await;
            }
            self.rows.put_alerts(alerts).await
        })
    }

    fn commit(self: Box<Self>) -> Pending<'static, ()> {
        Box::pin(async move {
            self.gate.pass(Doing::Commit).await;
            self.rows.commit().await
        })
    }
}
