//! Nodes from lists that exist already: Prometheus `file_sd` and CSV, with a diff before saving.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::{Deserialize, Serialize};
use toml::Spanned;
use url::Url;

use crate::{
    fleet::{
        CommonEntry, FLEET_FILE_BYTES_MAX, FleetFile, NODES_MAX, NodeEntry, ThresholdEntry,
        TrustEntry, checked_url, default_deadline_s, default_sweep_interval_s,
    },
    ids::{FleetId, NodeId},
    node::NodeApi,
};

/// Most labels of one imported node: Prometheus itself advises fewer than ten.
pub const LABELS_MAX: usize = 64;
/// Longest name of a label, in bytes.
pub const LABEL_NAME_BYTES_MAX: usize = 128;
/// Longest value of a label, in bytes.
pub const LABEL_VALUE_BYTES_MAX: usize = 1_024;

/// Most characters of a refused text that a message repeats.
const SHOWN_MAX: usize = 80;

/// Why a list was refused; every variant names the place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    #[error("the list is larger than {max} bytes")]
    TooLarge { max: usize },
    #[error("{place}: more than {max} nodes")]
    TooMany { place: Place, max: usize },
    #[error("line {line}: {message}")]
    Syntax { line: usize, message: String },
    #[error("{place}: {field}: {message}")]
    Field { place: Place, field: String, message: String },
    #[error("{place}: node {node} stands twice, first in {first}")]
    Twice { place: Place, node: NodeId, first: Place },
}

/// Where in a list something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A line of a CSV file, counted from 1.
    Row(u64),
    /// A target of a target group of a `file_sd` file, both counted from 1; no target means the group.
    Target { group: usize, target: Option<usize> },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Row(row) => write!(f, "row {row}"),
            Self::Target { group, target: Some(target) } => {
                write!(f, "group {group}, target {target}")
            }
            Self::Target { group, target: None } => write!(f, "group {group}"),
        }
    }
}

/// What an import changes, for a person to see before the file is saved.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportDiff {
    pub added: Vec<NodeId>,
    pub removed: Vec<NodeId>,
    pub changed: Vec<ChangedNode>,
    pub unchanged: Vec<NodeId>,
}

impl ImportDiff {
    /// Whether saving would change the nodes of the file.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}

/// A node that stays, and what of it changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangedNode {
    pub node: NodeId,
    pub fields: Vec<ChangedField>,
}

/// One field as it was and as it will be; an empty text means that it is absent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangedField {
    /// `api`, `url`, `group` or `labels.<name>`.
    pub field: String,
    pub from: String,
    pub to: String,
}

/// A target group as Prometheus writes it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TargetGroup {
    #[serde(default)]
    targets: Vec<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

/// Reads a Prometheus `file_sd` file in JSON.
///
/// Ids are made of host and port. The label `plumb_api` or `api` names the node API (`reload`
/// without one) and `__scheme__` the scheme of the URL (`http` without one); neither stays as a
/// label, nor does any other that begins with `__`. A target that stands twice alike is taken once.
pub fn from_file_sd(text: &str) -> Result<Vec<NodeEntry>, ImportError> {
    let text = within_limit(text)?;
    let groups: Vec<TargetGroup> = serde_json::from_str(text).map_err(|error| {
        ImportError::Syntax { line: error.line(), message: without_place(&error) }
    })?;
    let mut nodes = Collected::default();
    for (number, group) in (1..).zip(&groups) {
        let place = Place::Target { group: number, target: None };
        let label = |name: &str| group.labels.get(name).map(String::as_str);
        let api = api(label("plumb_api").or_else(|| label("api")).unwrap_or_default(), place)?;
        let scheme = label("__scheme__").unwrap_or("http");
        let kept = group.labels.iter().filter(|(name, _)| {
            !name.starts_with("__") && !matches!(name.as_str(), "api" | "plumb_api")
        });
        let labels = checked_labels(kept, place)?;
        for (number_in_group, target) in (1..).zip(&group.targets) {
            let place = Place::Target { group: number, target: Some(number_in_group) };
            let (id, url) = address(target, scheme, place)?;
            nodes.push(entry(id, api, url, None, labels.clone()), place)?;
        }
    }
    Ok(nodes.entries)
}

