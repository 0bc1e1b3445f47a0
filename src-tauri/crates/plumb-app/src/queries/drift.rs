//! The Drift screen: a baseline against groups of nodes, policy by policy.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use plumb_bundle::{
    diff::DeltaKind,
    text_diff::{Line, RowKind},
};
use plumb_fleet::{
    Assessment, Content, ContentDigest, Group, NodeId, Ordering, Version, drift::expected_content,
    group::majority_of_signed,
};
use plumb_runbook::ReadAs;

use crate::{
    app::App,
    current::Current,
    error::{AppError, Code},
    queries::{fleet::common_state, verification::GroupVerification},
    views::drift::{
        Baseline, BaselineChoice, BaselineView, DiffPiece, DiffRow, DiffRowKind, DiffSide,
        DriftView, GroupView, MomentView, MomentsView, PolicyChange, PolicyDiffLine,
        PolicyDiffView, TextDiffView,
    },
    views::{convert::ms, impact::ReadingView},
};

/// Names of a group's nodes that are sent; the count says how many there are.
const GROUP_NODES_SHOWN: usize = 200;
/// Moments of the past that are listed: more than anybody looks through, and one screen of a node's life.
const MOMENTS_LISTED_MAX: usize = 200;

impl App {
    /// Groups of nodes and the differences of one of them from the baseline.
    pub async fn drift(
        &self,
        fleet: &str,
        baseline: &Baseline,
        group: Option<&str>,
    ) -> Result<DriftView, AppError> {
        let current = self.current(fleet).await?;
        let now = self.now();
        let assessment = current.assess(now);
        let base = self.resolve_baseline(&current, &assessment, baseline).await?;
        let groups = group_views(&current, &assessment, base.content);
        let diff = match group {
            None => None,
            Some(key) => {
                let group =
                    assessment.groups.iter().find(|group| group_key(group) == key).ok_or_else(
                        || {
                            AppError::new(
                                Code::NotFound,
                                "this group of nodes is gone",
                                "choose another group",
                            )
                        },
                    )?;
                Some(self.policy_diff(key, base.content, group.content).await?)
            }
        };
        let unavailable = match base.content {
            None => Some(base.missing.unwrap_or_else(|| "its content is not known".to_owned())),
            Some(content) if self.content(content).await?.is_none() => Some(
                "its policies are not at hand; add the signed bundle to the fleet file".to_owned(),
            ),
            Some(_) => None,
        };
        Ok(DriftView {
            baseline: BaselineView {
                label: base.label,
                version: base.version.map(|version| version.to_string()),
                content: base.content.map(|content| content.to_string()),
                unavailable,
            },
            choices: choices(&current, baseline),
            groups,
            diff,
        })
    }

    /// The moments of the past that are kept for a fleet: of nodes whose names contain `named`.
    pub async fn moments(&self, fleet: &str, named: &str) -> Result<MomentsView, AppError> {
        let name = self.current(fleet).await?.fleet.name.clone();
        let mut conn = self.cache().read().await?;
        let mut found =
            plumb_store::snapshots::moments(&mut conn, &name, named, MOMENTS_LISTED_MAX + 1)
                .await?;
        let cut = found.len() > MOMENTS_LISTED_MAX;
        found.truncate(MOMENTS_LISTED_MAX);
        let contents = found.iter().map(|moment| moment.content).collect();
        let missing = plumb_store::contents::missing(&mut conn, &contents).await?;
        let moments = found
            .into_iter()
            .map(|moment| MomentView {
                node: moment.node.to_string(),
                nodes: moment.nodes,
                at_ms: ms(moment.at),
                version: moment.version.map(|version| version.to_string()),
                readable: !missing.contains(&moment.content),
                content: moment.content.to_string(),
            })
            .collect();
        Ok(MomentsView { moments, cut })
    }

    /// One policy of two contents side by side.
    pub async fn policy_text_diff(
        &self,
        fleet: &str,
        from: Option<&str>,
        to: Option<&str>,
        policy: &str,
    ) -> Result<TextDiffView, AppError> {
        self.current(fleet).await?;
        let (from, ordering) = self.policy_text(from, policy).await?;
        let (to, other) = self.policy_text(to, policy).await?;
        let ordering = ordering.or(other).unwrap_or(Ordering::ByPosition);
        text_diff(policy, from.as_deref(), to.as_deref(), ordering)
    }

