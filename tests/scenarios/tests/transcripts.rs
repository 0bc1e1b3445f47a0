//! Each `input/*.txt` is a script of an operator at the demo fleet; what is shown must equal `output/*.txt`.
//!
//! `PLUMBLINE_WRITE_TRANSCRIPTS=1` writes the outputs anew. Times, ports and hashes are not shown, so a transcript is the
//! same on every machine.

#[path = "transcripts/rollouts.rs"]
mod rollouts;

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path};

use camino::Utf8Path;
use plumb_app::{
    App, AppOptions, KeyPlace, Passphrase,
    error::AppError,
    views::{
        drift::Baseline,
        fleet::{FleetPage, FleetSort, FleetView},
        plan::{ActionKind, ActionRequest, ConfirmationView, NodeSelection, PlanView},
    },
};
use plumb_demo::{DemoFleet, DemoOptions, RunningDemo};
use scenarios_tests::{assert_as_kept, scripts};
use tempfile::TempDir;

const FLEET: &str = "demo";

/// One script that is being carried out.
struct Session {
    folder: TempDir,
    demo: Option<RunningDemo>,
    app: App,
    plan: Option<PlanView>,
    /// The rollout that was started last.
    run: Option<String>,
    /// What takes the run that ended last back.
    undo: Option<ActionRequest>,
    shown: String,
}

#[tokio::test]
async fn transcripts_are_as_they_were() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut shown = BTreeMap::new();
    for (name, script) in scripts(&folder.join("input")) {
        shown.insert(name, play(&script).await);
    }
    assert_as_kept(&folder.join("output"), shown);
}

async fn play(script: &str) -> String {
    let folder = TempDir::new().expect("a folder");
    let demo = DemoFleet::start(DemoOptions::new(folder.path().join("demo")))
        .await
        .expect("the demo starts");
    let app = App::open(options(&folder)).await.expect("the files open");
    app.add_fleet(&demo.fleet_file.display().to_string()).await.expect("the fleet opens");
    let mut session = Session {
        folder,
        demo: Some(demo),
        app,
        plan: None,
        run: None,
        undo: None,
        shown: String::new(),
    };
    for line in script.lines().filter(|line| !line.is_empty()) {
        writeln!(session.shown, "{line}").expect("writing to a string");
        if !line.starts_with('#')
            && let Err(error) = session.step(line).await
        {
            session.say(format_args!("{} ({})", error.message, error.hint));
        }
    }
    session.app.close().await;
    session.shown
}

/// A console that signs with a throw-away key, whatever keyring this machine has.
fn options(folder: &TempDir) -> AppOptions {
    let keys = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/keys");
    let console_key = KeyPlace::File {
        path: keys.join("ed25519.key"),
        passphrase: Passphrase::new(|| Ok("correct horse battery".into())),
    };
    let data_dir = Utf8Path::from_path(folder.path()).expect("UTF-8").join("data");
    AppOptions { console_key, ..AppOptions::command(data_dir) }
}

fn page(filter: &str) -> FleetPage {
    FleetPage {
        filter: filter.to_owned(),
        sort: FleetSort::Name,
        descending: false,
        offset: 0,
        limit: 500,
    }
}

fn nodes(words: &[&str]) -> NodeSelection {
    match words {
        [] | ["all"] => NodeSelection::All,
        ["drifted"] => NodeSelection::Drifted,
        ids => NodeSelection::Nodes { ids: ids.iter().map(ToString::to_string).collect() },
    }
}

impl Session {
    fn say(&mut self, line: impl std::fmt::Display) {
        writeln!(self.shown, "    {line}").expect("writing to a string");
    }

