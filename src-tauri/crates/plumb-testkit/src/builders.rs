//! Fleets as a test wants them: nodes, what they run, what is signed and what is desired.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::Timestamp;
use plumb_fleet::{
    Assessment, BundleDigest, Catalogue, CatalogueEntry, ContentDigest, Desired, DesiredVersion,
    Digest, FailureKind, Fleet, FleetId, InFlight, NamedContent, Node, NodeApi, NodeFailure,
    NodeId, NodeObservation, NodeReport, Observed, Ordering, ReloadEntry, Route, SignatureReport,
    Snapshot, Thresholds, Version, assess, snapshot::REMEMBERS_PLANS,
};
use plumb_runbook::{Effect, PinTo, Plan, PlanInput};

use crate::{
    clock::{after, start},
    ids::SeededIds,
};

/// A name of a node that is known to be one.
pub fn node_id(name: &str) -> NodeId {
    NodeId::new(name).expect("names in tests are names")
}

/// A version label that is known to be one.
pub fn version(label: &str) -> Version {
    Version::new(label).expect("labels in tests are labels")
}

/// The content that a word stands for: the same word is the same content.
pub fn content(word: &str) -> ContentDigest {
    ContentDigest(Digest::of(word.as_bytes()))
}

/// A validly signed bundle of a version with the content that a word stands for.
pub fn signed(label: &str, word: &str) -> CatalogueEntry {
    CatalogueEntry {
        bundle_id: "payments".to_owned(),
        version: version(label),
        digest: BundleDigest(Digest::of(format!("{label} {word}").as_bytes())),
        content: content(word),
        file: format!("payments-{label}-{word}.signed.json"),
        local_path: Some(format!("/home/ops/bundles/payments-{label}-{word}.signed.json")),
        issued_at: None,
        expires_at: None,
        key: "signer-2026a".to_owned(),
        policies: 5,
        bytes: 10_240,
    }
}

/// What is desired, for a version and perhaps a content.
pub fn desired(label: &str, content: Option<ContentDigest>) -> DesiredVersion {
    DesiredVersion { version: version(label), content, pinned_by: None, since: None }
}

/// A failure with a sentence.
pub fn failure(kind: FailureKind, message: &str) -> NodeFailure {
    NodeFailure { kind, message: message.to_owned() }
}

/// A node as the fleet file describes it.
pub fn node(name: &str, api: NodeApi) -> Node {
    Node {
        id: node_id(name),
        api,
        url: format!("https://{name}.example:8083").parse().expect("a URL"),
        labels: BTreeMap::new().into(),
        credential: None,
        tls: None,
        allow_plain_token: false,
        route: Route::Direct,
        bundle_folder: Some("/srv/policies".to_owned()),
        bundle: None,
    }
}

/// A report of a node that says nothing of what it runs.
pub fn silent_report(name: &str, api: NodeApi) -> NodeReport {
    NodeReport {
        node: node_id(name),
        api,
        at: start(),
        latency_ms: 12,
        bundle_id: None,
        version: None,
        bundle_digest: None,
        content: None,
        ordering: Ordering::ByPosition,
        policies: None,
        loaded_at: None,
        confirmed_at: None,
        signature: None,
        verification: None,
        standing: None,
        last_known_good: None,
        pinned: None,
        ready: None,
        stats: None,
        history: Vec::new(),
        uptime_s: None,
        clock_skew_ms: None,
        unauthenticated_reload: false,
        config: guards(api),
        gaps: Vec::new(),
    }
}

/// What an agent of ours says that it holds changes to.
fn guards(api: NodeApi) -> BTreeMap<String, String> {
    let remembers = (REMEMBERS_PLANS.to_owned(), "durably".to_owned());
    (api == NodeApi::Agent).then_some(remembers).into_iter().collect()
}

/// A report of a node that runs a version with the content a word stands for.
pub fn report(name: &str, api: NodeApi, label: &str, word: &str) -> NodeReport {
    NodeReport {
        version: Some(observed(version(label))),
        content: Some(observed(content(word))),
        loaded_at: Some(observed(after(-3_600))),
        confirmed_at: (api == NodeApi::Agent).then(|| observed(after(-30))),
        signature: Some(Box::new(observed(SignatureReport::Valid {
            scheme: "RSA-PSS-SHA256".to_owned(),
            key: "signer-2026a".to_owned(),
        }))),
        ..silent_report(name, api)
    }
}