/// Reads a CSV file with a header row.
///
/// The columns `id` and `url` must be there; `api` (`reload` when empty) and `group` may be. Every
/// other column is a label, absent where its cell is empty.
pub fn from_csv(text: &str) -> Result<Vec<NodeEntry>, ImportError> {
    let text = within_limit(text)?;
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let columns = columns(reader.headers().map_err(|error| syntax(&error))?)?;
    let mut nodes = Collected::default();
    for record in reader.records() {
        let record = record.map_err(|error| syntax(&error))?;
        let place = Place::Row(record.position().map_or(0, csv::Position::line));
        let cell = |column: Option<usize>| {
            column.and_then(|column| record.get(column)).unwrap_or_default()
        };
        let id = NodeId::new(cell(Some(columns.id)))
            .map_err(|error| field(place, "id", error.to_string()))?;
        let api = api(cell(columns.api), place)?;
        let url = cell(Some(columns.url));
        checked_url(url).map_err(|message| field(place, "url", message))?;
        let group = checked_text("group", cell(columns.group), place)?;
        let named = columns.labels.iter().map(|(name, column)| (name, cell(Some(*column))));
        let labels = checked_labels(named.filter(|(_, value)| !value.is_empty()), place)?;
        let group = (!group.is_empty()).then(|| group.to_owned());
        nodes.push(entry(id, api, url.to_owned(), group, labels), place)?;
    }
    Ok(nodes.entries)
}

/// Puts imported nodes in the place of those of a fleet file.
///
/// A node that stays keeps what a list cannot say (credential, TLS, route, bundle folder, desired
/// version, and its group when the list names none); its labels become those of the list. Nodes keep
/// their order, new ones follow.
pub fn merge(
    existing: Option<FleetFile>,
    name: FleetId,
    nodes: Vec<NodeEntry>,
) -> (FleetFile, ImportDiff) {
    let mut file = existing.unwrap_or_else(|| empty(name.clone()));
    file.name = name;
    let mut diff = ImportDiff::default();
    let order: Vec<NodeId> = nodes.iter().map(|node| node.id.clone()).collect();
    let mut imported: BTreeMap<NodeId, NodeEntry> =
        nodes.into_iter().map(|node| (node.id.clone(), node)).collect();
    let mut kept = Vec::new();
    for was in std::mem::take(&mut file.nodes).into_iter().map(Spanned::into_inner) {
        let Some(listed) = imported.remove(&was.id) else {
            diff.removed.push(was.id);
            continue;
        };
        let now = NodeEntry {
            group: listed.group.or_else(|| was.group.clone()),
            common: CommonEntry { labels: listed.common.labels, ..was.common.clone() },
            ..listed
        };
        let fields = changed_fields(&was, &now);
        if fields.is_empty() {
            diff.unchanged.push(was.id);
        } else {
            diff.changed.push(ChangedNode { node: was.id, fields });
        }
        kept.push(now);
    }
    for new in order.into_iter().filter_map(|id| imported.remove(&id)) {
        diff.added.push(new.id.clone());
        kept.push(new);
    }
    file.nodes = kept.into_iter().map(|node| Spanned::new(0..0, node)).collect();
    (file, diff)
}