    async fn policy_text(
        &self,
        content: Option<&str>,
        policy: &str,
    ) -> Result<(Option<String>, Option<Ordering>), AppError> {
        let Some(content) = content else { return Ok((None, None)) };
        let digest: ContentDigest =
            content.parse().map_err(|error: plumb_fleet::ids::DigestError| {
                AppError::new(Code::Invalid, error.to_string(), "ask with a content digest")
            })?;
        let content = self.content(digest).await?;
        let ordering = content.as_ref().map(|content| content.ordering);
        let text = content
            .and_then(|content| content.policies.into_iter().find(|p| p.id == policy))
            .map(|p| p.text);
        Ok((text, ordering))
    }

    async fn policy_diff(
        &self,
        key: &str,
        from: Option<ContentDigest>,
        to: Option<ContentDigest>,
    ) -> Result<PolicyDiffView, AppError> {
        let mut view = PolicyDiffView {
            group: key.to_owned(),
            from_content: from.map(|content| content.to_string()),
            to_content: to.map(|content| content.to_string()),
            added: 0,
            removed: 0,
            changed: 0,
            moved: 0,
            policies: Vec::new(),
            unavailable: None,
        };
        let before = self.content_or_reason(from, "the baseline").await?;
        let after = self.content_or_reason(to, "these nodes").await?;
        match (before, after) {
            (Ok(before), Ok(after)) => fill_diff(&mut view, &before, &after),
            (Err(reason), _) | (_, Err(reason)) => view.unavailable = Some(reason),
        }
        Ok(view)
    }

    async fn content_or_reason(
        &self,
        digest: Option<ContentDigest>,
        whose: &str,
    ) -> Result<Result<Content, String>, AppError> {
        let Some(digest) = digest else {
            return Ok(Err(format!("what {whose} run is not known")));
        };
        Ok(self
            .content(digest)
            .await?
            .ok_or_else(|| format!("the policies of {whose} ({}) were never read", digest.short())))
    }

    async fn resolve_baseline(
        &self,
        current: &Current,
        assessment: &Assessment,
        baseline: &Baseline,
    ) -> Result<ResolvedBaseline, AppError> {
        let node_id = |id: &str| {
            NodeId::new(id).ok().filter(|id| current.fleet.nodes.contains_key(id)).ok_or_else(
                || {
                    AppError::new(
                        Code::NotFound,
                        format!("{id} is not a node of this fleet"),
                        "choose another baseline",
                    )
                },
            )
        };
        Ok(match baseline {
            Baseline::Desired => desired_baseline(current),
            Baseline::Majority => {
                let most = assessment.groups.iter().find(|group| group.content.is_some());
                ResolvedBaseline {
                    label: "what most nodes run".to_owned(),
                    version: most.and_then(|group| group.version.clone()),
                    content: most.and_then(|group| group.content),
                    missing: Some("no node ever reported its content".to_owned()),
                }
            }
            Baseline::Node { id } => {
                let id = node_id(id)?;
                let report = current.report(&id);
                ResolvedBaseline {
                    label: format!("node {id}"),
                    version: report.and_then(|r| r.version.as_ref()).map(|v| v.value.clone()),
                    content: report.and_then(|r| r.content.as_ref()).map(|c| c.value),
                    missing: Some(format!("{id} never reported its content")),
                }
            }
            Baseline::Bundle { content } => {
                let entry = content
                    .parse()
                    .ok()
                    .and_then(|content| current.desired.catalogue.with_content(content))
                    .ok_or_else(|| {
                        AppError::new(
                            Code::NotFound,
                            "no such signed bundle is known",
                            "choose another baseline",
                        )
                    })?;
                ResolvedBaseline {
                    label: format!("signed {}", entry.version),
                    version: Some(entry.version.clone()),
                    content: Some(entry.content),
                    missing: None,
                }
            }
            Baseline::Moment { id, at_ms } => {
                // The past is what is kept, also of nodes that left the fleet since.
                let id = once_a_node(id)?;
                let at = Timestamp::from_millisecond(*at_ms).map_err(|error| {
                    AppError::new(Code::Invalid, error.to_string(), "name a moment in this era")
                })?;
                let (version, content) = self.node_content_at(&current.fleet.name, &id, at).await?;
                ResolvedBaseline {
                    label: format!("{id} at {at:.0}"),
                    version,
                    content,
                    missing: Some(format!("what {id} ran then is not known")),
                }
            }
        })
    }
}

