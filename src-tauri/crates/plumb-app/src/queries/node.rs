//! The node drawer.

use jiff::Timestamp;
use plumb_clients::{Operation, operations::curl};
use plumb_fleet::{
    Capability, Caution, ContentDigest, DriftState, NamedContent, Node, NodeId, NodeReport,
    Observed, ReloadStats, Verdict, drift::NO_ANSWER_YET,
};
use plumb_runbook::Action;
use plumb_store::reloads::KeptReload;

use crate::{
    app::App,
    current::Current,
    error::AppError,
    queries::{
        reloads::{OurReloads, judge},
        verification::{readiness, verification_view},
    },
    runbooks::{asking_step, steps_of},
    views::{
        convert::{duration_words, ms, node_row, reload, signature},
        fleet::ReloadView,
        node::{ConfigLine, Figure, GapView, NodeAction, NodeView, PolicyLine},
        verification::ReadinessView,
    },
};

/// Reloads shown in the strip.
const RELOADS_SHOWN: usize = 200;

impl App {
    /// Everything the store knows of one node.
    pub async fn node(&self, fleet: &str, id: &str) -> Result<NodeView, AppError> {
        let (_, loaded) = self.loaded(fleet)?;
        let node = loaded.node(id)?;
        let current = self.current(fleet).await?;
        let reloads = self.reloads(&current, &node.id).await?;
        let report = current.report(&node.id);
        let ours = self.our_reloads(fleet).await?;
        let ready = self.readiness(&current, node).await?;
        let content =
            report.and_then(|report| report.content.as_ref()).map(|content| content.value);
        let policies = match content {
            Some(content) => self.content(content).await?.map(|content| content.policies),
            None => None,
        };
        let difference = self.difference(&current, &node.id, content).await?;
        let now = self.now();
        let assessment = current.assess(now);
        let unknown = Verdict { state: DriftState::Unknown, why: NO_ANSWER_YET.to_owned() };
        let verdict = assessment.nodes.get(&node.id).unwrap_or(&unknown);
        let (previous, next) = neighbours(&current, &node.id);
        let read_only = loaded.fleet.read_only;
        Ok(NodeView {
            row: node_row(
                &current.fleet,
                &node.id,
                current.snapshot.nodes.get(&node.id),
                verdict,
                now,
            ),
            url: node.url.to_string(),
            bundle_id: report.and_then(|r| r.bundle_id.as_ref()).map(|id| id.value.clone()),
            bundle_digest: report
                .and_then(|r| r.bundle_digest.as_ref())
                .map(|digest| digest.value.to_string()),
            desired: current.desired.of(&node.id).map(Into::into),
            signature: report.and_then(signature),
            verification: report.and_then(verification_view),
            readiness: ready,
            difference,
            actions: if read_only { Vec::new() } else { actions(&current, node) },
            policies: policies
                .unwrap_or_default()
                .into_iter()
                .map(|policy| PolicyLine { id: policy.id, digest: policy.digest.to_string() })
                .collect(),
            reloads: reload_views(&reloads, &node.id, &current, &ours),
            figures: report.map(|report| figures(report, &current, now)).unwrap_or_default(),
            config: report
                .into_iter()
                .flat_map(|report| &report.config)
                .map(|(key, value)| ConfigLine { key: key.clone(), value: value.clone() })
                .collect(),
            gaps: report
                .into_iter()
                .flat_map(|report| &report.gaps)
                .map(|gap| GapView {
                    source: gap.source.clone(),
                    message: gap.failure.message.clone(),
                })
                .collect(),
            previous,
            next,
        })
    }

    /// A node's way back, also of one that keeps none itself.
    async fn readiness(
        &self,
        current: &Current,
        node: &Node,
    ) -> Result<Option<ReadinessView>, AppError> {
        let selected = [node.id.clone()].into();
        let earlier = self.with_earlier(current, Some(&selected)).await?;
        Ok(earlier.report(&node.id).map(|report| readiness(current, node, report)))
    }

