//! Evidence of a run, or of a fleet now: collected, redacted before a byte is kept, and sealed.

pub(crate) mod gather;
pub(crate) mod history;
mod nodes;
mod page;
mod pictures;
mod raw;
pub(crate) mod readiness;
pub(crate) mod refused;
mod runs;
mod sources;
pub(crate) mod waiting;

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use jiff::{SignedDuration, Timestamp};
use plumb_evidence::{
    About, Capture, CaptureError, Seal, SealError, Window, capture::Captured, live::token_key,
    prepare, proofs::Proof, seal_prepared,
};
use plumb_fleet::{Fleet, FleetId, NodeId, RunId};
use plumb_redact::{RuleSpec, Rules};
use plumb_trust::locked::{lock, unlock};
use secrecy::{ExposeSecret as _, SecretString};
use tracing::info;
use zeroize::Zeroizing;

use gather::blocking;
use raw::RawFile;
pub use raw::raw_answers;

use crate::{
    actions::prepare::select,
    app::App,
    console_key::write_private,
    current::Current,
    error::{AppError, Code, chain},
    fleets::folder_of,
    ids::run_id,
    personal_keys::KeyChoice,
    queries::evidence::missing_line,
    views::{
        evidence::{CaptureView, RuleLine, SealedView},
        plan::NodeSelection,
    },
};

/// How far back a capture of a fleet looks where nobody says it, in seconds.
pub const WINDOW_S: u32 = 3_600;
/// Own redaction rules of a fleet, beside its file.
pub const RULES_FILE: &str = "redaction.toml";
/// Longest such file.
const RULES_BYTES_MAX: u64 = 256 << 10;

/// What is to be captured.
#[derive(Debug, Clone)]
pub struct CaptureRequest {
    pub fleet: String,
    /// The run it is about; nothing for the fleet as it stands.
    pub run: Option<String>,
    /// How far back; the run's own time without it.
    pub last_s: Option<u32>,
    pub nodes: NodeSelection,
    /// Ask nodes for their documents and logs as they are now.
    pub ask: bool,
    /// The command line that asks for this, which is evidence too.
    pub command: Vec<String>,
    /// Where to keep what each token stands for, under a passphrase; nowhere without it.
    pub map: Option<(Utf8PathBuf, SecretString)>,
    /// Where to keep what nodes answered word for word, under a passphrase; nowhere without it.
    pub raw: Option<(Utf8PathBuf, SecretString)>,
}

/// Whose key seals.
#[derive(Debug, Clone)]
pub enum Sealer {
    Console,
    Person(KeyChoice),
}

/// What a capture is about, once it is known.
struct Scope {
    current: Current,
    run: Option<RunId>,
    window: Window,
    /// Nodes it is about; nothing means all of them.
    nodes: Option<Vec<NodeId>>,
}

impl App {
    /// Collects evidence into an empty folder. What cannot be collected is listed in it with the reason.
    pub async fn capture_evidence(
        &self,
        request: &CaptureRequest,
        folder: &Utf8Path,
    ) -> Result<CaptureView, AppError> {
        let scope = self.scope(request).await?;
        let about = self.about(request, &scope);
        let (spec, rules) = self.redaction_rules(&request.fleet)?;
        let key = self.token_key()?;
        let capture = Capture::begin(folder, about, spec, rules, key)
            .map_err(|error| not_captured(folder, &error))?;
        let raw =
            request.raw.as_ref().map(|(path, word)| RawFile::begin(path, word)).transpose()?;
        let captured = self.gather(capture, request, (&scope, raw)).await?;
        sources::assert_known(&captured.canaries);
        if let Some((path, passphrase)) = &request.map {
            keep_map(&captured, path, passphrase)?;
        }
        info!(fleet = %request.fleet, entries = captured.draft.entries().len(), "evidence captured");
        Ok(view(&captured))
    }