    async fn step(&mut self, line: &str) -> Result<(), AppError> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let request = |kind, version: Option<&str>, nodes| ActionRequest {
            version: version.map(str::to_owned),
            ..ActionRequest::new(kind, nodes)
        };
        match words.as_slice() {
            ["sweep"] => {
                let swept = self.app.sweep(FLEET).await?;
                self.say(format_args!(
                    "{} of {} answered",
                    swept.snapshot.answered(),
                    swept.snapshot.nodes.len()
                ));
            }
            ["states", filter @ ..] => self.states(&filter.join(" ")).await?,
            ["groups"] => self.groups().await?,
            ["diff", node] => self.diff(node).await?,
            ["plan", "sync", selected @ ..] => {
                self.plan(request(ActionKind::Sync, None, nodes(selected))).await?;
            }
            ["plan", "rollback", selected @ ..] => {
                self.plan(request(ActionKind::Rollback, None, nodes(selected))).await?;
            }
            ["plan", "pin", version, selected @ ..] => {
                self.plan(request(ActionKind::PinAndSync, Some(version), nodes(selected))).await?;
            }
            ["plan", "set", key, value, selected @ ..] => {
                let set = ActionRequest {
                    key: Some((*key).to_owned()),
                    value: Some((*value).to_owned()),
                    ..request(ActionKind::SetConfig, None, nodes(selected))
                };
                self.plan(set).await?;
            }
            ["plan", "unpin", selected @ ..] => {
                self.plan(request(ActionKind::Unpin, None, nodes(selected))).await?;
            }
            ["undo"] => {
                let undo = self.undo.take().expect("a run that can be undone");
                self.plan(undo).await?;
            }
            ["plan", "resolve-conflict", version] => {
                self.plan(request(ActionKind::ResolveConflict, Some(version), NodeSelection::All))
                    .await?;
            }
            ["rollout", words @ ..] => self.rollout(words).await?,
            ["lose" | "find", "bundle", file] => self.move_bundle(file),
            ["start"] => self.start(true).await?,
            ["start", "untyped"] => self.start(false).await?,
            ["stop", "nodes"] => {
                if let Some(demo) = self.demo.take() {
                    demo.shutdown().await;
                }
            }
            ["reopen"] => {
                self.app.close().await;
                self.app = App::open(options(&self.folder)).await?;
            }
            _ => panic!("no such step: {line}"),
        }
        Ok(())
    }

    /// Takes a bundle away from the nodes that load files, or gives it back.
    fn move_bundle(&self, file: &str) {
        let here = self.folder.path().join("demo/bundles").join(file);
        let away = self.folder.path().join(file);
        let (from, to) = if here.exists() { (here, away) } else { (away, here) };
        fs::rename(from, to).expect("the bundle is there");
    }

    async fn states(&mut self, filter: &str) -> Result<(), AppError> {
        let view: FleetView = self.app.fleet_overview(FLEET, &page(filter)).await?;
        for row in &view.rows {
            let state = format!("{:?}", row.state);
            self.say(format_args!(
                "{:<14} {state:<11} {}",
                row.id,
                row.version.as_deref().unwrap_or("-")
            ));
        }
        self.say(format_args!("{} of {} nodes", view.matched, view.total));
        Ok(())
    }

    async fn groups(&mut self) -> Result<(), AppError> {
        let view = self.app.drift(FLEET, &Baseline::Desired, None).await?;
        self.say(format_args!("baseline {}", view.baseline.label));
        for group in view.groups {
            let version = group.version.as_deref().unwrap_or("not known").to_owned();
            let note = if group.is_baseline {
                "the baseline".to_owned()
            } else {
                group.note.unwrap_or_default()
            };
            self.say(
                format_args!("{:<9} {} nodes  {note}", version, group.count).to_string().trim_end(),
            );
        }
        Ok(())
    }

    async fn diff(&mut self, node: &str) -> Result<(), AppError> {
        let groups = self.app.drift(FLEET, &Baseline::Desired, None).await?.groups;
        let key = groups
            .into_iter()
            .find(|group| group.nodes.iter().any(|id| id == node))
            .map(|group| group.key);
        let view = self.app.drift(FLEET, &Baseline::Desired, key.as_deref()).await?;
        let Some(diff) = view.diff else { return Ok(()) };
        for policy in diff.policies {
            let change = format!("{:?}", policy.change);
            if change != "Equal" {
                let moved = match (policy.moved, policy.from_position, policy.to_position) {
                    (true, Some(from), Some(to)) => format!(" {from} -> {to}"),
                    _ => String::new(),
                };
                self.say(format_args!("{change:<8} {}{moved}", policy.id));
            }
        }
        Ok(())
    }

    async fn plan(&mut self, request: ActionRequest) -> Result<(), AppError> {
        let plan = self.app.prepare_plan(FLEET, &request).await?;
        self.say(format_args!("{}: {} of {} nodes", plan.title, plan.blast.nodes, plan.blast.of));
        for line in &plan.pins {
            self.say(line);
        }
        for target in &plan.targets {
            let version =
                |version: &Option<String>| version.clone().unwrap_or_else(|| "-".to_owned());
            let line = format!(
                "{}  {} -> {}",
                target.node,
                version(&target.from_version),
                version(&target.to_version)
            );
            self.say(line);
        }
        for finding in plan.findings.iter().filter(|finding| finding.node.is_some()) {
            let severity = format!("{:?}", finding.severity);
            self.say(format_args!(
                "{severity:<8} {} {}",
                finding.code,
                finding.node.as_deref().unwrap_or("")
            ));
        }
        self.say(format_args!("confirm: {:?}", plan.confirmation));
        self.plan = Some(plan);
        Ok(())
    }

    /// Starts the plan shown last, typing the phrase where one is asked for unless told not to.
    async fn start(&mut self, typing: bool) -> Result<(), AppError> {
        let plan = self.plan.take().expect("a plan was made");
        let phrase = match &plan.confirmation {
            ConfirmationView::Typed { phrase } if typing => Some(phrase.clone()),
            _ => None,
        };
        let run = self.app.start_run(FLEET, &plan.hash, phrase.as_deref()).await?;
        let run = self.app.finished(&run.id).await?;
        for node in &run.nodes {
            self.say(format_args!("{:<14} {:?}", node.node, node.state));
        }
        self.say(format_args!("{:?}: {}", run.phase, run.summary));
        self.undo = run.undo;
        Ok(())
    }
}
