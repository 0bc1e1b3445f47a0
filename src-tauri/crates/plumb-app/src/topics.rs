//! Topics: what a view is made of, announced when it changed.

use std::{collections::BTreeSet, sync::Mutex, time::Duration};

use plumb_fleet::{FleetId, NodeId, RunId};
use serde::Serialize;
use tokio::sync::broadcast;
use ts_rs::TS;

/// Something stored that changed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, TS)]
#[ts(export_to = "bindings.ts")]
#[serde(tag = "topic", rename_all = "snake_case")]
pub enum Topic {
    /// The list of fleets, or which one is open.
    Shell,
    /// Any node of a fleet.
    Fleet {
        fleet: String,
    },
    Node {
        fleet: String,
        node: String,
    },
    Run {
        id: String,
    },
    /// Alerts or incidents of any inbox.
    Alerts,
}

impl Topic {
    pub fn fleet(fleet: &FleetId) -> Self {
        Self::Fleet { fleet: fleet.to_string() }
    }

    pub fn node(fleet: &FleetId, node: &NodeId) -> Self {
        Self::Node { fleet: fleet.to_string(), node: node.to_string() }
    }

    pub fn run(run: RunId) -> Self {
        Self::Run { id: run.to_string() }
    }
}

/// Announcements kept for a slow listener; one that lags asks for everything again.
const ANNOUNCEMENTS_MAX: usize = 256;
/// At most four announcements a second: more is work for the window, not knowledge.
pub const ANNOUNCE_EVERY: Duration = Duration::from_millis(250);
/// More node topics than this at once become one fleet topic.
const NODE_TOPICS_MAX: usize = 100;

/// Collects topics and announces them in bundles.
#[derive(Debug)]
pub struct Announcer {
    pending: Mutex<BTreeSet<Topic>>,
    listeners: broadcast::Sender<Vec<Topic>>,
}

impl Default for Announcer {
    fn default() -> Self {
        Self { pending: Mutex::default(), listeners: broadcast::channel(ANNOUNCEMENTS_MAX).0 }
    }
}

impl Announcer {
    pub fn subscribe(&self) -> broadcast::Receiver<Vec<Topic>> {
        self.listeners.subscribe()
    }

    /// Remembers topics for the next announcement.
    pub fn add(&self, topics: impl IntoIterator<Item = Topic>) {
        self.pending.lock().expect("no panic while topics are held").extend(topics);
    }

    /// Announces what has gathered, if anything.
    pub fn flush(&self) {
        let topics =
            std::mem::take(&mut *self.pending.lock().expect("no panic while topics are held"));
        if !topics.is_empty() {
            // Nobody listening is fine: a command line has no window.
            let _ = self.listeners.send(condense(topics));
        }
    }
}

fn condense(topics: BTreeSet<Topic>) -> Vec<Topic> {
    let nodes = topics.iter().filter(|topic| matches!(topic, Topic::Node { .. })).count();
    if nodes <= NODE_TOPICS_MAX {
        return topics.into_iter().collect();
    }
    let condensed: BTreeSet<Topic> = topics
        .into_iter()
        .map(|topic| match topic {
            Topic::Node { fleet, .. } => Topic::Fleet { fleet },
            other => other,
        })
        .collect();
    condensed.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_nodes_become_one_fleet() {
        let announcer = Announcer::default();
        let mut heard = announcer.subscribe();
        announcer.add(
            (0..=NODE_TOPICS_MAX).map(|n| Topic::Node { fleet: "eu".into(), node: n.to_string() }),
        );
        announcer.add([Topic::Shell]);
        announcer.flush();
        announcer.flush();
        let expected = vec![Topic::Shell, Topic::Fleet { fleet: "eu".into() }];
        assert_eq!(heard.try_recv().expect("one announcement"), expected);
        assert!(heard.try_recv().is_err());
    }
}