fn changed_fields(was: &NodeEntry, now: &NodeEntry) -> Vec<ChangedField> {
    let mut fields = Vec::new();
    let mut compare = |field: String, from: &str, to: &str| {
        if from != to {
            fields.push(ChangedField { field, from: from.to_owned(), to: to.to_owned() });
        }
    };
    compare("api".to_owned(), was.api.name(), now.api.name());
    compare("url".to_owned(), &was.url, &now.url);
    let group = |node: &NodeEntry| node.group.clone().unwrap_or_default();
    compare("group".to_owned(), &group(was), &group(now));
    let (before, after) = (&was.common.labels, &now.common.labels);
    for name in before.keys().chain(after.keys()).collect::<BTreeSet<_>>() {
        let value =
            |labels: &BTreeMap<String, String>| labels.get(name).cloned().unwrap_or_default();
        compare(format!("labels.{name}"), &value(before), &value(after));
    }
    fields
}

fn empty(name: FleetId) -> FleetFile {
    FleetFile {
        prometheus: None,
        grafana: None,
        decisions: None,
        evidence: None,
        runbooks: None,
        hub: None,
        name,
        environment: String::new(),
        read_only: false,
        sweep_interval_s: default_sweep_interval_s(),
        deadline_s: default_deadline_s(),
        bundles: Vec::new(),
        desired: None,
        thresholds: ThresholdEntry::default(),
        trust: TrustEntry::default(),
        groups: Vec::new(),
        nodes: Vec::new(),
    }
}

fn entry(
    id: NodeId,
    api: NodeApi,
    url: String,
    group: Option<String>,
    labels: BTreeMap<String, String>,
) -> NodeEntry {
    NodeEntry { id, api, url, group, common: CommonEntry { labels, ..CommonEntry::default() } }
}

/// Nodes in the order of the list, each once.
#[derive(Debug, Default)]
struct Collected {
    entries: Vec<NodeEntry>,
    places: BTreeMap<NodeId, (usize, Place)>,
}

impl Collected {
    fn push(&mut self, entry: NodeEntry, place: Place) -> Result<(), ImportError> {
        if let Some((index, first)) = self.places.get(&entry.id) {
            return if self.entries[*index] == entry && matches!(place, Place::Target { .. }) {
                Ok(())
            } else {
                Err(ImportError::Twice { place, node: entry.id, first: *first })
            };
        }
        if self.entries.len() == NODES_MAX {
            return Err(ImportError::TooMany { place, max: NODES_MAX });
        }
        self.places.insert(entry.id.clone(), (self.entries.len(), place));
        self.entries.push(entry);
        Ok(())
    }
}

/// Which column holds what.
#[derive(Debug)]
struct Columns {
    id: usize,
    url: usize,
    api: Option<usize>,
    group: Option<usize>,
    labels: Vec<(String, usize)>,
}

fn columns(header: &csv::StringRecord) -> Result<Columns, ImportError> {
    let place = Place::Row(1);
    let mut found: BTreeMap<&str, usize> = BTreeMap::new();
    for (column, name) in header.iter().enumerate() {
        checked_name(name, place)?;
        if found.insert(name, column).is_some() {
            return Err(field(place, name, "this column stands twice"));
        }
    }
    let mut take = |name: &str| found.remove(name);
    let (id, url, api, group) = (take("id"), take("url"), take("api"), take("group"));
    let needed = |column: Option<usize>, name| {
        column.ok_or_else(|| field(place, name, "there is no such column; the header needs it"))
    };
    Ok(Columns {
        id: needed(id, "id")?,
        url: needed(url, "url")?,
        api,
        group,
        labels: found.into_iter().map(|(name, column)| (name.to_owned(), column)).collect(),
    })
}

/// Id and base URL of a target, which is `host`, `host:port` or a base URL.
fn address(target: &str, scheme: &str, place: Place) -> Result<(NodeId, String), ImportError> {
    let refused = |message: String| field(place, "targets", message);
    let written =
        if target.contains("://") { target.to_owned() } else { format!("{scheme}://{target}") };
    let url = checked_url(&written)
        .map_err(|message| refused(format!("{}: {message}", shown(target))))?;
    let id = NodeId::new(host_and_port(&url, &written))
        .map_err(|error| refused(format!("{}: {error}", shown(target))))?;
    Ok((id, written))
}

