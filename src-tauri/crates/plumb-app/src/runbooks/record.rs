//! From what was done to a runbook that does it again: parameters, dry runs and ways back.

use std::fmt::Write as _;

use jiff::Timestamp;
use plumb_fleet::{ContentDigest, NodeId, Version};
use plumb_runbook::{Action, Effect, PinTo, Plan, Shape, document::parse};

use crate::{
    actions::kept::selected,
    app::App,
    error::{AppError, Code},
    ids::run_id,
    views::runbook::RecordedView,
};

/// Most runs that one runbook is made of.
const RUNS_MAX: usize = 20;
/// Most nodes that a step names.
const NODES_MAX: usize = 200;

impl App {
    /// A runbook made of runs in the record, in the order they are named; the newest of the fleet where none
    /// is. Its text passes the same parser as any other.
    pub async fn record_runbook(
        &self,
        fleet: &str,
        runs: &[String],
        title: Option<&str>,
    ) -> Result<RecordedView, AppError> {
        let mut ids = Vec::new();
        for run in runs {
            ids.push(run_id(run)?);
        }
        if ids.is_empty() {
            ids = self.run_ids(fleet, 1).await?;
        }
        if ids.is_empty() || ids.len() > RUNS_MAX {
            let message =
                format!("a runbook is made of 1 to {RUNS_MAX} runs, here are {}", ids.len());
            let hint = "run something first, or name fewer runs: plumb runs list";
            return Err(AppError::new(Code::Invalid, message, hint));
        }
        let mut plans = Vec::new();
        for run in ids {
            let (plan, _) = self.run_record(run).await?;
            if plan.fleet.as_str() != fleet {
                let message = format!("run {run} is one of fleet {}", plan.fleet);
                return Err(AppError::new(Code::Invalid, message, "name runs of one fleet"));
            }
            plans.push(plan);
        }
        recorded(&plans, title, &self.me(), self.now())
    }
}

/// The steps of a plan as a runbook writes them, for whoever copies them; nothing where no step says it.
pub(crate) fn as_steps(plan: &Plan) -> Option<String> {
    let (nodes, waves) = (nodes_of(plan).ok()?, waves(plan).ok()?);
    steps_of(&plan.action, &nodes, waves.as_deref())
}

/// The steps of an action on nodes; nothing where no step says it.
pub(crate) fn steps_of(action: &Action, nodes: &str, waves: Option<&str>) -> Option<String> {
    let steps = acts(action)?.into_iter().map(|act| {
        let waves = waves.filter(|_| act.moves_nodes());
        let action = format!("{{action: {}}}", act.words(nodes, waves));
        step(act.name(), &act.title(), &action, &[])
    });
    Some(steps.collect::<Vec<_>>().join("\n"))
}

/// A step that asks with a command of `plumb` and changes nothing.
pub(crate) fn asking_step(id: &str, title: &str, words: &[&str]) -> String {
    let argv: Vec<String> = ["plumb"].iter().chain(words).map(|word| (*word).to_owned()).collect();
    step(id, title, &command(&argv), &["success: result.exit <= 1".to_owned()])
}

/// One action of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Act {
    Sync { force: bool },
    Pin { version: String, content: Option<String> },
    Unpin,
    Rollback { to: Option<String> },
    Restart,
    SetConfig { key: String, value: String },
}

/// What an action does, as those of steps; nothing where it is an undo.
fn acts(action: &Action) -> Option<Vec<Act>> {
    let pin = |version: &Version, content: &Option<ContentDigest>| Act::Pin {
        version: version.to_string(),
        content: content.map(|content| content.to_string()),
    };
    Some(match action {
        Action::Sync { force } => vec![Act::Sync { force: *force }],
        Action::Pin { version, content, sync: false } => vec![pin(version, content)],
        Action::Pin { version, content, sync: true }
        | Action::ResolveConflict { to: version, content } => {
            vec![pin(version, content), Act::Sync { force: false }]
        }
        Action::Unpin => vec![Act::Unpin],
        Action::Rollback { to } => {
            vec![Act::Rollback { to: to.as_ref().map(ToString::to_string) }]
        }
        Action::Restart => vec![Act::Restart],
        Action::SetConfig { key, value } => {
            vec![Act::SetConfig { key: key.clone(), value: value.clone() }]
        }
        Action::Undo { .. } => return None,
    })
}

