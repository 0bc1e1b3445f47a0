//! What nodes run, group by group, as the command line asks for it.

use std::collections::{BTreeMap, BTreeSet};

use plumb_fleet::{CredentialRef, DriftState, NodeId};

use crate::{
    app::App,
    current::Current,
    error::AppError,
    queries::fleet::overview,
    views::{
        convert::{ms, node_row},
        drift::{Baseline, GroupView},
        fleet::{FleetPage, FleetSort, LabelView, StateCount},
        shell::SweepView,
        versions::{KnownBundleView, MemberView, MembersView, VersionDiffView, VersionsView},
    },
};

impl App {
    /// What the named nodes run, or all of them.
    pub async fn versions(
        &self,
        fleet: &str,
        nodes: Option<&[String]>,
    ) -> Result<VersionsView, AppError> {
        let ids = self.chosen(fleet, nodes)?;
        let current = self.current(fleet).await?;
        let now = self.now();
        let assessment = current.assess(now);
        let mut rows: Vec<_> = ids
            .iter()
            .filter_map(|id| {
                let verdict = assessment.nodes.get(id)?;
                Some(node_row(&current.fleet, id, current.snapshot.nodes.get(id), verdict, now))
            })
            .collect();
        rows.sort_by_key(|row| row.state);
        let page = FleetPage {
            filter: String::new(),
            sort: FleetSort::Name,
            descending: false,
            offset: 0,
            limit: 0,
        };
        let whole = overview(&current, &page, now);
        Ok(VersionsView {
            fleet: whole.fleet,
            environment: whole.environment,
            now_ms: ms(now),
            sweep: sweep_view(&current),
            desired: whole.desired,
            versions: whole.versions,
            counts: DriftState::ALL
                .into_iter()
                .map(|state| StateCount {
                    state: state.into(),
                    count: u32::try_from(
                        rows.iter().filter(|row| row.state == state.into()).count(),
                    )
                    .unwrap_or(u32::MAX),
                })
                .collect(),
            nodes: rows,
        })
    }

    /// Groups of nodes and what sets each apart from the baseline.
    pub async fn version_diff(
        &self,
        fleet: &str,
        baseline: &Baseline,
    ) -> Result<VersionDiffView, AppError> {
        let current = self.current(fleet).await?;
        let view = self.drift(fleet, baseline, None).await?;
        let bundles = Bundles::of(&current);
        let bundle_of =
            |group: &GroupView| group.nodes.first().and_then(|node| bundles.of_node(node));
        let compared = view
            .groups
            .iter()
            .find(|group| group.is_baseline)
            .map_or_else(|| bundles.most.clone(), |group| bundle_of(group).map(str::to_owned));
        let mut diffs = Vec::new();
        for group in view.groups.iter().filter(|group| group.content.is_some()) {
            if !group.is_baseline && bundle_of(group) == compared.as_deref() {
                diffs.extend(self.drift(fleet, baseline, Some(&group.key)).await?.diff);
            }
        }
        let versions: BTreeSet<_> = view.groups.iter().filter_map(|g| g.version.as_ref()).collect();
        let contents: BTreeSet<_> = view.groups.iter().filter_map(|g| g.content.as_ref()).collect();
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Ok(VersionDiffView {
            fleet: fleet.to_owned(),
            now_ms: ms(self.now()),
            sweep: sweep_view(&current),
            versions: count(versions.len()),
            contents: count(contents.len()),
            consistent: bundles.consistent(&view.groups),
            baseline: view.baseline,
            groups: view.groups,
            diffs,
        })
    }

