//! The Fleet screen.

use std::collections::BTreeMap;

use jiff::Timestamp;
use plumb_fleet::{
    Assessment, Digest, DriftState, Fleet, NodeId, Verified,
    filter::{Filter, FilterSubject},
};

use crate::{
    app::App,
    current::Current,
    error::AppError,
    views::{
        PAGE_ROWS_MAX,
        convert::{ms, node_row, state_code},
        fleet::{
            FleetPage, FleetSort, FleetView, Matrix, NodeNames, NodeRow, StateCount,
            ThresholdsView, VersionShare,
        },
    },
};

impl App {
    /// Version bar, counts, matrix and one page of the table, from the store alone.
    pub async fn fleet_overview(
        &self,
        fleet: &str,
        page: &FleetPage,
    ) -> Result<FleetView, AppError> {
        let current = self.current(fleet).await?;
        Ok(overview(&current, page, self.now()))
    }

    /// Ids behind the cells of the matrix.
    pub fn node_names(&self, fleet: &str) -> Result<NodeNames, AppError> {
        let (_, loaded) = self.loaded(fleet)?;
        let ids = loaded.fleet.nodes.keys().map(ToString::to_string).collect();
        Ok(NodeNames { members: members(&loaded.fleet), ids })
    }
}

/// A short name for which nodes a fleet has.
fn members(fleet: &Fleet) -> String {
    let mut names = String::new();
    for id in fleet.nodes.keys() {
        names.push_str(id.as_str());
        names.push('\n');
    }
    let mut digest = Digest::of(names.as_bytes()).to_string();
    digest.truncate(16);
    digest
}

/// Builds the view of a fleet at one moment.
pub fn overview(current: &Current, page: &FleetPage, now: Timestamp) -> FleetView {
    let assessment = current.assess(now);
    let (filter, filter_error) = match Filter::parse(&page.filter) {
        Ok(filter) => (Some(filter), None),
        Err(error) => (None, Some(error.to_string())),
    };
    let (matrix, matched) = matrix(current, &assessment, filter.as_ref());
    let total = u32::try_from(current.fleet.nodes.len()).unwrap_or(u32::MAX);
    let matched_count = u32::try_from(matched.len()).unwrap_or(u32::MAX);
    let rows = rows(current, &assessment, matched, page, now);
    FleetView {
        fleet: current.fleet.name.to_string(),
        environment: current.fleet.environment.clone(),
        read_only: current.fleet.read_only,
        desired: current.desired.fleet.as_ref().map(Into::into),
        thresholds: ThresholdsView {
            digest_age_s: current.fleet.thresholds.digest_age_s,
            load_age_s: current.fleet.thresholds.load_age_s,
        },
        versions: versions(&assessment),
        counts: assessment
            .counts
            .iter()
            .map(|(state, count)| StateCount {
                state: (*state).into(),
                count: u32::try_from(*count).unwrap_or(u32::MAX),
            })
            .collect(),
        matrix,
        members: members(&current.fleet),
        matched: matched_count,
        total,
        offset: page.offset,
        rows,
        filter_error,
    }
}

fn matrix<'a>(
    current: &'a Current,
    assessment: &Assessment,
    filter: Option<&Filter>,
) -> (Matrix, Vec<&'a NodeId>) {
    let mut matrix = Matrix { cells: String::new(), matched: String::new() };
    let mut matched = Vec::new();
    for id in current.fleet.nodes.keys() {
        let state = assessment.nodes.get(id).map_or(DriftState::Unknown, |verdict| verdict.state);
        let passes = filter.is_none_or(|filter| filter.matches(&subject(current, id, state)));
        matrix.cells.push(state_code(state));
        matrix.matched.push(if passes { '1' } else { '0' });
        if passes {
            matched.push(id);
        }
    }
    if matched.len() == matrix.cells.len() {
        matrix.matched.clear();
    }
    (matrix, matched)
}