/// The name of a node that is or once was in the fleet.
fn once_a_node(id: &str) -> Result<NodeId, AppError> {
    NodeId::new(id).map_err(|error| {
        AppError::new(
            Code::Invalid,
            format!("{id:?} is not the name of a node: {error}"),
            "choose a moment from the list",
        )
    })
}

struct ResolvedBaseline {
    label: String,
    version: Option<Version>,
    content: Option<ContentDigest>,
    /// Why there is no content, where there is none.
    missing: Option<String>,
}

fn desired_baseline(current: &Current) -> ResolvedBaseline {
    let Some(want) = &current.desired.fleet else {
        return ResolvedBaseline {
            label: "desired".to_owned(),
            version: None,
            content: None,
            missing: Some("no desired version is set for the fleet".to_owned()),
        };
    };
    let majority = majority_of_signed(&current.snapshot, &current.desired, None);
    ResolvedBaseline {
        label: format!("desired {}", want.version),
        version: Some(want.version.clone()),
        content: expected_content(want, current.desired.catalogue.offer(None), &majority),
        missing: Some(format!("no signed bundle of {} is known", want.version)),
    }
}

fn choices(current: &Current, chosen: &Baseline) -> Vec<BaselineChoice> {
    let mut choices = vec![
        BaselineChoice { baseline: Baseline::Desired, label: "desired".to_owned() },
        BaselineChoice { baseline: Baseline::Majority, label: "what most nodes run".to_owned() },
    ];
    choices.extend(current.desired.catalogue.entries.iter().map(|entry| BaselineChoice {
        baseline: Baseline::Bundle { content: entry.content.to_string() },
        label: format!("signed {} · {}", entry.version, entry.content.short()),
    }));
    let label = match chosen {
        Baseline::Node { id } => Some(format!("node {id}")),
        Baseline::Moment { id, at_ms } => {
            Timestamp::from_millisecond(*at_ms).ok().map(|at| format!("{id} at {at:.0}"))
        }
        Baseline::Desired | Baseline::Majority | Baseline::Bundle { .. } => None,
    };
    choices.extend(label.map(|label| BaselineChoice { baseline: chosen.clone(), label }));
    choices
}

/// A key that names a group by what it runs, so that it outlives a sweep.
fn group_key(group: &Group) -> String {
    let version = group.version.as_ref().map_or("-", Version::as_str);
    let content = group.content.map_or_else(|| "-".to_owned(), |content| content.to_string());
    format!("{content}/{version}")
}

fn letter(index: usize) -> String {
    let letter = char::from(b'A' + u8::try_from(index % 26).unwrap_or(0));
    if index < 26 { letter.to_string() } else { format!("{letter}{}", index / 26) }
}

fn group_views(
    current: &Current,
    assessment: &Assessment,
    baseline: Option<ContentDigest>,
) -> Vec<GroupView> {
    assessment
        .groups
        .iter()
        .enumerate()
        .map(|(index, group)| {
            let twin = group.version.is_some()
                && group.content.is_some()
                && assessment.groups.iter().any(|other| {
                    other.version == group.version
                        && other.content.is_some()
                        && other.content != group.content
                });
            let is_baseline = group.content.is_some() && group.content == baseline;
            let verified = GroupVerification::of(current, group);
            GroupView {
                key: group_key(group),
                letter: letter(index),
                version: group.version.as_ref().map(ToString::to_string),
                content: group.content.map(|content| content.to_string()),
                count: u32::try_from(group.nodes.len()).unwrap_or(u32::MAX),
                nodes: group
                    .nodes
                    .iter()
                    .take(GROUP_NODES_SHOWN)
                    .map(ToString::to_string)
                    .collect(),
                state: common_state(assessment, &group.nodes).into(),
                unverified: verified.unverified,
                verification_unknown: verified.unknown,
                failed_checks: verified.failed_checks,
                readings: readings(current, group),
                note: (twin && !is_baseline).then(|| "same version, other content".to_owned()),
                is_baseline,
            }
        })
        .collect()
}