impl Act {
    const fn name(&self) -> &'static str {
        match self {
            Self::Sync { .. } => "sync",
            Self::Pin { .. } => "pin",
            Self::Unpin => "unpin",
            Self::Rollback { .. } => "rollback",
            Self::Restart => "restart",
            Self::SetConfig { .. } => "set_config",
        }
    }

    const fn moves_nodes(&self) -> bool {
        matches!(self, Self::Sync { .. } | Self::Rollback { .. } | Self::Restart)
    }

    fn title(&self) -> String {
        match self {
            Self::Sync { force: false } => "Bring the nodes to the desired version".to_owned(),
            Self::Sync { force: true } => {
                "Make the nodes load the desired version again".to_owned()
            }
            Self::Pin { .. } => "Pin the version".to_owned(),
            Self::Unpin => "Lift the pins".to_owned(),
            Self::Rollback { to: None } => "Roll the nodes back to last-known-good".to_owned(),
            Self::Rollback { to: Some(_) } => "Roll the nodes back".to_owned(),
            Self::Restart => "Restart the policy engines".to_owned(),
            Self::SetConfig { key, .. } => format!("Set {key}"),
        }
    }

    /// The words of an action step, as a flow mapping of YAML.
    fn words(&self, nodes: &str, waves: Option<&str>) -> String {
        let mut words = format!("verb: {}", self.name());
        let mut add = |name: &str, value: &str| {
            write!(words, ", {name}: {}", quoted(value)).expect("writing to a string");
        };
        match self {
            Self::Pin { version, content } => {
                add("version", version);
                if let Some(content) = content {
                    add("content", content);
                }
            }
            Self::Rollback { to: Some(to) } => add("version", to),
            Self::SetConfig { key, value } => {
                add("key", key);
                add("value", value);
            }
            _ => {}
        }
        if *self == (Self::Sync { force: true }) {
            words.push_str(", force: true");
        }
        write!(words, ", nodes: {}", quoted(nodes)).expect("writing to a string");
        if let Some(waves) = waves {
            write!(words, ", waves: {waves}").expect("writing to a string");
        }
        format!("{{{words}}}")
    }

    /// The command that tells what it would do and does nothing; nothing for what has no dry run.
    fn dry_run(&self, nodes: &str) -> Vec<String> {
        let mut argv: Vec<&str> = match self {
            Self::Restart => vec!["plumb", "service", "restart", "policy-engine"],
            Self::SetConfig { .. } => vec!["plumb", "policy", "config", "set"],
            other => vec!["plumb", "policy", other.name()],
        };
        match self {
            Self::Sync { force: true } => argv.push("--force"),
            Self::Pin { version, content } => {
                argv.extend(["--version", version]);
                argv.extend(content.iter().flat_map(|content| ["--content", content]));
            }
            Self::Rollback { to: Some(to) } => argv.extend(["--to-version", to]),
            Self::SetConfig { key, value } => argv.extend([key.as_str(), value.as_str()]),
            _ => {}
        }
        if nodes == "all" {
            argv.push("--all-nodes");
        } else {
            argv.extend(["--node", nodes]);
        }
        argv.extend(["--dry-run", "--json"]);
        argv.into_iter().map(str::to_owned).collect()
    }
}

/// For which nodes: all of them, or their names.
fn nodes_of(plan: &Plan) -> Result<String, AppError> {
    if plan.whole_fleet {
        return Ok("all".to_owned());
    }
    let nodes = selected(plan);
    if nodes.len() > NODES_MAX {
        let message = format!(
            "{} nodes were named one by one; a step names at most {NODES_MAX}",
            nodes.len()
        );
        let hint = "record a run over the whole fleet, or write the step by hand for drifted nodes";
        return Err(AppError::new(Code::Invalid, message, hint));
    }
    Ok(nodes.iter().map(NodeId::as_str).collect::<Vec<_>>().join(","))
}

/// How a rollout went over its nodes, as a step writes it.
fn waves(plan: &Plan) -> Result<Option<String>, AppError> {
    let Some(rollout) = &plan.rollout else { return Ok(None) };
    Ok(Some(match &rollout.shape {
        Shape::OneByOne => "one_by_one".to_owned(),
        Shape::Shares { canary, percent } => {
            let percent: Vec<String> = percent.iter().map(ToString::to_string).collect();
            let first = canary.as_ref().map(|node| format!("first: {}, ", quoted(node.as_str())));
            format!(
                "{{canary: {{{}percent: [{}]}}}}",
                first.unwrap_or_default(),
                percent.join(", ")
            )
        }
        Shape::BlueGreen { label, first } => {
            format!("{{blue_green: {{label: {}, first: {}}}}}", quoted(label), quoted(first))
        }
        Shape::ByLabel { label, .. } => {
            let message = format!("waves by the label {label} are no step of a runbook");
            let hint = "record a rollout by shares, one by one or blue-green";
            return Err(AppError::new(Code::Invalid, message, hint));
        }
    }))
}

