//! What an archive has that a fleet is shown from, read once.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader},
};

use camino::Utf8Path;
use jiff::Timestamp;
use plumb_alert::Alert;
use plumb_evidence::{
    Archive, EntryName, FileSource, RunPart,
    diff::{NODES, evidence},
    manifest::{ROSTER, run_folder, states_of},
};
use plumb_fleet::{
    CatalogueEntry, Content, DesiredVersion, FleetId, NodeApi, NodeId, NodeObservation, RunId,
    Snapshot, SnapshotId, Thresholds,
};
use plumb_journal::{
    Body, StateMark,
    portable::{LINE_BYTES_MAX, Line, read_line},
};
use plumb_store::{
    JournalRow, SweepMeta,
    desired::DesiredChange,
    heads::HeadRow,
    history::{FleetChange, FleetReload},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    actions::capture::history::{ALERTS, CATALOGUE, CHANGES, CONTENTS, INCIDENTS, RELOADS},
    alerts::hub::KeptIncident,
    error::{AppError, Code, chain},
    views::{convert::ms, node::RawAnswer},
};

/// Name of the fleet file in the scratch folder.
pub(super) const FLEET_FILE: &str = "fleet.toml";
/// An address that leads nowhere, for nodes whose own was taken out.
const NOWHERE: &str = "http://evidence.invalid/";
/// Answers of one node that are shown.
const ANSWERS_MAX: usize = 64;

/// Everything of an archive but what nodes answered.
#[derive(Debug)]
pub(super) struct Contents {
    pub(super) evidence: plumb_evidence::Evidence,
    pub(super) snapshot: Snapshot,
    /// When the newest of it was seen.
    pub(super) captured_at: Timestamp,
    pub(super) runs: Vec<CapturedRun>,
    pub(super) states: BTreeMap<RunId, Vec<StateMark>>,
    pub(super) desired: Vec<DesiredChange>,
    pub(super) catalogue: Vec<CatalogueEntry>,
    pub(super) policies: Vec<Content>,
    pub(super) changes: Vec<FleetChange>,
    pub(super) reloads: Vec<FleetReload>,
    pub(super) sweeps: Vec<SweepMeta>,
    pub(super) alerts: Vec<Alert>,
    pub(super) incidents: Vec<KeptIncident>,
    pub(super) roster: Option<Vec<u8>>,
    /// Public keys, each with the name of its entry.
    pub(super) keys: Vec<(EntryName, String)>,
}

/// A run with its journal.
#[derive(Debug)]
pub(super) struct CapturedRun {
    pub(super) part: RunPart,
    pub(super) plan: String,
    pub(super) rows: Vec<JournalRow>,
    pub(super) bodies: Vec<Body>,
    pub(super) heads: Vec<HeadRow>,
}

/// `fleet/fleet.json` as a capture writes it.
#[derive(Deserialize)]
struct CapturedFleet {
    environment: String,
    snapshot: SnapshotId,
    taken_at: Timestamp,
    #[serde(default)]
    thresholds: Thresholds,
    #[serde(default)]
    desired: Option<DesiredVersion>,
    #[serde(default)]
    desired_by_node: BTreeMap<NodeId, DesiredVersion>,
    nodes: Vec<CapturedNode>,
}

#[derive(Deserialize)]
struct CapturedNode {
    id: NodeId,
    api: NodeApi,
    url: String,
    labels: BTreeMap<String, String>,
    bundle: Option<String>,
}

#[derive(Deserialize)]
struct CapturedStanding {
    node: NodeId,
    observation: NodeObservation,
}

#[derive(Deserialize)]
struct CapturedWish {
    at: Timestamp,
    node: Option<NodeId>,
    desired: Option<DesiredVersion>,
}

#[derive(Deserialize)]
struct CapturedSweep {
    started_at: Timestamp,
    finished_at: Timestamp,
}