    /// Seals a folder of captured evidence.
    pub async fn seal_evidence(
        &self,
        folder: &Utf8Path,
        path: &Utf8Path,
        sealer: &Sealer,
    ) -> Result<SealedView, AppError> {
        let captured = Captured::open(folder).map_err(|error| not_captured(folder, &error))?;
        let key = match sealer {
            Sealer::Console => {
                let key = self.load_key().await?;
                let mut record = self.record().write().await?;
                self.keep_key(&mut record, &key).await?;
                record.commit().await?;
                key
            }
            Sealer::Person(choice) => self.personal_key(choice).await?,
        };
        if path.exists() {
            return Err(not_sealed(path, &SealError::Exists { path: path.to_owned() }));
        }
        let (made_at, path) = (self.now(), path.to_owned());
        let Captured { draft, canaries, .. } = captured;
        let planted = canaries.len();
        let file = path.clone();
        let (draft, prepared) = blocking(move || {
            let prepared = prepare(&draft, Seal { key: &key, made_at, canaries });
            prepared.map(|prepared| (draft, prepared)).map_err(|error| not_sealed(&file, &error))
        })
        .await??;
        let fleet = draft.about().fleet.to_string();
        let stamped = self.stamp_before_seal(&fleet, prepared.envelope()).await;
        let (stamp, proof, not_stamped) = match stamped {
            None => (None, None, None),
            Some(Ok((stamp, proof))) => (Some(stamp), Some(proof), None),
            Some(Err(error)) => (None, None, Some(format!("{}; {}", error.message, error.hint))),
        };
        let view = blocking(move || {
            let proof = proof.as_deref().map(|bytes| (Proof::Timestamp, bytes));
            let sealed = seal_prepared(&draft, prepared, proof, &path)
                .map_err(|error| not_sealed(&path, &error))?;
            Ok::<_, AppError>(SealedView {
                file: sealed.path.to_string(),
                fleet,
                entries: count(sealed.entries),
                bytes: sealed.bytes,
                manifest: sealed.manifest.to_string(),
                signed_by: sealed.signed_by.to_string(),
                planted: count(planted as u64),
                stamp,
                not_stamped,
                missing: draft.missing().iter().cloned().map(missing_line).collect(),
            })
        })
        .await??;
        info!(fleet = %view.fleet, file = %view.file, "evidence sealed");
        Ok(view)
    }

    /// The fleet of a run, of a plan or of a runbook.
    pub async fn fleet_of_run(&self, run: &str) -> Result<String, AppError> {
        Ok(self.kept_run(run_id(run)?).await?.fleet.to_string())
    }

    /// A folder of this machine for one capture.
    pub fn evidence_folder(&self) -> Utf8PathBuf {
        let id: RunId = crate::ids::new_id(self.now());
        self.0.options.data_dir.join("evidence").join(id.to_string())
    }

    /// The key of the tokens, made when it is asked for first: what a journal replaced is known by it when it is captured.
    pub(crate) fn token_key(&self) -> Result<[u8; 32], AppError> {
        let mut key = [0; 32];
        rand::fill(&mut key);
        let path = self.token_key_file();
        token_key(&path, key).map_err(|error| not_captured(&path, &error))
    }

    async fn scope(&self, request: &CaptureRequest) -> Result<Scope, AppError> {
        let current = self.current(&request.fleet).await?;
        let now = self.now();
        let run = request.run.as_deref().map(run_id).transpose()?;
        let (mut from, mut to) = (back(now, request.last_s.unwrap_or(WINDOW_S)), now);
        let mut targets: Option<Vec<NodeId>> = None;
        if let Some(run) = run {
            let kept = self.kept_run(run).await?;
            if kept.fleet.as_str() != request.fleet {
                let message =
                    format!("run {run} is one of {}, not of {}", kept.fleet, request.fleet);
                return Err(AppError::new(Code::Invalid, message, "name the fleet of the run"));
            }
            if request.last_s.is_none() {
                from = kept.started_at;
                to = kept.end.map_or(now, |end| end.at);
            }
            // A runbook may look at any node.
            if !self.is_of_runbook(run).await? {
                // Of a plan that does not read, which is listed where the run is taken, nobody knows the nodes.
                let plan = self.kept_plan(run, kept.plan).await.ok();
                targets =
                    plan.map(|plan| plan.targets().map(|target| target.node.clone()).collect());
            }
        }
        let assessment = current.assess(now);
        let selected = select(&current, &assessment, &request.nodes)?;
        let nodes = selected.map(|nodes| nodes.into_iter().collect()).or(targets);
        let unknown = nodes.iter().flatten().find(|id| !current.fleet.nodes.contains_key(*id));
        if let (Some(unknown), None) = (unknown, run) {
            let message = format!("{unknown} is not a node of {}", request.fleet);
            return Err(AppError::new(
                Code::NotFound,
                message,
                "name nodes as the fleet file does",
            ));
        }
        Ok(Scope { current, run, window: Window { from, to }, nodes })
    }

    fn about(&self, request: &CaptureRequest, scope: &Scope) -> About {
        let fleet = &scope.current.fleet;
        let selection = match (&request.nodes, &scope.nodes) {
            (NodeSelection::Filter { filter }, _) => format!("filter {filter}"),
            (_, Some(nodes)) => format!("{} of {} nodes", nodes.len(), fleet.nodes.len()),
            (_, None) => format!("all {} nodes", fleet.nodes.len()),
        };
        About { selection, window: scope.window, ..self.about_run(fleet, scope.window.from) }
    }