/// A scalar of YAML that is read back as it is, whatever it holds.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A fenced step block.
fn step(id: &str, title: &str, what: &str, rest: &[String]) -> String {
    let mut block = format!("```step\nid: {id}\ntitle: {}\ndo: {what}\n", quoted(title));
    for line in rest {
        writeln!(block, "{line}").expect("writing to a string");
    }
    block.push_str("```\n");
    block
}

fn command(argv: &[String]) -> String {
    let words: Vec<String> = argv.iter().map(|word| quoted(word)).collect();
    format!("{{command: {{argv: [{}], reads_only: true}}}}", words.join(", "))
}

/// The text that grows.
#[derive(Debug, Default)]
struct Draft {
    parameters: Vec<String>,
    body: String,
    /// Steps of the way back; they stand at the end.
    back: String,
    left_out: Vec<String>,
}

fn recorded(
    plans: &[Plan],
    title: Option<&str>,
    by: &str,
    now: Timestamp,
) -> Result<RecordedView, AppError> {
    let mut draft = Draft::default();
    for (number, plan) in plans.iter().enumerate() {
        draft.add(plan, number + 1)?;
    }
    let what: Vec<String> = plans.iter().map(|plan| plan.action.title()).collect();
    let title = title.map(str::trim).filter(|title| !title.is_empty());
    let title = title.map_or_else(|| what.join(", then "), str::to_owned);
    let text = draft.finish(&title, by, now);
    if let Err(errors) = parse(&text) {
        let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
        let message = format!("what was recorded is no sound runbook: {}", lines.join("; "));
        return Err(AppError::new(
            Code::Other,
            message,
            "give it another title, or write it by hand",
        ));
    }
    Ok(RecordedView { name: file_name(&title), title, text, left_out: draft.left_out })
}

/// A name for the file of a title: small letters, digits and hyphens.
fn file_name(title: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = title.chars().map(plain).collect();
    let words: Vec<&str> = name.split('-').filter(|word| !word.is_empty()).collect();
    let mut name = words.join("-");
    name.truncate(80);
    format!("{}.md", if name.is_empty() { "recorded" } else { name.trim_end_matches('-') })
}

impl Draft {
    /// A parameter with what was used as its default; gives back the words that stand for it.
    fn parameter(&mut self, name: &str, of: &str, ask: &str, default: &str) -> String {
        let line = format!(
            "  - {{name: {name}, type: {of}, ask: {}, default: {}}}",
            quoted(ask),
            quoted(default)
        );
        if !self.parameters.contains(&line) {
            self.parameters.push(line);
        }
        format!("${{{name}}}")
    }

    fn add(&mut self, plan: &Plan, number: usize) -> Result<(), AppError> {
        let Some(acts) = acts(&plan.action) else {
            let message = "an undo is no step of a runbook";
            return Err(AppError::new(Code::Invalid, message, "record the run that it took back"));
        };
        let named =
            |name: &str| if number == 1 { name.to_owned() } else { format!("{name}_{number}") };
        let nodes = nodes_of(plan)?;
        let nodes = if nodes == "all" {
            nodes
        } else {
            let ask = "For which nodes? Names with commas between them";
            self.parameter(&named("nodes"), "text", ask, &nodes)
        };
        let waves = waves(plan)?;
        if plan.rollout.as_ref().is_some_and(|rollout| rollout.gate.is_some()) {
            let what = "the gates between its waves: add what they looked at as steps or monitors";
            self.left_out.push(format!("{}: {what}", plan.action.title()));
        }
        writeln!(self.body, "## {}\n", plain(&plan.action.title())).expect("writing to a string");
        for act in acts {
            let act = self.parameterised(act, &named);
            let id = named(act.name());
            let dry = act.dry_run(&nodes);
            let what = format!("Dry run: {}", act.title());
            let dry_id = named(&format!("dry_{}", act.name()));
            self.body.push_str(&step(&dry_id, &what, &command(&dry), &[]));
            self.body.push('\n');
            let back = self.way_back(&act, plan, &nodes, &named);
            let rest: Vec<String> = back.iter().map(|id| format!("rollback: {id}")).collect();
            let waves = waves.as_deref().filter(|_| act.moves_nodes());
            let action = format!("{{action: {}}}", act.words(&nodes, waves));
            self.body.push_str(&step(&id, &act.title(), &action, &rest));
            self.body.push('\n');
        }
        Ok(())
    }