impl Contents {
    /// Reads what there is, and writes the fleet file into the scratch folder. Lines of which the redaction took too
    /// much are left out: a node is unknown then, an alert not shown.
    pub(super) fn read(
        archive: &Archive<FileSource>,
        scratch: &Utf8Path,
    ) -> Result<Self, AppError> {
        let evidence = evidence(archive).map_err(|error| {
            AppError::new(Code::Invalid, chain(&error), "capture again with this program")
        })?;
        let fleet: CapturedFleet = json(archive, "fleet/fleet.json")?;
        write_fleet_file(&fleet, &evidence.about.fleet, scratch)?;
        let seen: Vec<CapturedStanding> = lines(archive, NODES)?;
        let snapshot = Snapshot {
            id: fleet.snapshot,
            fleet: evidence.about.fleet.clone(),
            taken_at: fleet.taken_at,
            nodes: seen.into_iter().map(|line| (line.node, line.observation)).collect(),
        };
        let wishes: Vec<CapturedWish> = lines(archive, "fleet/desired.jsonl")?;
        // The newest stands first, and the record takes the oldest first.
        let desired = wishes.into_iter().rev().map(|wish| DesiredChange {
            node: wish.node,
            desired: wish.desired,
            at: wish.at,
        });
        let mut sweeps: Vec<SweepMeta> = lines::<CapturedSweep>(archive, "fleet/sweeps.jsonl")?
            .into_iter()
            .map(|one| SweepMeta { started_at: one.started_at, finished_at: one.finished_at })
            .collect();
        sweeps.sort_by_key(|sweep| sweep.finished_at);
        let mut runs = Vec::new();
        let mut states = BTreeMap::new();
        for part in &evidence.runs {
            runs.extend(run(archive, part)?);
            states.insert(part.run, lines(archive, &states_of(part.run))?);
        }
        let changes: Vec<FleetChange> = lines(archive, CHANGES)?;
        let newest = changes.iter().map(|one| one.change.at).max();
        let window = evidence.about.window;
        let captured_at =
            [Some(fleet.taken_at), Some(window.to), newest].into_iter().flatten().max();
        Ok(Self {
            captured_at: captured_at.unwrap_or(window.to),
            snapshot,
            runs,
            states,
            desired: desired.collect(),
            catalogue: optional(archive, CATALOGUE)?.unwrap_or_default(),
            policies: policies(archive)?,
            changes,
            reloads: lines(archive, RELOADS)?,
            sweeps,
            alerts: lines(archive, ALERTS)?,
            incidents: lines(archive, INCIDENTS)?,
            roster: archive.find(ROSTER).map(|_| bytes(archive, ROSTER)).transpose()?,
            keys: keys(archive)?,
            evidence,
        })
    }
}

#[derive(Serialize)]
struct FleetOut<'a> {
    name: &'a str,
    environment: &'a str,
    read_only: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    desired: Option<DesiredOut>,
    thresholds: ThresholdsOut,
    node: Vec<NodeOut<'a>>,
}

#[derive(Serialize)]
struct ThresholdsOut {
    digest_age_min: u32,
    load_age_h: u32,
}

#[derive(Serialize)]
struct DesiredOut {
    version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<String>,
}

#[derive(Serialize)]
struct NodeOut<'a> {
    id: &'a NodeId,
    api: NodeApi,
    url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    bundle: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    desired: Option<DesiredOut>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: &'a BTreeMap<String, String>,
}

fn desired_out(desired: &DesiredVersion) -> DesiredOut {
    DesiredOut {
        version: desired.version.to_string(),
        content: desired.content.map(|content| content.to_string()),
    }
}

fn write_fleet_file(
    fleet: &CapturedFleet,
    name: &FleetId,
    scratch: &Utf8Path,
) -> Result<(), AppError> {
    let node = fleet.nodes.iter().map(|node| NodeOut {
        id: &node.id,
        api: node.api,
        url: if plumb_fleet::node::is_url(&node.url) { &node.url } else { NOWHERE },
        bundle: node.bundle.as_deref(),
        desired: fleet.desired_by_node.get(&node.id).map(desired_out),
        labels: &node.labels,
    });
    let out = FleetOut {
        name: name.as_str(),
        environment: &fleet.environment,
        read_only: true,
        desired: fleet.desired.as_ref().map(desired_out),
        thresholds: ThresholdsOut {
            digest_age_min: fleet.thresholds.digest_age_s / 60,
            load_age_h: fleet.thresholds.load_age_s / 3_600,
        },
        node: node.collect(),
    };
    let wrong = |problem: String| {
        AppError::new(Code::Other, format!("{scratch}: {problem}"), "look at the folder's rights")
    };
    let text = toml::to_string(&out).map_err(|error| wrong(error.to_string()))?;
    std::fs::create_dir_all(scratch).map_err(|error| wrong(error.to_string()))?;
    std::fs::write(scratch.join(FLEET_FILE), text).map_err(|error| wrong(error.to_string()))
}

fn run(archive: &Archive<FileSource>, part: &RunPart) -> Result<Option<CapturedRun>, AppError> {
    let folder = run_folder(part.run);
    let (journal, plan) = (format!("{folder}/journal.jsonl"), format!("{folder}/plan.json"));
    let (Some(entry), Some(_)) = (archive.find(&journal), archive.find(&plan)) else {
        return Ok(None);
    };
    let mut run = CapturedRun {
        part: part.clone(),
        plan: String::from_utf8(bytes(archive, &plan)?).map_err(|error| unread(&plan, &error))?,
        rows: Vec::new(),
        bodies: Vec::new(),
        heads: Vec::new(),
    };
    let mut file = BufReader::new(archive.read(entry));
    let mut line = Vec::new();
    while next(&mut file, &mut line).map_err(|error| unread(&journal, &error))? {
        match read_line(&line) {
            Line::Head(envelope) => {
                let events = run.rows.len() as u64;
                run.heads.push(HeadRow { events, envelope: envelope.to_owned() });
            }
            // The header, and nothing else, is no entry: the chain was verified before.
            Line::Entry(Err(_)) => {}
            Line::Entry(Ok(_)) => {
                let CapturedEntry { body, hash } =
                    serde_json::from_slice(&line).map_err(|error| unread(&journal, &error))?;
                let read: Body =
                    serde_json::from_str(body.get()).map_err(|error| unread(&journal, &error))?;
                run.rows.push(JournalRow {
                    seq: read.seq,
                    at: read.at,
                    body: body.get().to_owned(),
                    hash,
                    previous: read.previous,
                });
                run.bodies.push(read);
            }
        }
    }
    Ok(Some(run))
}