    pub(crate) async fn reloads(
        &self,
        current: &Current,
        node: &NodeId,
    ) -> Result<Vec<KeptReload>, AppError> {
        let mut conn = self.cache().read().await?;
        Ok(plumb_store::reloads::of_node(&mut conn, &current.fleet.name, node, RELOADS_SHOWN)
            .await?)
    }

    pub(crate) async fn node_content_at(
        &self,
        fleet: &plumb_fleet::FleetId,
        node: &NodeId,
        at: Timestamp,
    ) -> Result<(Option<plumb_fleet::Version>, Option<ContentDigest>), AppError> {
        let mut conn = self.cache().read().await?;
        Ok(plumb_store::snapshots::content_at(&mut conn, fleet, node, at)
            .await?
            .unwrap_or_default())
    }

    /// How a node's content differs from what it should run, in a few words.
    async fn difference(
        &self,
        current: &Current,
        node: &NodeId,
        content: Option<ContentDigest>,
    ) -> Result<Option<String>, AppError> {
        let wanted = plumb_fleet::expected(&current.snapshot, &current.desired, node);
        let (Some(wanted), Some(content)) = (wanted, content) else { return Ok(None) };
        if wanted == content {
            return Ok(None);
        }
        let (Some(before), Some(after)) =
            (self.content(wanted).await?, self.content(content).await?)
        else {
            return Ok(None);
        };
        let counts =
            plumb_bundle::diff::diff(&before.policies, &after.policies, after.ordering).counts;
        let parts: Vec<String> = [
            (counts.added, "added"),
            (counts.removed, "removed"),
            (counts.changed, "changed"),
            (counts.moved, "moved"),
        ]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
        Ok((!parts.is_empty()).then(|| parts.join(", ")))
    }
}

/// Oldest first.
fn reload_views(
    reloads: &[KeptReload],
    node: &NodeId,
    current: &Current,
    ours: &OurReloads,
) -> Vec<ReloadView> {
    let judged = |kept: &KeptReload| {
        let mut view = reload(&kept.entry, kept.gap_before);
        judge(&mut view, &kept.entry, node, current, ours);
        view
    };
    reloads.iter().rev().map(judged).collect()
}

fn neighbours(current: &Current, id: &NodeId) -> (Option<String>, Option<String>) {
    let nodes = &current.fleet.nodes;
    let before = nodes.range(..id).next_back().map(|(id, _)| id.to_string());
    let after = nodes.range((std::ops::Bound::Excluded(id), std::ops::Bound::Unbounded)).next();
    (before, after.map(|(id, _)| id.to_string()))
}

/// What an entry of the node's actions stands for.
enum Asks {
    Does(Option<Action>),
    Reads(&'static [&'static str]),
}

