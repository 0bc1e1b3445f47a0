//! What an archive has that a fleet is shown from, read once.

use std::{collections::BTreeMap, io::BufReader};

use camino::Utf8Path;
use jiff::Timestamp;
use plumb_alert::Alert;
use plumb_evidence::{
    Archive, EntryName, FileSource, RunPart,
    diff::{NODES, evidence},
    journal::{JournalReader, NoJournal, Row},
    manifest::{ROSTER, run_folder, states_of},
};
use plumb_fleet::{
    CatalogueEntry, Content, DesiredVersion, FleetId, NodeApi, NodeId, NodeObservation, PlanHash,
    RunId, Snapshot, SnapshotId, Thresholds, fleet::NODES_MAX,
};
use plumb_journal::{Body, Entry, StateMark};
use plumb_runbook::document::RunbookPlan;
use plumb_store::{
    JournalRow, SweepMeta,
    desired::DesiredChange,
    heads::HeadRow,
    history::{FleetChange, FleetReload},
    runbooks::OfRunbook,
    sweeps::{DigestAges, Sweep},
};
use serde::{Deserialize, Serialize};

use super::{
    limits::{ANSWERS_MAX, CONTENTS_MAX, EVENTS_MAX, KEYS_MAX},
    reading::{Reading, under, unread},
    refused::{self, CapturedRefused},
    requests::{self, CapturedRequest},
};
use crate::{
    actions::capture::{
        history::{ALERTS, CATALOGUE, CHANGES, CONTENTS, INCIDENTS, RELOADS},
        readiness::{READINESS, ReadinessLine},
    },
    alerts::hub::KeptIncident,
    error::{AppError, Code, chain},
    views::{convert::ms, evidence::EvidenceUnread, node::RawAnswer, runbook::EvidenceFileView},
};

/// Name of the fleet file in the scratch folder.
pub(super) const FLEET_FILE: &str = "fleet.toml";
/// An address that leads nowhere, for nodes whose own was taken out.
const NOWHERE: &str = "http://evidence.invalid/";

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
    /// Oldest first.
    pub(super) sweeps: Vec<Sweep>,
    pub(super) alerts: Vec<Alert>,
    pub(super) incidents: Vec<KeptIncident>,
    pub(super) roster: Option<Vec<u8>>,
    /// Public keys, each with the name of its entry.
    pub(super) keys: Vec<(EntryName, String)>,
    /// Plans that wait for consent.
    pub(super) requests: BTreeMap<PlanHash, CapturedRequest>,
    /// What was shown to be ready.
    pub(super) readiness: Vec<ReadinessLine>,
    /// What was refused in the fleet.
    pub(super) refused: CapturedRefused,
    /// Entries of which some lines did not read.
    pub(super) unread: Vec<EvidenceUnread>,
}

/// A run with its journal.
#[derive(Debug)]
pub(super) struct CapturedRun {
    pub(super) part: RunPart,
    /// The plan as it was hashed: of nodes, or of a runbook.
    pub(super) plan: String,
    /// The runbook it is one of.
    pub(super) of: Option<OfRunbook>,
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
    snapshot: SnapshotId,
    taken_at: Timestamp,
    started_at: Timestamp,
    finished_at: Timestamp,
    nodes: u32,
    answered: u32,
    #[serde(default)]
    ages: Option<DigestAges>,
}