/// Host and port without the brackets of an IPv6 address; a default port stays when it was written.
fn host_and_port(url: &Url, written: &str) -> String {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let authority = written.split("://").nth(1).unwrap_or_default();
    let authority = authority.split('/').next().unwrap_or_default();
    let after_host = authority.rsplit(']').next().unwrap_or_default();
    match url.port_or_known_default() {
        Some(port) if after_host.contains(':') => format!("{host}:{port}"),
        _ => host.to_owned(),
    }
}

fn api(name: &str, place: Place) -> Result<NodeApi, ImportError> {
    match name {
        "" | "reload" => Ok(NodeApi::Reload),
        "opa" => Ok(NodeApi::Opa),
        "agent" => Ok(NodeApi::Agent),
        other => Err(field(place, "api", format!("{} is not reload, opa or agent", shown(other)))),
    }
}

fn checked_labels<N: AsRef<str>, V: AsRef<str>>(
    labels: impl Iterator<Item = (N, V)>,
    place: Place,
) -> Result<BTreeMap<String, String>, ImportError> {
    let mut checked = BTreeMap::new();
    for (name, value) in labels {
        let (name, value) = (name.as_ref(), value.as_ref());
        checked_name(name, place)?;
        checked_text(name, value, place)?;
        checked.insert(name.to_owned(), value.to_owned());
        if checked.len() > LABELS_MAX {
            return Err(field(place, "labels", format!("more than {LABELS_MAX} labels")));
        }
    }
    Ok(checked)
}

fn checked_name(name: &str, place: Place) -> Result<(), ImportError> {
    let fits = |c: char| c.is_alphanumeric() || "_-./".contains(c);
    if name.is_empty() {
        return Err(field(place, "labels", "a label without a name"));
    }
    if name.len() > LABEL_NAME_BYTES_MAX {
        let message = format!("a name longer than {LABEL_NAME_BYTES_MAX} bytes");
        return Err(field(place, "labels", message));
    }
    match name.chars().find(|c| !fits(*c)) {
        None => Ok(()),
        Some(found) => Err(field(
            place,
            "labels",
            format!(
                "the name {name:?} may not hold {found:?}; letters, digits, '_', '-', '.', '/'"
            ),
        )),
    }
}

fn checked_text<'a>(name: &str, value: &'a str, place: Place) -> Result<&'a str, ImportError> {
    if value.len() > LABEL_VALUE_BYTES_MAX {
        return Err(field(place, name, format!("longer than {LABEL_VALUE_BYTES_MAX} bytes")));
    }
    match value.chars().find(|c| c.is_control()) {
        Some(found) => Err(field(place, name, format!("holds the control character {found:?}"))),
        None => Ok(value),
    }
}

fn within_limit(text: &str) -> Result<&str, ImportError> {
    if text.len() > FLEET_FILE_BYTES_MAX {
        return Err(ImportError::TooLarge { max: FLEET_FILE_BYTES_MAX });
    }
    // Spreadsheets begin their CSV files with a byte order mark.
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

fn syntax(error: &csv::Error) -> ImportError {
    let position = error.position().map_or(1, csv::Position::line);
    let message = match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("{len} cells, but the header has {expected_len}")
        }
        _ => error.to_string(),
    };
    ImportError::Syntax { line: usize::try_from(position).unwrap_or(usize::MAX), message }
}

/// The message of a JSON error without the line and column at its end.
fn without_place(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let end = message.rfind(" at line ").unwrap_or(message.len());
    message[..end].chars().take(SHOWN_MAX).flat_map(char::escape_debug).collect()
}

/// Text of a list as it may stand in a message: its beginning, quoted and escaped.
fn shown(text: &str) -> String {
    format!("{:?}", text.chars().take(SHOWN_MAX).collect::<String>())
}

fn field(place: Place, field: &str, message: impl Into<String>) -> ImportError {
    ImportError::Field { place, field: field.to_owned(), message: message.into() }
}

#[cfg(test)]
mod tests;
