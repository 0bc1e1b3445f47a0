//! Does in the world what steps ask for. Secrets are named in documents, looked up here, and in nothing
//! that is kept.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use camino::Utf8PathBuf;
use jiff::SignedDuration;
use plumb_clients::{Answerer, PlainError, PlainRequest, Received, query_prometheus, send_plain};
use plumb_exec::{Answer, Came, Clock as _, Errand, StepHandler, Task};
use plumb_fleet::{CredentialRef, RunId};
use plumb_journal::{FreezeLease, StepOutcome};
use plumb_runbook::document::{
    Compiled, StepEffect, Values,
    steps::{
        capture::CaptureFrom,
        query::{QueryStep, Source},
    },
};
use plumb_store::runbooks::KeptFreeze;
use plumb_trust::dsse::Envelope;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use super::{
    artifacts,
    command::{Ended, NOTE, Program, run},
    dashboard::Shown,
    figures::Figures,
    names::OF_HUB,
    nodes::ActionOf,
};
use crate::{
    app::{App, Loaded},
    error::{AppError, chain},
    ports::keeping::Keeping,
    topics::Topic,
};

/// How long a figure may take.
const FIGURE_DEADLINE: Duration = Duration::from_secs(10);
/// Longest text of an output that conditions see, in characters; captures keep all of it.
const TEXT_CHARS_MAX: usize = 4_096;

/// Everything the steps of one run need of the world.
#[derive(Debug)]
pub(super) struct World {
    pub app: App,
    /// Hears what figures come to.
    pub figures: Figures,
    pub run: RunId,
    pub fleet: String,
    /// What a Prometheus answers over its connections is kept.
    pub loaded: Loaded,
    /// Keeps what others answer; nothing where that could not be begun.
    pub heard: Option<Arc<Keeping>>,
    pub compiled: Compiled,
    /// Folder in which commands run.
    pub folder: Utf8PathBuf,
    pub artifacts: Utf8PathBuf,
    /// Where outputs of commands stand until they are captured.
    pub outputs: Utf8PathBuf,
    /// Secrets that were used, to be found again in what came back.
    pub secrets: Mutex<Vec<(String, SecretString)>>,
    /// Its figures at a Grafana.
    pub shown: Shown,
    /// One capture at a time.
    pub keeping: tokio::sync::Mutex<()>,
}

fn answer(outcome: StepOutcome, detail: impl Into<String>, result: Value) -> Came {
    Came::Answer(Answer { outcome, detail: detail.into(), result })
}

fn failed(detail: impl Into<String>) -> Came {
    answer(StepOutcome::Failed, detail, json!({}))
}

/// It failed before it asked anything of the world.
fn not_begun(detail: impl Into<String>) -> Came {
    answer(StepOutcome::NotBegun, detail, json!({}))
}

impl StepHandler for World {
    async fn perform(&self, errand: &Errand, stop: &CancellationToken) -> Came {
        match &errand.task {
            Task::Plan { action, nodes, waves } => {
                let of = self.action(action, nodes, waves.as_ref());
                self.app.plan_step(of).await
            }
            Task::Carry { action, nodes, waves, plan } => {
                let of = self.action(action, nodes, waves.as_ref());
                self.app.carry_step(of, *plan, stop).await
            }
            Task::Do(effect) => self.effect(errand, effect, stop).await,
        }
    }

    async fn figure(&self, query: &QueryStep) -> Result<f64, String> {
        // Where figures are looked at beside a step, others may look at them, too.
        self.shown.begin(self.app.now());
        let answer = self.figure_of(query.source, &query.query).await;
        self.figures.add(query, self.app.now(), &answer);
        self.app.announce([Topic::run(self.run)]);
        answer
    }
}