/// What a filter line can ask of a node.
pub(crate) fn subject<'a>(
    current: &'a Current,
    id: &'a NodeId,
    state: DriftState,
) -> FilterSubject<'a> {
    let node = &current.fleet.nodes[id];
    let report = current.report(id);
    FilterSubject {
        id,
        api: node.api,
        labels: &node.labels,
        state,
        version: report.and_then(|r| r.version.as_ref()).map(|v| &v.value),
        content: report.and_then(|r| r.content.as_ref()).map(|c| c.value),
        last_reload_failed: report
            .and_then(|r| r.history.first())
            .is_some_and(|entry| !entry.success),
        verified: report.map_or(Verified::NotTold, Verified::of),
    }
}

fn rows(
    current: &Current,
    assessment: &Assessment,
    mut ids: Vec<&NodeId>,
    page: &FleetPage,
    now: Timestamp,
) -> Vec<NodeRow> {
    sort(&mut ids, current, assessment, page.sort);
    if page.descending {
        ids.reverse();
    }
    ids.into_iter()
        .skip(page.offset as usize)
        .take(page.limit.min(PAGE_ROWS_MAX) as usize)
        .filter_map(|id| {
            let verdict = assessment.nodes.get(id)?;
            Some(node_row(&current.fleet, id, current.snapshot.nodes.get(id), verdict, now))
        })
        .collect()
}

/// Sorts stably, so equal keys stay in order of names; absent values come last.
fn sort(ids: &mut [&NodeId], current: &Current, assessment: &Assessment, by: FleetSort) {
    let report = |id: &NodeId| current.report(id);
    let late = i64::MAX;
    match by {
        FleetSort::Name => {}
        FleetSort::State => {
            ids.sort_by_key(|id| {
                assessment.nodes.get(*id).map_or(DriftState::Unknown, |verdict| verdict.state)
            });
        }
        FleetSort::Version => ids.sort_by_key(|id| {
            let version = report(id).and_then(|r| r.version.as_ref()).map(|v| v.value.clone());
            (version.is_none(), version)
        }),
        FleetSort::Content => ids.sort_by_key(|id| {
            let content = report(id).and_then(|r| r.content.as_ref()).map(|c| c.value);
            (content.is_none(), content)
        }),
        FleetSort::DigestAge => ids.sort_by_key(|id| {
            report(id).and_then(|r| r.confirmed_at.as_ref()).map_or(late, |at| -ms(at.value))
        }),
        FleetSort::LoadAge => {
            ids.sort_by_key(|id| {
                report(id).and_then(|r| r.loaded_at.as_ref()).map_or(late, |at| -ms(at.value))
            });
        }
        FleetSort::LastReload => {
            ids.sort_by_key(|id| {
                report(id).and_then(|r| r.history.first()).map_or(late, |entry| -ms(entry.at))
            });
        }
        FleetSort::Latency => ids.sort_by_key(|id| report(id).map_or(u32::MAX, |r| r.latency_ms)),
    }
}

fn versions(assessment: &Assessment) -> Vec<VersionShare> {
    let mut contents_of: BTreeMap<&str, usize> = BTreeMap::new();
    for group in &assessment.groups {
        if let (Some(version), Some(_)) = (&group.version, &group.content) {
            *contents_of.entry(version.as_str()).or_default() += 1;
        }
    }
    assessment
        .groups
        .iter()
        .map(|group| VersionShare {
            version: group.version.as_ref().map(ToString::to_string),
            content: group.content.map(|content| content.to_string()),
            count: u32::try_from(group.nodes.len()).unwrap_or(u32::MAX),
            state: common_state(assessment, &group.nodes).into(),
            same_version_other_content: group.version.as_ref().is_some_and(|version| {
                contents_of.get(version.as_str()).is_some_and(|count| *count > 1)
            }),
        })
        .collect()
}

/// The state most of these nodes are in; of equally common ones the worst.
pub(crate) fn common_state(assessment: &Assessment, nodes: &[NodeId]) -> DriftState {
    let mut counts: BTreeMap<DriftState, usize> = BTreeMap::new();
    for node in nodes {
        if let Some(verdict) = assessment.nodes.get(node) {
            *counts.entry(verdict.state).or_default() += 1;
        }
    }
    let most = counts.values().copied().max().unwrap_or(0);
    counts
        .into_iter()
        .find(|(_, count)| *count == most)
        .map_or(DriftState::Unknown, |(state, _)| state)
}