    /// What evidence of a run is about that has just begun.
    pub(crate) fn about_run(&self, fleet: &Fleet, from: Timestamp) -> About {
        About {
            by: self.0.options.operator.clone(),
            environment: fleet.environment.clone(),
            fleet: fleet.name.clone(),
            selection: "nodes of a run".to_owned(),
            tools: BTreeMap::from([("plumbline".to_owned(), env!("CARGO_PKG_VERSION").to_owned())]),
            window: Window { from, to: from },
        }
    }

    /// Built-in rules, and those of the fleet where it has a file of them.
    pub(crate) fn redaction_rules(&self, fleet: &str) -> Result<(RuleSpec, Rules), AppError> {
        let state = self.state(fleet)?;
        Self::redaction_rules_in(folder_of(&state.file))
    }

    pub(crate) fn redaction_rules_in(folder: &Utf8Path) -> Result<(RuleSpec, Rules), AppError> {
        let path = folder.join(RULES_FILE);
        let wrong = |problem: String| {
            let message = format!("{path}: {problem}");
            AppError::new(
                Code::Invalid,
                message,
                "mend the file, or take it away; nothing was captured",
            )
        };
        let spec = match std::fs::metadata(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => RuleSpec::default(),
            Err(error) => return Err(wrong(error.to_string())),
            Ok(found) if found.len() > RULES_BYTES_MAX => {
                return Err(wrong(format!("larger than {RULES_BYTES_MAX} bytes")));
            }
            Ok(_) => {
                let text =
                    std::fs::read_to_string(&path).map_err(|error| wrong(error.to_string()))?;
                toml::from_str(&text).map_err(|error| wrong(error.to_string()))?
            }
        };
        let rules = Rules::compile(&spec).map_err(|error| wrong(error.to_string()))?;
        Ok((spec, rules))
    }
}

/// Keeps the map of a capture beside the evidence, for those who may reverse it.
fn keep_map(
    captured: &Captured,
    path: &Utf8Path,
    passphrase: &SecretString,
) -> Result<(), AppError> {
    let map = Zeroizing::new(serde_json::to_vec(&captured.map).expect("words always serialise"));
    let mut fill = |bytes: &mut [u8]| rand::fill(bytes);
    let locked = lock(&map, passphrase.expose_secret(), &mut fill).map_err(|error| {
        AppError::new(Code::Invalid, chain(&error), "choose a longer passphrase")
    })?;
    write_private(path, &locked).map_err(|error| {
        let message = format!("{path} could not be made: {error}");
        AppError::new(Code::Invalid, message, "name a file that is not there yet")
    })
}

/// What each token of a capture stands for, from the file that was kept under a passphrase.
pub fn unmask(text: &str, passphrase: &SecretString) -> Result<BTreeMap<String, String>, AppError> {
    let wrong = |problem: String| {
        AppError::new(
            Code::Invalid,
            problem,
            "give the file that `--map` wrote, and its passphrase",
        )
    };
    let map = unlock(text, passphrase.expose_secret()).map_err(|error| wrong(chain(&error)))?;
    serde_json::from_slice(&map).map_err(|error| wrong(error.to_string()))
}

fn back(now: Timestamp, seconds: u32) -> Timestamp {
    now.checked_sub(SignedDuration::from_secs(i64::from(seconds))).unwrap_or(Timestamp::MIN)
}

fn count(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn view(captured: &Captured) -> CaptureView {
    let (draft, receipt) = (&captured.draft, &captured.receipt);
    let fleet: &FleetId = &draft.about().fleet;
    CaptureView {
        folder: draft.folder().to_string(),
        fleet: fleet.to_string(),
        runs: draft.runs().iter().map(|run| run.run.to_string()).collect(),
        entries: count(draft.entries().len() as u64),
        bytes: draft.entries().values().map(|written| written.bytes).sum(),
        secrets: receipt.secrets,
        rules: receipt
            .rules
            .iter()
            .map(|rule| RuleLine { rule: rule.rule.clone(), replaced: rule.replaced })
            .collect(),
        missing: draft.missing().iter().cloned().map(missing_line).collect(),
    }
}

fn not_captured(folder: &Utf8Path, error: &CaptureError) -> AppError {
    let hint = match error {
        CaptureError::Unfinished { .. } => "capture again into another folder",
        _ => "give an empty folder on a disk with space",
    };
    AppError::new(Code::Invalid, format!("{folder}: {}", chain(error)), hint)
}

fn not_sealed(path: &Utf8Path, error: &SealError) -> AppError {
    let hint = match error {
        SealError::Exists { .. } => "choose another name; nothing is written over",
        SealError::Leaks(_) => {
            "put the rules back that find them; the evidence stays where it was captured, unsealed"
        }
        SealError::Altered { .. } | SealError::Unfinished | SealError::Outcome { .. } => {
            "capture again"
        }
        _ => "look at the folder's rights and disk",
    };
    AppError::new(Code::Other, format!("{path} was not sealed: {}", chain(error)), hint)
}