impl World {
    fn action<'a>(
        &'a self,
        action: &'a plumb_runbook::Action,
        nodes: &'a str,
        waves: Option<&'a plumb_runbook::document::steps::action::Waves>,
    ) -> ActionOf<'a> {
        let reason = &self.compiled.front.title.value;
        ActionOf { run: self.run, fleet: &self.fleet, action, nodes, waves, reason }
    }

    async fn effect(&self, errand: &Errand, effect: &StepEffect, stop: &CancellationToken) -> Came {
        match effect {
            StepEffect::Doctor { check } => self.doctor(check).await,
            StepEffect::Query { source, query, .. } => match self.figure_of(*source, query).await {
                Ok(value) => {
                    answer(StepOutcome::Succeeded, format!("{value}"), json!({ "value": value }))
                }
                Err(error) => failed(error),
            },
            StepEffect::Http { .. } => self.http(effect).await,
            StepEffect::Run { .. } => self.command(errand, effect, stop).await,
            StepEffect::Freeze { reason, lease_s, .. } => {
                let taken = self.freeze(&errand.step, reason, *lease_s).await;
                match taken {
                    Ok(came) => came,
                    Err(error) => failed(format!("{}; {}", error.message, error.hint)),
                }
            }
            StepEffect::Unfreeze { step } => match self.unfreeze(step).await {
                Ok(()) => Came::Unfrozen {
                    answer: Answer {
                        outcome: StepOutcome::Succeeded,
                        detail: "the freeze is lifted".to_owned(),
                        result: json!({ "ok": true }),
                    },
                },
                Err(error) => failed(error.message),
            },
            StepEffect::Capture { from, into } => {
                let _one = self.keeping.lock().await;
                match self.capture(errand, from, into).await {
                    Ok(kept) => answer(StepOutcome::Succeeded, into.clone(), kept),
                    Err(error) => failed(format!("{into} was not kept: {error}")),
                }
            }
            // The engine sends none of these.
            StepEffect::Act { .. }
            | StepEffect::Wait { .. }
            | StepEffect::Announce { .. }
            | StepEffect::Ask { .. }
            | StepEffect::Attest { .. }
            | StepEffect::Approve { .. }
            | StepEffect::Steps => failed("this is for people"),
        }
    }

    async fn doctor(&self, check: &str) -> Came {
        let asking = async {
            self.app.sweep(&self.fleet).await?;
            self.app.doctor(&self.fleet, &[check.to_owned()]).await
        };
        match asking.await {
            Ok(view) => {
                let summary = view.checks.first().map(|check| check.summary.clone());
                let summary = summary.unwrap_or_default();
                let result = json!({ "ok": view.passed, "summary": summary });
                answer(StepOutcome::Succeeded, summary, result)
            }
            Err(error) => failed(format!("{}; {}", error.message, error.hint)),
        }
    }

    async fn figure_of(&self, source: Source, query: &str) -> Result<f64, String> {
        match source {
            Source::Prometheus => {
                let Some(server) = &self.loaded.fleet.prometheus else {
                    return Err("the fleet file names no Prometheus".to_owned());
                };
                let wall = self.app.wall();
                query_prometheus(&self.loaded.pool, server, query, FIGURE_DEADLINE, &wall)
                    .await
                    .map_err(|error| error.to_string())
            }
            Source::Nodes => self.of_nodes(query).await.map_err(|error| error.message),
            Source::Hub => self.of_hub(query).await,
        }
    }

    /// Figures of the hub that the fleet file names: alerts by their status, and claims nobody holds any more.
    async fn of_hub(&self, query: &str) -> Result<f64, String> {
        let asked = match query {
            "new" | "processing" | "failed" | "acked" => format!("/counts/{query}"),
            "stale" => "/stale_processing".to_owned(),
            other => {
                return Err(format!(
                    "{other:?} is no figure of a hub: ask for {}",
                    OF_HUB.join(", ")
                ));
            }
        };
        let hub = self.app.hub(&self.loaded).await.map_err(|error| chain(&error))?;
        let hub = hub.ok_or_else(|| "the fleet file names no hub: add [hub] to it".to_owned())?;
        let board: Value =
            hub.client().get("/v1/alerts/dashboard").await.map_err(|error| chain(&error))?;
        let figure = board.pointer(&asked).and_then(Value::as_f64);
        figure.ok_or_else(|| format!("the hub does not tell {query}"))
    }

    /// Figures over the nodes of the fleet, from a look at them now.
    async fn of_nodes(&self, query: &str) -> Result<f64, AppError> {
        let current = self.app.sweep(&self.fleet).await?;
        let assessment = current.assess(self.app.now());
        let nodes = current.snapshot.nodes.len();
        let silent = current.snapshot.nodes.values().filter(|node| node.failure.is_some()).count();
        let of_state = |name: &str| {
            assessment
                .counts
                .iter()
                .find(|(state, _)| state.name() == name)
                .map(|(_, count)| *count)
        };
        let count = match query {
            "nodes" => nodes,
            "silent" => silent,
            other => of_state(other).ok_or_else(|| {
                let message = format!("{other:?} is no figure of nodes");
                let hint = "ask for nodes, silent, or the name of a drift state";
                AppError::new(crate::error::Code::Invalid, message, hint)
            })?,
        };
        #[expect(clippy::cast_precision_loss, reason = "a fleet has 10,000 nodes at most")]
        Ok(count as f64)
    }

    /// A value of a document; `secret:NAME` stands for an entry of the keyring, `secret:env:NAME` for a
    /// variable of this program.
    async fn value(&self, text: &str) -> Result<SecretString, String> {
        let Some(name) = text.strip_prefix("secret:") else {
            return Ok(SecretString::from(text.to_owned()));
        };
        let of = match name.strip_prefix("env:") {
            Some(name) => CredentialRef::Env(name.to_owned()),
            None => CredentialRef::Keyring(name.to_owned()),
        };
        let tokens = &self.app.0.options.tokens;
        let secret = tokens.token(&of, self.app.0.options.clock.now()).await;
        let secret = secret.map_err(|error| format!("the secret {name}: {error}"))?;
        let mut known = self.secrets.lock().expect("no panic while secrets are held");
        known.push((name.to_owned(), secret.clone()));
        Ok(secret)
    }

    /// Bytes without the secrets that were used.
    fn scrubbed(&self, bytes: Vec<u8>) -> Vec<u8> {
        let known = self.secrets.lock().expect("no panic while secrets are held");
        if known.is_empty() {
            return bytes;
        }
        let mut text = String::from_utf8_lossy(&bytes).into_owned();
        for (name, secret) in known.iter().filter(|(_, secret)| !secret.expose_secret().is_empty())
        {
            text = text.replace(secret.expose_secret(), &format!("[secret {name}]"));
        }
        text.into_bytes()
    }

    async fn http(&self, effect: &StepEffect) -> Came {
        let StepEffect::Http { method, url, headers, body, timeout_s } = effect else {
            return failed("this is no request");
        };
        let mut filled = Vec::new();
        for (name, value) in headers {
            match self.value(value).await {
                Ok(value) => filled.push((name.clone(), value)),
                Err(error) => return not_begun(error),
            }
        }
        let request = PlainRequest {
            method: method.name(),
            url: url.clone(),
            headers: filled,
            body: body.clone().map(String::into_bytes),
            deadline: Duration::from_secs(u64::from(*timeout_s)),
        };
        let sent = send_plain(request, self.folder.as_std_path(), self.loaded.pool.uplink()).await;
        match sent {
            Ok(come) => {
                let text = self.scrubbed(come.body);
                self.hear(
                    (method.name(), url.as_str()),
                    (come.status, come.headers.as_slice()),
                    &text,
                );
                let mut result = document_of(&text, "body");
                result.insert("status".to_owned(), json!(come.status));
                let detail = format!("answered {}", come.status);
                answer(StepOutcome::Succeeded, detail, Value::Object(result))
            }
            Err(error @ PlainError::NoAnswer { .. }) if effect.mutates() => {
                answer(StepOutcome::InDoubt, error.to_string(), json!({}))
            }
            Err(error @ PlainError::NotSent { .. }) => not_begun(error.to_string()),
            Err(error) => failed(error.to_string()),
        }
    }

    /// Keeps an answer, without the secrets that were used.
    fn hear(&self, (method, url): (&str, &str), (status, headers): (u16, &[String]), body: &[u8]) {
        let Some(heard) = &self.heard else { return };
        let clean = |text: &str| {
            String::from_utf8_lossy(&self.scrubbed(text.as_bytes().to_vec())).into_owned()
        };
        // An address may hold a secret as well, and was read as one when it was sent.
        let (host, path) = host_and_path(url);
        heard.tap()(Received {
            from: Answerer::Host(clean(&host)),
            method: method.to_owned(),
            path: clean(&path),
            at: self.app.now(),
            status,
            headers: headers.iter().map(|header| clean(header)).collect(),
            body: body.to_vec(),
        });
    }

    async fn command(
        &self,
        errand: &Errand,
        effect: &StepEffect,
        stop: &CancellationToken,
    ) -> Came {
        let StepEffect::Run { argv, environment, folder, timeout_s, output_bytes_max, .. } = effect
        else {
            return failed("this is no command");
        };
        let environment = match self.environment(environment, &errand.of_run).await {
            Ok(environment) => environment,
            Err(error) => return not_begun(error),
        };
        let folder = match folder {
            None => self.folder.clone(),
            Some(below) => self.folder.join(below),
        };
        let note = self.output_path(&errand.step).with_extension(NOTE);
        let mark = format!("{}/{}/{}", self.run, errand.step, errand.attempt);
        if let Err(error) = std::fs::create_dir_all(&self.outputs) {
            return not_begun(format!("{} cannot be made: {error}", self.outputs));
        }
        let program = Program {
            argv,
            environment,
            folder: &folder,
            timeout: Duration::from_secs(u64::from(*timeout_s)),
            output_bytes_max: usize::try_from(*output_bytes_max).unwrap_or(usize::MAX),
            note: &note,
            mark: &mark,
        };
        let ran = match run(&program, stop).await {
            Ok(ran) => ran,
            Err(error) => return not_begun(format!("{} did not start: {error}", argv[0])),
        };
        let output = self.scrubbed(ran.output);
        let errors = String::from_utf8_lossy(&self.scrubbed(ran.errors)).into_owned();
        if let Err(error) = self.put_output(&errand.step, &output) {
            return failed(format!("its output could not be kept: {error}"));
        }
        let mut result = document_of(&output, "text");
        let last = errors.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
        let (outcome, detail) = match ran.ended {
            Ended::Exit(code) => {
                result.insert("exit".to_owned(), json!(code));
                let detail = if code == 0 { String::new() } else { last.to_owned() };
                (StepOutcome::Succeeded, detail)
            }
            Ended::TimedOut => (StepOutcome::Failed, format!("it was ended after {timeout_s} s")),
            Ended::Stopped => (StepOutcome::Failed, "it was stopped".to_owned()),
        };
        if ran.cut_off {
            result.insert("cut_off".to_owned(), json!(true));
        }
        answer(outcome, detail, Value::Object(result))
    }

    /// What a command finds in its environment beside the path: what its step names, and where it is.
    async fn environment(
        &self,
        named: &BTreeMap<String, String>,
        of_run: &Values,
    ) -> Result<BTreeMap<String, String>, String> {
        let mut environment = BTreeMap::new();
        environment.insert("PLUMBLINE_FLEET".to_owned(), self.fleet.clone());
        let data_dir = self.app.0.options.data_dir.to_string();
        environment.insert("PLUMBLINE_DATA_DIR".to_owned(), data_dir);
        environment.insert("PLUMB_RUN_ID".to_owned(), self.run.to_string());
        for (from, to) in
            [("run.window_start", "PLUMB_WINDOW_START"), ("run.window_end", "PLUMB_WINDOW_END")]
        {
            if let Some(value) = of_run.get(from) {
                environment.insert(to.to_owned(), value.clone());
            }
        }
        for (name, value) in named {
            let value = self.value(value).await?;
            environment.insert(name.clone(), value.expose_secret().to_owned());
        }
        Ok(environment)
    }

    fn output_path(&self, step: &str) -> Utf8PathBuf {
        self.outputs.join(format!("{}.out", step.replace('/', ".")))
    }

    fn put_output(&self, step: &str, output: &[u8]) -> std::io::Result<()> {
        use std::io::Write as _;
        let mut file = crate::actions::files::written_durably(&self.output_path(step))?;
        file.write_all(output)?;
        file.finish()
    }

    async fn freeze(&self, step: &str, reason: &str, lease_s: u32) -> Result<Came, AppError> {
        let since = self.app.now();
        let until = since + SignedDuration::from_secs(i64::from(lease_s));
        let fleet = self.loaded.fleet.name.clone();
        let (run, reason) = (self.run, reason.to_owned());
        let lease = FreezeLease { fleet: fleet.clone(), reason: reason.clone(), run, since, until };
        let key = self.app.signer(run).await;
        let statement = lease.statement(self.compiled.hash);
        let envelope = key.as_deref().and_then(|key| Envelope::sign(&statement, &[key]).ok());
        let envelope = envelope.and_then(|envelope| String::from_utf8(envelope.to_bytes()).ok());
        let kept = KeptFreeze { run, step: step.to_owned(), reason, since, until };
        let mut record = self.app.record().write().await?;
        let until =
            plumb_store::runbooks::freeze(&mut record, &fleet, &kept, envelope.as_deref()).await?;
        let Some(until) = until else {
            return Ok(failed("it was frozen, and the freeze was lifted by hand: end this run"));
        };
        record.commit().await?;
        let detail = format!("frozen, to be lifted by {until}");
        let result = json!({ "ok": true, "signed": envelope.is_some() });
        let answer = Answer { outcome: StepOutcome::Succeeded, detail, result };
        Ok(Came::Frozen { until, answer })
    }

    async fn unfreeze(&self, step: &str) -> Result<(), AppError> {
        let mut record = self.app.record().write().await?;
        plumb_store::runbooks::lift(&mut record, self.run, step, self.app.now()).await?;
        record.commit().await?;
        Ok(())
    }

    async fn capture(
        &self,
        errand: &Errand,
        from: &CaptureFrom,
        into: &str,
    ) -> Result<Value, String> {
        let content = errand.content.clone();
        let missing = || "there is nothing to keep: its step was left out".to_owned();
        let (folder, into) = (self.artifacts.clone(), into.to_owned());
        let root = self.folder.clone();
        let source = match from {
            CaptureFrom::Result(_) | CaptureFrom::Field(_) | CaptureFrom::Command(_) => {
                let value = content.ok_or_else(missing)?;
                let text = serde_json::to_string_pretty(&value).expect("a value serialises");
                From::Text(format!("{text}\n"))
            }
            CaptureFrom::Output(_) => {
                let step = content.as_ref().and_then(Value::as_str).ok_or_else(missing)?;
                From::File(self.output_path(step))
            }
            CaptureFrom::File(path) => From::Below(root, path.clone(), true),
            CaptureFrom::Digest(path) => From::Below(root, path.clone(), false),
        };
        let keeping = tokio::task::spawn_blocking(move || match source {
            From::Text(text) => artifacts::keep(&folder, &into, text.as_bytes()),
            From::File(path) => artifacts::keep(&folder, &into, std::fs::File::open(path)?),
            From::Below(root, path, whole) => {
                let file = std::fs::File::open(artifacts::below(&root, &path)?)?;
                if whole {
                    artifacts::keep(&folder, &into, file)
                } else {
                    artifacts::note(&folder, &into, file)
                }
            }
        });
        let kept = keeping.await.map_err(|error| chain(&error))?;
        kept.map_err(|error| error.to_string())
    }
}

/// The host of an address with its port, and what comes after it.
fn host_and_path(url: &str) -> (String, String) {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    (host.to_owned(), path.to_owned())
}

/// Where captured bytes come from.
enum From {
    Text(String),
    File(Utf8PathBuf),
    Below(Utf8PathBuf, String, bool),
}

/// What conditions see of bytes: the members of a JSON object, or text.
fn document_of(bytes: &[u8], name: &str) -> Map<String, Value> {
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(members)) => members,
        Ok(other) => Map::from_iter([(name.to_owned(), other)]),
        Err(_) => {
            let text: String =
                String::from_utf8_lossy(bytes).chars().take(TEXT_CHARS_MAX).collect();
            Map::from_iter([(name.to_owned(), json!(text))])
        }
    }
}