fn actions(current: &Current, node: &Node) -> Vec<NodeAction> {
    let abilities = current.fleet.capabilities(node.api);
    let fleet = &current.fleet.name;
    let wanted = current.desired.of(&node.id).map(|want| want.version.clone());
    let pin = wanted.map(|version| Action::Pin { version, content: None, sync: false });
    let cli = |asks: &Asks| match asks {
        Asks::Does(action) => action.as_ref().map_or_else(String::new, |action| {
            action.command_lines(fleet.as_str(), Some(std::slice::from_ref(&node.id))).join(" && ")
        }),
        Asks::Reads(words) => {
            format!("plumb --fleet {fleet} {} --node {}", words.join(" "), node.id)
        }
    };
    let step = |asks: &Asks| match asks {
        Asks::Does(action) => steps_of(action.as_ref()?, node.id.as_str(), None),
        Asks::Reads(words) => {
            let mut argv = words.to_vec();
            argv.extend(["--node", node.id.as_str(), "--json"]);
            let name = words.get(1).copied().unwrap_or_default();
            Some(asking_step(name, &format!("plumb {}", words.join(" ")), &argv))
        }
    };
    let does = |action| Asks::Does(Some(action));
    [
        (
            Capability::Sync,
            does(Action::Sync { force: false }),
            Some(Operation::Sync { force: false }),
        ),
        (Capability::Pin, Asks::Does(pin), None),
        (
            Capability::Rollback,
            does(Action::Rollback { to: None }),
            Some(Operation::Rollback { to: None }),
        ),
        (Capability::Restart, does(Action::Restart), Some(Operation::Restart)),
        (Capability::Logs, Asks::Reads(&["policy", "logs"]), None),
        (Capability::Config, Asks::Reads(&["policy", "opa", "config", "show"]), None),
        (Capability::Evaluate, Asks::Reads(&["policy", "evaluate", "--test"]), None),
    ]
    .into_iter()
    .map(|(capability, asks, operation)| NodeAction {
        kind: capability_name(capability).to_owned(),
        disabled: abilities.cannot.get(&capability).cloned(),
        cli: cli(&asks),
        curl: operation.map(|operation| curl(node, &operation)).unwrap_or_default(),
        step: step(&asks),
    })
    .collect()
}

const fn capability_name(capability: Capability) -> &'static str {
    match capability {
        Capability::Sync => "sync",
        Capability::Pin => "pin",
        Capability::Rollback => "rollback",
        Capability::Restart => "restart",
        Capability::Config => "config",
        Capability::Logs => "logs",
        Capability::Evaluate => "evaluate",
        Capability::Verify => "verify",
    }
}

/// Figures with the document they were read from and when.
fn figures(report: &NodeReport, current: &Current, now: Timestamp) -> Vec<Figure> {
    let cautions = plumb_fleet::cautions(report, current.fleet.thresholds, now);
    let when = |found: fn(&Caution) -> bool, text: &str| {
        cautions.iter().any(found).then(|| text.to_owned())
    };
    let age = |at: &Timestamp| duration_words(now.as_second() - at.as_second());
    let named = |named: &NamedContent| format!("{} {}", named.version, named.content.short());
    let late = when(
        |c| matches!(c, Caution::DigestAge { .. }),
        "its source has not confirmed the digest for too long",
    );
    let old = when(|c| matches!(c, Caution::LoadAge { .. }), "loaded longer ago than the limit");
    let saturated = when(
        |c| matches!(c, Caution::SaturatedCounters),
        "these counters stop at ten; the console counts from history",
    );
    let seconds = |s: &u64| duration_words(i64::try_from(*s).unwrap_or(i64::MAX));
    let reloads = |stats: &ReloadStats| format!("{} of {} succeeded", stats.succeeded, stats.total);
    let average = |stats: &ReloadStats| format!("{:.1} ms", stats.average_us as f64 / 1_000.0);
    [
        figure(
            "Ready",
            report.ready.as_ref(),
            |ready| if *ready { "yes" } else { "no" }.to_owned(),
            None,
        ),
        figure("Digest age", report.confirmed_at.as_ref(), age, late),
        figure("Load age", report.loaded_at.as_ref(), age, old),
        figure("Up for", report.uptime_s.as_ref(), seconds, None),
        figure("Reloads", report.stats.as_deref(), reloads, saturated),
        figure("Average reload", report.stats.as_deref(), average, None),
        figure("Last known good", report.last_known_good.as_deref(), named, None),
        figure("Pinned", report.pinned.as_deref(), named, None),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn figure<T>(
    name: &str,
    seen: Option<&Observed<T>>,
    words: impl Fn(&T) -> String,
    caution: Option<String>,
) -> Option<Figure> {
    seen.map(|seen| Figure {
        name: name.to_owned(),
        value: words(&seen.value),
        source: seen.source.to_string(),
        at_ms: ms(seen.at),
        caution,
    })
}