/// A value that was read at the start.
pub fn observed<T>(value: T) -> Observed<T> {
    Observed::new(value, "/status", start())
}

/// A version and the content a word stands for.
pub fn named(label: &str, word: &str) -> NamedContent {
    NamedContent { version: version(label), content: content(word) }
}

/// A reload that succeeded some seconds before the start.
pub fn reloaded(label: &str, seconds_ago: i64) -> ReloadEntry {
    ReloadEntry {
        at: after(-seconds_ago),
        version: Some(version(label)),
        success: true,
        duration_us: 1_300,
        policies: 5,
        error: None,
        trigger: None,
    }
}

/// A fleet, its newest snapshot and what is desired, ready to plan on.
#[derive(Debug, Clone)]
pub struct World {
    pub fleet: Fleet,
    pub snapshot: Snapshot,
    pub desired: Desired,
    pub assessment: Assessment,
    pub now: Timestamp,
}

impl World {
    /// A fleet without nodes; the seed is the name of the test.
    pub fn new(seed: &str) -> Self {
        let name = FleetId::new("payments-eu").expect("a name");
        let desired = Desired {
            fleet: None,
            nodes: BTreeMap::new(),
            bundles: BTreeMap::new(),
            catalogue: Catalogue::default(),
            refused: BTreeSet::new(),
            thresholds: Thresholds::default(),
            in_flight: BTreeMap::new(),
        };
        let snapshot = Snapshot {
            id: SeededIds::new(seed).snapshot(),
            fleet: name.clone(),
            taken_at: start(),
            nodes: BTreeMap::new(),
        };
        Self {
            assessment: assess(&snapshot, &desired, start()),
            fleet: Fleet {
                prometheus: None,
                grafana: None,
                decisions: plumb_fleet::fleet::DecisionsEntry::default(),
                evidence: plumb_fleet::fleet::EvidenceEntry::default(),
                runbooks: plumb_fleet::fleet::RunbooksEntry::default(),
                hub: None,
                name,
                environment: "staging".to_owned(),
                read_only: false,
                sweep_interval_s: 30,
                deadline_s: 5,
                thresholds: Thresholds::default(),
                desired: None,
                desired_by_node: BTreeMap::new(),
                trusted_keys: Vec::new(),
                bundles: Vec::new(),
                nodes: BTreeMap::new(),
            },
            snapshot,
            desired,
            now: start(),
        }
    }

    /// Adds a signed bundle to the catalogue.
    #[must_use]
    pub fn signed(mut self, label: &str, word: &str) -> Self {
        self.desired.catalogue.entries.push(signed(label, word));
        self.assessed()
    }

    /// Sets the desired version of the fleet.
    #[must_use]
    pub fn desired(mut self, label: &str) -> Self {
        self.fleet.desired = Some(desired(label, None));
        self.desired.fleet.clone_from(&self.fleet.desired);
        self.assessed()
    }

    /// Adds a node that answers with a report.
    #[must_use]
    pub fn reporting(mut self, report: NodeReport) -> Self {
        let node = node(report.node.as_str(), report.api);
        let seen = NodeObservation {
            attempted_at: Some(report.at),
            failure: None,
            report: Some(Arc::new(report)),
        };
        self.snapshot.nodes.insert(node.id.clone(), seen);
        self.fleet.nodes.insert(node.id.clone(), Arc::new(node));
        self.assessed()
    }

    /// Adds a node that runs a version with the content a word stands for.
    #[must_use]
    pub fn runs(self, name: &str, api: NodeApi, label: &str, word: &str) -> Self {
        self.reporting(report(name, api, label, word))
    }

    /// Adds a node that does not answer and never did.
    #[must_use]
    pub fn dead(mut self, name: &str, api: NodeApi) -> Self {
        let node = node(name, api);
        let seen = NodeObservation {
            attempted_at: Some(start()),
            failure: Some(failure(FailureKind::TimedOut, "no answer within 5 s")),
            report: None,
        };
        self.snapshot.nodes.insert(node.id.clone(), seen);
        self.fleet.nodes.insert(node.id.clone(), Arc::new(node));
        self.assessed()
    }