    /// The same with its values asked for.
    fn parameterised(&mut self, act: Act, named: &impl Fn(&str) -> String) -> Act {
        match act {
            Act::Pin { version, content } => Act::Pin {
                version: self.parameter(&named("version"), "version", "Which version?", &version),
                content: content.map(|content| {
                    let ask = "Which content, by its digest?";
                    self.parameter(&named("content"), "digest", ask, &content)
                }),
            },
            Act::Rollback { to: Some(to) } => {
                let ask = "Back to which version?";
                Act::Rollback {
                    to: Some(self.parameter(&named("to_version"), "version", ask, &to)),
                }
            }
            Act::SetConfig { key, value } => {
                let ask = format!("Which value for {key}?");
                let value = self.parameter(&named("value"), "text", &ask, &value);
                Act::SetConfig { key, value }
            }
            other => other,
        }
    }

    /// Adds the step that takes an action back, and gives its id; what has none is told.
    fn way_back(
        &mut self,
        act: &Act,
        plan: &Plan,
        nodes: &str,
        named: &impl Fn(&str) -> String,
    ) -> Option<String> {
        let twin = match act {
            Act::Sync { .. } => Ok(Act::Rollback { to: None }),
            Act::Rollback { .. } => Ok(Act::Sync { force: false }),
            Act::Restart => Err("a restart: it changes nothing that could be taken back"),
            Act::Pin { .. } => Ok(pinned_before(plan).unwrap_or(Act::Unpin)),
            Act::Unpin => {
                pinned_before(plan).ok_or("lifted pins: no pin of the fleet was replaced")
            }
            Act::SetConfig { key, .. } => set_before(plan, key)
                .map(|value| Act::SetConfig { key: key.clone(), value })
                .ok_or("a setting: its former value is not known, or not the same on every node"),
        };
        match twin {
            Ok(twin) => {
                let id = named(&format!("back_{}", act.name()));
                let action = format!("{{action: {}}}", twin.words(nodes, None));
                self.back.push_str(&step(
                    &id,
                    &format!("Way back: {}", twin.title()),
                    &action,
                    &[],
                ));
                self.back.push('\n');
                Some(id)
            }
            Err(why) => {
                self.left_out.push(format!("no way back of {why}"));
                None
            }
        }
    }

    fn finish(&self, title: &str, by: &str, now: Timestamp) -> String {
        let date = now.strftime("%Y-%m-%d");
        let mut text = format!(
            "---\ntitle: {}\ncomponent: Policy Engine\nseverity: medium\non_call_scope: {}\n\
             owners: {{run: {}}}\nlast_updated: {date}\nartifacts: recorded\n",
            quoted(title),
            quoted(by),
            quoted(by)
        );
        if !self.parameters.is_empty() {
            writeln!(text, "parameters:\n{}", self.parameters.join("\n")).expect("a string");
        }
        let look = |id: &str, title: &str| {
            let argv = ["plumb", "policy", "version", "--all-nodes", "--json"].map(str::to_owned);
            let success = ["success: result.exit <= 1".to_owned()];
            step(id, title, &command(&argv), &success)
        };
        let keep = |id: &str, title: &str, of: &str, into: &str| {
            let what = format!("{{capture: {{from: {{output: {of}}}, into: {into}}}}}");
            step(id, title, &what, &[])
        };
        write!(
            text,
            "---\n# {}\n\nRecorded from what was done on {date}. Say here when it applies, and what to look at \
             first.\n\n{}\n{}\n{}## Verification\n\n{}\n{}",
            plain(title),
            look("before", "What the nodes run before"),
            keep("keep_before", "Keep what was seen", "before", "versions-before.json"),
            self.body,
            look("after", "What the nodes run afterwards"),
            keep("keep_after", "Keep the proof", "after", "versions-after.json"),
        )
        .expect("writing to a string");
        if !self.back.is_empty() {
            write!(text, "\n## Way back\n\n{}", self.back.trim_end()).expect("a string");
            text.push('\n');
        }
        text
    }
}

/// Text of a heading: one line, no markup.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() && !"`*_#<>[]".contains(*c)).collect()
}

/// The pin of the fleet that a plan replaced.
fn pinned_before(plan: &Plan) -> Option<Act> {
    match plan.pins_before.as_ref()?.fleet.as_ref()? {
        PinTo::Lifted => None,
        PinTo::Version { version, content } => Some(Act::Pin {
            version: version.to_string(),
            content: content.map(|content| content.to_string()),
        }),
    }
}

/// The value of a setting before, where it was the same everywhere.
fn set_before(plan: &Plan, wanted: &str) -> Option<String> {
    let effects = plan.targets().flat_map(|target| &target.effects);
    let mut values = effects.filter_map(|effect| match effect {
        Effect::SetConfig { key, before, .. } if key == wanted => Some(before.clone()),
        _ => None,
    });
    let first = values.next()??;
    values.all(|value| value.as_ref() == Some(&first)).then_some(first)
}