    /// The nodes, keys and signed bundles of a fleet, from its file and the catalogue.
    pub async fn members(&self, fleet: &str) -> Result<MembersView, AppError> {
        let (state, loaded) = self.loaded(fleet)?;
        let current = self.current(fleet).await?;
        let file = &loaded.fleet;
        Ok(MembersView {
            fleet: file.name.to_string(),
            environment: file.environment.clone(),
            read_only: file.read_only,
            file: state.file.to_string(),
            sweep_interval_s: file.sweep_interval_s,
            deadline_s: file.deadline_s,
            desired: current.desired.fleet.as_ref().map(Into::into),
            trusted_keys: file.trusted_keys.iter().map(|key| key.id.clone()).collect(),
            bundles: current
                .desired
                .catalogue
                .entries
                .iter()
                .map(|entry| KnownBundleView {
                    version: entry.version.to_string(),
                    content: entry.content.to_string(),
                    digest: entry.digest.to_string(),
                    file: entry.file.clone(),
                    key: entry.key.clone(),
                    policies: entry.policies,
                })
                .collect(),
            nodes: file
                .nodes
                .values()
                .map(|node| MemberView {
                    id: node.id.to_string(),
                    api: node.api.name().to_owned(),
                    url: node.url.to_string(),
                    labels: node
                        .labels
                        .iter()
                        .map(|(name, value)| LabelView { name: name.clone(), value: value.clone() })
                        .collect(),
                    credential: node.credential.as_ref().map(reference),
                })
                .collect(),
        })
    }
}

/// Which bundle each node runs: nodes of different bundles are never compared.
#[derive(Debug)]
pub(crate) struct Bundles {
    by_node: BTreeMap<String, String>,
    /// The bundle most nodes run.
    most: Option<String>,
}

impl Bundles {
    /// By what the fleet file says, else by what the node reports, else the bundle of most nodes.
    pub(crate) fn of(current: &Current) -> Self {
        let mut by_node: BTreeMap<String, String> = BTreeMap::new();
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for (id, node) in &current.fleet.nodes {
            let reported = current.report(id).and_then(|report| report.bundle_id.as_ref());
            let name = node.bundle.as_ref().or(reported.map(|seen| &seen.value));
            if let Some(name) = name {
                by_node.insert(id.to_string(), name.clone());
                *counts.entry(name).or_default() += 1;
            }
        }
        let most = counts.into_iter().max_by_key(|(_, count)| *count);
        Self { by_node, most: most.map(|(name, _)| name.to_owned()) }
    }

    pub(crate) fn of_node(&self, node: &str) -> Option<&str> {
        self.by_node.get(node).or(self.most.as_ref()).map(String::as_str)
    }

    /// Nodes of one bundle run one version and one content.
    fn consistent(&self, groups: &[GroupView]) -> bool {
        let mut running: BTreeMap<Option<&str>, BTreeSet<(&str, &str)>> = BTreeMap::new();
        for group in groups {
            let (Some(version), Some(content)) = (&group.version, &group.content) else { continue };
            for node in &group.nodes {
                running.entry(self.of_node(node)).or_default().insert((version, content));
            }
        }
        running.values().all(|each| each.len() <= 1)
    }
}

/// Where a token is found. Of a command only its program: arguments may hold what is secret.
fn reference(credential: &CredentialRef) -> String {
    match credential {
        CredentialRef::Keyring(name) => format!("keyring {name}"),
        CredentialRef::Env(name) => format!("env {name}"),
        CredentialRef::Command(words) => {
            format!("command {}", words.first().map_or("", String::as_str))
        }
    }
}

/// The newest sweep as views carry it.
pub(crate) fn sweep_view(current: &Current) -> Option<SweepView> {
    current.sweep.map(|sweep| SweepView {
        started_at_ms: ms(sweep.started_at),
        finished_at_ms: ms(sweep.finished_at),
        answered: sweep.answered,
        total: sweep.total,
        running: false,
    })
}

/// The state of a node at one moment; unknown when nobody ever looked.
pub(crate) fn state_of(assessment: &plumb_fleet::Assessment, id: &NodeId) -> DriftState {
    assessment.nodes.get(id).map_or(DriftState::Unknown, |verdict| verdict.state)
}