impl Contents {
    /// Reads what there is, and writes the fleet file into the scratch folder. Lines of which the redaction took too
    /// much are left out, and told: a node is unknown then, an alert not shown.
    pub(super) fn read(
        archive: &Archive<FileSource>,
        scratch: &Utf8Path,
    ) -> Result<Self, AppError> {
        let evidence = evidence(archive).map_err(|error| {
            AppError::new(Code::Invalid, chain(&error), "capture again with this program")
        })?;
        let mut reading = Reading::of(archive);
        let fleet: CapturedFleet = reading.json("fleet/fleet.json")?;
        under(fleet.nodes.len(), NODES_MAX, "nodes")?;
        write_fleet_file(&fleet, &evidence.about.fleet, scratch)?;
        let seen: Vec<CapturedStanding> = reading.lines(NODES)?;
        let snapshot = Snapshot {
            id: fleet.snapshot,
            fleet: evidence.about.fleet.clone(),
            taken_at: fleet.taken_at,
            nodes: seen.into_iter().map(|line| (line.node, line.observation)).collect(),
        };
        let (runs, states) = runs(&mut reading, &evidence)?;
        let changes: Vec<FleetChange> = reading.lines(CHANGES)?;
        let refused = refused::all(&mut reading, &evidence.about.fleet)?;
        let newest = changes.iter().map(|one| one.change.at);
        let newest = newest.chain(refused.log.iter().map(|line| line.at));
        let newest = newest.chain(refused.lists.iter().map(|(line, _)| line.accepted_at)).max();
        let window = evidence.about.window;
        let captured_at =
            [Some(fleet.taken_at), Some(window.to), newest].into_iter().flatten().max();
        Ok(Self {
            captured_at: captured_at.unwrap_or(window.to),
            snapshot,
            runs,
            states,
            desired: wishes(&mut reading)?,
            catalogue: reading.optional(CATALOGUE)?.unwrap_or_default(),
            policies: policies(&mut reading)?,
            changes,
            reloads: reading.lines(RELOADS)?,
            sweeps: sweeps(&mut reading)?,
            alerts: reading.lines(ALERTS)?,
            incidents: reading.lines(INCIDENTS)?,
            roster: archive.find(ROSTER).map(|_| reading.bytes(ROSTER)).transpose()?,
            keys: keys(&mut reading)?,
            requests: requests::all(&mut reading)?,
            readiness: reading.lines(READINESS)?,
            refused,
            unread: reading.into_unread(),
            evidence,
        })
    }
}

fn wishes(reading: &mut Reading<'_>) -> Result<Vec<DesiredChange>, AppError> {
    let wishes: Vec<CapturedWish> = reading.lines("fleet/desired.jsonl")?;
    // The newest stands first, and the record takes the oldest first.
    let oldest_first = wishes.into_iter().rev();
    let change =
        |wish: CapturedWish| DesiredChange { node: wish.node, desired: wish.desired, at: wish.at };
    Ok(oldest_first.map(change).collect())
}

fn sweeps(reading: &mut Reading<'_>) -> Result<Vec<Sweep>, AppError> {
    let told: Vec<CapturedSweep> = reading.lines("fleet/sweeps.jsonl")?;
    let sweep = |one: CapturedSweep| {
        let CapturedSweep { snapshot, taken_at, started_at, finished_at, nodes, answered, ages } =
            one;
        let meta = SweepMeta { started_at, finished_at };
        Sweep { snapshot, taken_at, meta, nodes, answered, ages }
    };
    let mut sweeps: Vec<Sweep> = told.into_iter().map(sweep).collect();
    sweeps.sort_by_key(|sweep| sweep.meta.finished_at);
    Ok(sweeps)
}

type States = BTreeMap<RunId, Vec<StateMark>>;