#[derive(Deserialize)]
struct CapturedEntry<'a> {
    #[serde(borrow)]
    body: &'a serde_json::value::RawValue,
    hash: plumb_fleet::Digest,
}

fn policies(archive: &Archive<FileSource>) -> Result<Vec<Content>, AppError> {
    let folder = |name: &EntryName| name.folder() == CONTENTS;
    let names = archive.entries().iter().map(|entry| &entry.name).filter(|name| folder(name));
    let mut all = Vec::new();
    for name in names {
        let content: Content = json(archive, name.as_str())?;
        let lines = content.policies.iter().map(|policy| (policy.id.as_str(), policy.digest));
        if plumb_fleet::content::content_digest(lines, content.ordering) != content.digest {
            let problem = std::io::Error::other("its policies have another digest than it says");
            return Err(unread(name.as_str(), &problem));
        }
        all.push(content);
    }
    Ok(all)
}

fn keys(archive: &Archive<FileSource>) -> Result<Vec<(EntryName, String)>, AppError> {
    let names = archive.entries().iter().map(|entry| &entry.name);
    let names = names.filter(|name| name.folder() == "keys");
    names
        .map(|name| {
            let text = String::from_utf8(bytes(archive, name.as_str())?);
            Ok((name.clone(), text.map_err(|error| unread(name.as_str(), &error))?))
        })
        .collect()
}

/// What a node answered when it was asked for the capture. Blocking.
pub(super) fn answers(
    archive: &Archive<FileSource>,
    node: &NodeId,
) -> Result<Vec<RawAnswer>, AppError> {
    #[derive(Deserialize)]
    struct Captured {
        node: NodeId,
        path: String,
        at: Option<Timestamp>,
        status: Option<u16>,
        body: Option<String>,
    }
    let all: Vec<Captured> = lines(archive, "nodes/answers.jsonl")?;
    let of_node = all.into_iter().filter(|answer| answer.node == *node);
    let told = of_node.filter_map(|answer| {
        Some(RawAnswer {
            path: answer.path,
            status: answer.status?,
            body: answer.body?,
            truncated: false,
            at_ms: ms(answer.at?),
        })
    });
    Ok(told.take(ANSWERS_MAX).collect())
}

pub(super) fn bytes(archive: &Archive<FileSource>, name: &str) -> Result<Vec<u8>, AppError> {
    let missing = || {
        let message = format!("the archive has no {name}, without which it cannot be shown");
        AppError::new(Code::Invalid, message, "look at what it has: plumb evidence inspect FILE")
    };
    let entry = archive.find(name).ok_or_else(missing)?;
    archive.document(entry).map_err(|error| unread(name, &error))
}

fn json<T: DeserializeOwned>(archive: &Archive<FileSource>, name: &str) -> Result<T, AppError> {
    serde_json::from_slice(&bytes(archive, name)?).map_err(|error| unread(name, &error))
}

fn optional<T: DeserializeOwned>(
    archive: &Archive<FileSource>,
    name: &str,
) -> Result<Option<T>, AppError> {
    archive.find(name).map(|_| json(archive, name)).transpose()
}

/// Lines that read as what they should be.
fn lines<T: DeserializeOwned>(
    archive: &Archive<FileSource>,
    name: &str,
) -> Result<Vec<T>, AppError> {
    let Some(entry) = archive.find(name) else { return Ok(Vec::new()) };
    let mut file = BufReader::new(archive.read(entry));
    let (mut all, mut line) = (Vec::new(), Vec::new());
    while next(&mut file, &mut line).map_err(|error| unread(name, &error))? {
        all.extend(serde_json::from_slice::<T>(&line).ok());
    }
    Ok(all)
}

/// The next line without its end; one that is longer than any is cut, and does not read.
fn next(file: &mut impl std::io::BufRead, line: &mut Vec<u8>) -> std::io::Result<bool> {
    line.clear();
    std::io::Read::take(&mut *file, LINE_BYTES_MAX as u64 + 2).read_until(b'\n', line)?;
    if line.last() == Some(&b'\n') {
        line.pop();
        return Ok(true);
    }
    Ok(!line.is_empty())
}

pub(super) fn unread(name: &str, error: &dyn std::error::Error) -> AppError {
    AppError::new(Code::Invalid, format!("{name}: {}", chain(error)), "verify the archive")
}