fn readings(current: &Current, group: &Group) -> Vec<ReadingView> {
    let nodes = group.nodes.iter().filter_map(|node| current.fleet.nodes.get(node));
    let ways: BTreeSet<ReadAs> = nodes.map(|node| ReadAs::by(node.api)).collect();
    ways.into_iter().map(ReadingView::of).collect()
}

fn fill_diff(view: &mut PolicyDiffView, before: &Content, after: &Content) {
    let diff = plumb_bundle::diff::diff(&before.policies, &after.policies, after.ordering);
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    view.added = count(diff.counts.added);
    view.removed = count(diff.counts.removed);
    view.changed = count(diff.counts.changed);
    view.moved = count(diff.counts.moved);
    let differs: BTreeSet<&str> = diff.deltas.iter().map(|delta| delta.id.as_str()).collect();
    let former: BTreeMap<&str, usize> = before
        .policies
        .iter()
        .enumerate()
        .map(|(index, policy)| (policy.id.as_str(), index))
        .collect();
    let position = |index: usize| Some(count(index + 1));
    view.policies = diff
        .deltas
        .iter()
        .map(|delta| PolicyDiffLine {
            id: delta.id.clone(),
            change: match delta.kind() {
                DeltaKind::Added => PolicyChange::Added,
                DeltaKind::Removed => PolicyChange::Removed,
                DeltaKind::Changed | DeltaKind::ChangedAndMoved => PolicyChange::Changed,
                DeltaKind::Moved => PolicyChange::Moved,
            },
            moved: delta.moved,
            from_position: delta.before.and_then(|place| position(place.index)),
            to_position: delta.after.and_then(|place| position(place.index)),
        })
        .chain(
            after
                .policies
                .iter()
                .enumerate()
                .filter(|(_, policy)| !differs.contains(policy.id.as_str()))
                .map(|(index, policy)| PolicyDiffLine {
                    id: policy.id.clone(),
                    change: PolicyChange::Equal,
                    moved: false,
                    from_position: former
                        .get(policy.id.as_str())
                        .and_then(|index| position(*index)),
                    to_position: position(index),
                }),
        )
        .collect();
}

/// Lines side by side, as the window and the command line show them.
pub fn text_diff(
    policy: &str,
    from: Option<&str>,
    to: Option<&str>,
    ordering: Ordering,
) -> Result<TextDiffView, AppError> {
    let readable =
        |text: Option<&str>| text.map(plumb_bundle::text_diff::readable).unwrap_or_default();
    let rows =
        plumb_bundle::text_diff::text_diff(&readable(from), &readable(to)).map_err(|error| {
            AppError::new(
                Code::Invalid,
                error.to_string(),
                "compare the policies with a program for large files",
            )
        })?;
    let kind = |kind: RowKind| match kind {
        RowKind::Equal => DiffRowKind::Equal,
        RowKind::Changed => DiffRowKind::Changed,
        RowKind::Added => DiffRowKind::Added,
        RowKind::Removed => DiffRowKind::Removed,
    };
    Ok(TextDiffView {
        policy: policy.to_owned(),
        language: if ordering == Ordering::Unordered { "rego" } else { "json" }.to_owned(),
        rows: rows
            .iter()
            .map(|row| DiffRow {
                kind: kind(row.kind),
                left: row.left.as_ref().map(side),
                right: row.right.as_ref().map(side),
            })
            .collect(),
    })
}

/// Cuts a line into pieces at its emphasised ranges, which count characters.
fn side(line: &Line) -> DiffSide {
    let mut pieces: Vec<DiffPiece> = Vec::new();
    for (index, character) in line.text.chars().enumerate() {
        let emphasised = line.emphasis.iter().any(|(start, end)| (*start..*end).contains(&index));
        match pieces.last_mut() {
            Some(piece) if piece.emphasised == emphasised => piece.text.push(character),
            _ => pieces.push(DiffPiece { text: character.to_string(), emphasised }),
        }
    }
    DiffSide { number: u32::try_from(line.number).unwrap_or(u32::MAX), pieces }
}