fn runs(
    reading: &mut Reading<'_>,
    evidence: &plumb_evidence::Evidence,
) -> Result<(Vec<CapturedRun>, States), AppError> {
    let (mut runs, mut states, mut events) = (Vec::new(), States::new(), 0);
    for part in &evidence.runs {
        runs.extend(run(reading, part, &mut events)?);
        states.insert(part.run, reading.lines(&states_of(part.run))?);
    }
    Ok((runs, states))
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

/// `events` are those of all runs that were read before.
fn run(
    reading: &mut Reading<'_>,
    part: &RunPart,
    events: &mut usize,
) -> Result<Option<CapturedRun>, AppError> {
    let folder = run_folder(part.run);
    let journal = format!("{folder}/journal.jsonl");
    let runbook = format!("{folder}/runbook.json");
    let of_runbook = reading.archive.find(&runbook).is_some();
    let plan = if of_runbook { runbook } else { format!("{folder}/plan.json") };
    let (Some(entry), Some(_)) = (reading.archive.find(&journal), reading.archive.find(&plan))
    else {
        return Ok(None);
    };
    let text = reading.text(&plan)?;
    let of = match of_runbook.then(|| of_runbook_plan(&text)) {
        Some(Ok(of)) => Some(of),
        Some(Err(why)) => {
            reading.note(EvidenceUnread { entry: plan, lines: 1, first: 1, why });
            return Ok(None);
        }
        None => None,
    };
    let mut run = CapturedRun {
        part: part.clone(),
        plan: text,
        of,
        rows: Vec::new(),
        bodies: Vec::new(),
        heads: Vec::new(),
    };
    reading.spend(entry)?;
    let wrong = |error: NoJournal| unread(&journal, &error);
    let file = BufReader::new(reading.archive.read(entry));
    let mut rows = JournalReader::new(file).map_err(wrong)?;
    while let Some(row) = rows.row().map_err(wrong)? {
        match row {
            Row::Head(envelope) => {
                run.heads.push(HeadRow { events: run.rows.len() as u64, envelope });
            }
            Row::Event(entry, text) => {
                let Entry { body, hash } = *entry;
                *events += 1;
                under(*events, EVENTS_MAX, "events")?;
                let (seq, at, previous) = (body.seq, body.at, body.previous);
                run.rows.push(JournalRow { seq, at, body: text, hash, previous });
                run.bodies.push(body);
            }
        }
    }
    Ok(Some(run))
}

/// What the plan of a runbook says of it; or why this program cannot show its steps.
fn of_runbook_plan(text: &str) -> Result<OfRunbook, String> {
    let plan: RunbookPlan = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let compiled = plan.compile().map_err(|error| error.to_string())?;
    let title = compiled.front.title.value.clone();
    // Where its commands ran and its files lay was on another machine.
    Ok(OfRunbook { runbook: plan.runbook, title, folder: String::new(), artifacts: String::new() })
}

/// Files that steps of a runbook kept, as they stand in the archive.
pub(super) fn kept_files(archive: &Archive<FileSource>, run: RunId) -> Vec<EvidenceFileView> {
    let folder = files_of(run);
    let entries = archive.entries().iter();
    let files = entries.filter_map(|entry| {
        Some(EvidenceFileView {
            name: entry.name.as_str().strip_prefix(&folder)?.to_owned(),
            sha256: entry.verified()?.to_string(),
            bytes: Some(entry.bytes),
        })
    });
    files.collect()
}

/// Where they stand.
pub(super) fn files_of(run: RunId) -> String {
    format!("{}/files/", run_folder(run))
}

fn policies(reading: &mut Reading<'_>) -> Result<Vec<Content>, AppError> {
    let mut all = Vec::new();
    for name in in_folder(reading, CONTENTS, CONTENTS_MAX)? {
        let content: Content = reading.json(name.as_str())?;
        let lines = content.policies.iter().map(|policy| (policy.id.as_str(), policy.digest));
        if plumb_fleet::content::content_digest(lines, content.ordering) != content.digest {
            let problem = std::io::Error::other("its policies have another digest than it says");
            return Err(unread(name.as_str(), &problem));
        }
        all.push(content);
    }
    Ok(all)
}

fn keys(reading: &mut Reading<'_>) -> Result<Vec<(EntryName, String)>, AppError> {
    let names = in_folder(reading, "keys", KEYS_MAX)?;
    names.into_iter().map(|name| Ok((name.clone(), reading.text(name.as_str())?))).collect()
}

fn in_folder(reading: &Reading<'_>, folder: &str, max: usize) -> Result<Vec<EntryName>, AppError> {
    let names = reading.archive.entries().iter().map(|entry| &entry.name);
    let names: Vec<EntryName> = names.filter(|name| name.folder() == folder).cloned().collect();
    under(names.len(), max, folder)?;
    Ok(names)
}

/// What a node answered when it was asked for the capture, and what of all answers did not read. Blocking.
pub(super) fn answers(
    archive: &Archive<FileSource>,
    node: &NodeId,
) -> Result<(Vec<RawAnswer>, Vec<EvidenceUnread>), AppError> {
    #[derive(Deserialize)]
    struct Captured {
        node: NodeId,
        path: String,
        at: Option<Timestamp>,
        status: Option<u16>,
        body: Option<String>,
    }
    let (mut reading, mut told) = (Reading::of(archive), Vec::new());
    reading.each("nodes/answers.jsonl", |answer: Captured| {
        if answer.node != *node || told.len() == ANSWERS_MAX {
            return;
        }
        if let (Some(status), Some(body), Some(at)) = (answer.status, answer.body, answer.at) {
            let at_ms = ms(at);
            told.push(RawAnswer { path: answer.path, status, body, truncated: false, at_ms });
        }
    })?;
    Ok((told, reading.into_unread()))
}