    /// Changes anything, and judges the snapshot again.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self.assessed()
    }

    fn assessed(mut self) -> Self {
        self.assessment = assess(&self.snapshot, &self.desired, self.now);
        self
    }

    /// What a plan is made from.
    pub fn input(&self) -> PlanInput<'_> {
        PlanInput {
            fleet: &self.fleet,
            snapshot: &self.snapshot,
            assessment: &self.assessment,
            desired: &self.desired,
        }
    }

    /// The world after a plan of which every effect did what it promises.
    #[must_use]
    pub fn carried_out(mut self, plan: &Plan) -> Self {
        if let Some(change) = &plan.desired {
            let wanted = DesiredVersion {
                version: change.version.clone(),
                content: change.content,
                pinned_by: Some("ops@example".to_owned()),
                since: Some(self.now),
            };
            match &change.nodes {
                None => {
                    self.desired.nodes.clone_from(&self.fleet.desired_by_node);
                    self.desired.fleet = Some(wanted);
                }
                Some(nodes) => {
                    let pins = nodes.iter().map(|node| (node.clone(), wanted.clone()));
                    self.desired.nodes.extend(pins);
                }
            }
        }
        self.carry_out_pins(plan);
        for target in plan.targets() {
            let seen = self.snapshot.nodes.get_mut(&target.node).expect("a target was seen");
            let report = seen.report_mut().expect("a target answered");
            let runs = || {
                let (version, content) = (target.after.version.clone()?, target.after.content?);
                Some(Box::new(observed(NamedContent { version, content })))
            };
            for effect in &target.effects {
                match effect {
                    Effect::Pin { version, content } => {
                        let pin = NamedContent { version: version.clone(), content: *content };
                        report.pinned = Some(Box::new(observed(pin)));
                    }
                    Effect::Unpin { .. } => report.pinned = None,
                    // An agent pins what it rolls back to.
                    Effect::Rollback { .. } => report.pinned = runs(),
                    Effect::SetConfig { key, value, .. } => {
                        report.config.insert(key.clone(), value.clone());
                    }
                    Effect::Verify { .. }
                    | Effect::Reload { .. }
                    | Effect::Serve { .. }
                    | Effect::Sync { .. }
                    | Effect::Restart => {}
                }
            }
            if let (Some(version), Some(content)) = (&target.after.version, target.after.content) {
                report.version = Some(observed(version.clone()));
                report.content = Some(observed(content));
            }
            report.confirmed_at = report.confirmed_at.take().map(|_| observed(self.now));
            report.loaded_at = Some(observed(self.now));
            report.signature = None;
            report.history.insert(
                0,
                ReloadEntry { version: target.after.version.clone(), ..reloaded("0", 0) },
            );
        }
        self.assessed()
    }

    fn carry_out_pins(&mut self, plan: &Plan) {
        let Some(pins) = &plan.pins else { return };
        let wanted = |pin: &PinTo, file: Option<&DesiredVersion>| match pin {
            PinTo::Lifted => file.cloned(),
            PinTo::Version { version, content } => Some(DesiredVersion {
                version: version.clone(),
                content: *content,
                pinned_by: Some("ops@example".to_owned()),
                since: Some(self.now),
            }),
        };
        if let Some(pin) = &pins.fleet {
            self.desired.fleet = wanted(pin, self.fleet.desired.as_ref());
        }
        for (node, pin) in &pins.nodes {
            match wanted(pin, self.fleet.desired_by_node.get(node)) {
                Some(pin) => self.desired.nodes.insert(node.clone(), pin),
                None => self.desired.nodes.remove(node),
            };
        }
    }

    /// Marks an accepted change of a node as in flight.
    #[must_use]
    pub fn in_flight(self, name: &str, since_s: i64, deadline_s: i64) -> Self {
        let change = InFlight { since: after(since_s), deadline: after(deadline_s) };
        self.with(|world| {
            world.desired.in_flight.insert(node_id(name), change);
        })
    }
}
