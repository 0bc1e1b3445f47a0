//! A runbook with its values against one fleet: immutable, hashed, all arms of it spelled out.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use plumb_fleet::{Digest, FleetId, PlanHash};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    Document, DocumentError, FrontMatter, Library, OF_RUN, Phase, RunbookKind, STEPS_MAX, Step,
    StepEffect, StepKind, Values, parse, parse_kept, substitute, template::ANSWER,
};

/// Deepest nesting of runbooks that run others.
const DEPTH_MAX: usize = 8;

/// Everything a run of a runbook is made from. The documents stand in it as they were read, so two
/// plans are the same when their hashes are, and a run goes on by what it began with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunbookPlan {
    /// Format of these bytes.
    pub format: u32,
    pub fleet: FleetId,
    pub environment: String,
    /// The file it begins with.
    pub runbook: String,
    /// Text of it and of every runbook that it runs, by the name of the file.
    pub documents: BTreeMap<String, String>,
    pub parameters: Values,
    /// Hosts that its requests may go to.
    pub hosts: BTreeSet<String>,
    /// Why its documents may run.
    pub trusted: Trusted,
    /// Tells the occasions of one runbook apart: consent to one is none to the next.
    pub made_at: Timestamp,
}

/// Why a document that names commands and requests may run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "trusted", rename_all = "snake_case", deny_unknown_fields)]
pub enum Trusted {
    /// It came with the program.
    Shipped,
    /// A key of the roster signed it.
    Signed { by: String },
    /// Whoever runs it typed its phrase.
    Accepted { by: String },
    /// It neither runs a command nor sends a request.
    Harmless,
}

/// Why a runbook cannot be run with these values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunbookPlanError {
    #[error("there is no runbook {file}")]
    NoRunbook { file: String },
    #[error("{file}:{first}")]
    Document { file: String, first: String },
    #[error("{file} needs a value for {name}")]
    NoValue { file: String, name: String },
    #[error("{file} has no parameter {name}")]
    NoParameter { file: String, name: String },
    #[error("{what}")]
    Value { what: String },
    #[error("runbooks run each other more than {DEPTH_MAX} deep")]
    TooDeep,
    #[error("a runbook has at most {STEPS_MAX} steps with those of the runbooks it runs")]
    TooLong,
    #[error("{host} is not a listed host")]
    Host { host: String },
}

/// A step in its place.
#[derive(Debug, Clone)]
pub struct PlannedStep {
    /// Unique in the plan: the ids of the steps that run its runbook, and its own, joined by `/`.
    pub id: String,
    pub step: Step,
    /// Number of its values.
    pub scope: usize,
    /// The part of a rollout it belongs to; steps of a runbook that is run belong to that of its step.
    pub phase: Option<Phase>,
    /// Numbers of the steps it leads to: arm by arm, or one list.
    pub children: Vec<Vec<usize>>,
    pub rollback: Option<usize>,
}

/// The values of one runbook in a plan.
#[derive(Debug, Clone)]
pub struct ScopeOf {
    /// In front of the ids of its steps: nothing, or ending in `/`.
    pub prefix: String,
    pub values: Values,
    /// The same as expressions see them.
    pub typed: Map<String, Value>,
}

/// A plan, expanded.
#[derive(Debug, Clone)]
pub struct Compiled {
    pub hash: PlanHash,
    pub front: FrontMatter,
    pub steps: Vec<PlannedStep>,
    /// Numbers of the steps done one after the other.
    pub main: Vec<usize>,
    pub scopes: Vec<ScopeOf>,
    places: BTreeMap<String, usize>,
    backs: BTreeSet<usize>,
}

impl RunbookPlan {
    /// Of plans whose rollouts are held to more than the names of their phases.
    pub const FORMAT: u32 = 2;
    /// Of plans whose rollouts were held to those alone: such runs are read, and no new one is made.
    const FORMAT_NAMED: u32 = 1;

    /// Canonical bytes (RFC 8785): the same on every machine.
    pub fn canonical_bytes(&self) -> Vec<u8> {
        serde_json_canonicalizer::to_vec(self).expect("a plan always serialises")
    }

    /// SHA-256 of the canonical bytes.
    pub fn hash(&self) -> PlanHash {
        PlanHash(Digest::of(&self.canonical_bytes()))
    }

    /// Names of secrets that its requests and commands are given, such as `secret:hub-token`. Documents that do not read
    /// name none.
    pub fn secret_references(&self) -> BTreeSet<String> {
        let documents = self.documents.values().filter_map(|text| self.read(text).ok());
        let steps = documents.flat_map(|document| document.steps);
        let given = steps.flat_map(|step| match step.kind {
            StepKind::Http(http) => http.headers.into_values().collect(),
            StepKind::Command(command) => command.environment.into_values().collect(),
            _ => Vec::new(),
        });
        given.filter(|value| value.starts_with("secret:")).collect()
    }

    fn read(&self, text: &str) -> Result<Document, Vec<DocumentError>> {
        if self.format == Self::FORMAT_NAMED { parse_kept(text) } else { parse(text) }
    }

    /// Expands it: every value is filled in and of its type, every arm is there.
    pub fn compile(&self) -> Result<Compiled, RunbookPlanError> {
        let mut library = Library::default();
        for (file, text) in &self.documents {
            let document = self.read(text).map_err(|errors| first_of(file, &errors))?;
            library.documents.insert(file.clone(), document);
        }
        if self.format != Self::FORMAT_NAMED
            && let Some(document) = library.documents.get(&self.runbook)
        {
            let errors = library.outside_phases(document);
            if !errors.is_empty() {
                return Err(first_of(&self.runbook, &errors));
            }
        }
        let mut builder = Builder {
            library: &library,
            hosts: &self.hosts,
            steps: Vec::new(),
            scopes: Vec::new(),
            places: BTreeMap::new(),
        };
        let place = Place { prefix: String::new(), phase: None, depth: 0 };
        let main = builder.runbook(&self.runbook, &self.parameters, place)?;
        let Builder { steps, scopes, places, .. } = builder;
        let front = library.documents[&self.runbook].front.clone();
        let backs = steps.iter().filter_map(|step| step.rollback).collect();
        Ok(Compiled { hash: self.hash(), front, steps, main, scopes, places, backs })
    }
}

fn first_of(file: &str, errors: &[DocumentError]) -> RunbookPlanError {
    let first = errors.first().map(ToString::to_string).unwrap_or_default();
    RunbookPlanError::Document { file: file.to_owned(), first }
}

struct Builder<'a> {
    library: &'a Library,
    hosts: &'a BTreeSet<String>,
    steps: Vec<PlannedStep>,
    scopes: Vec<ScopeOf>,
    places: BTreeMap<String, usize>,
}

/// Where a runbook stands in the plan.
struct Place {
    prefix: String,
    phase: Option<Phase>,
    depth: usize,
}

impl Builder<'_> {
    /// Adds the steps of a runbook; gives back those done one after the other.
    fn runbook(
        &mut self,
        file: &str,
        given: &Values,
        place: Place,
    ) -> Result<Vec<usize>, RunbookPlanError> {
        if place.depth > DEPTH_MAX {
            return Err(RunbookPlanError::TooDeep);
        }
        let missing = || RunbookPlanError::NoRunbook { file: file.to_owned() };
        let library = self.library;
        let document = library.documents.get(file).ok_or_else(missing)?;
        let values = values_of(file, document, given)?;
        let typed = typed(document, &values);
        let scope = self.scopes.len();
        let Place { prefix, phase, depth } = place;
        self.scopes.push(ScopeOf { prefix: prefix.clone(), values, typed });
        let first = self.steps.len();
        if first + document.steps.len() > STEPS_MAX {
            return Err(RunbookPlanError::TooLong);
        }
        for step in &document.steps {
            self.allowed(&step.kind)?;
            let id = format!("{prefix}{}", step.id.value);
            self.places.insert(id.clone(), self.steps.len());
            let phase = phase.or(step.phase);
            let (children, rollback) = (Vec::new(), None);
            self.steps.push(PlannedStep {
                id,
                step: step.clone(),
                scope,
                phase,
                children,
                rollback,
            });
        }
        let numbers = |ids: &[super::At<String>]| -> Vec<usize> {
            ids.iter().filter_map(|id| document.place(&id.value)).map(|at| first + at).collect()
        };
        let mut owned = BTreeSet::new();
        for (at, step) in document.steps.iter().enumerate() {
            let children: Vec<Vec<usize>> = match &step.kind {
                StepKind::Branch(branch) => {
                    branch.arms.iter().map(|arm| numbers(&arm.steps)).collect()
                }
                StepKind::Parallel(parallel) => vec![numbers(&parallel.steps)],
                StepKind::Runbook(called) => {
                    let within = Place {
                        prefix: format!("{prefix}{}/", step.id.value),
                        phase: phase.or(step.phase),
                        depth: depth + 1,
                    };
                    let values = &self.scopes[scope].values;
                    let filled = |(name, word): (&String, &String)| {
                        let value = substitute(word, values);
                        value.map(|value| (name.clone(), value))
                    };
                    let given = called.parameters.iter().map(filled).collect::<Result<_, _>>();
                    let given = given.map_err(|what| RunbookPlanError::Value { what })?;
                    vec![self.runbook(&called.file.value, &given, within)?]
                }
                _ => Vec::new(),
            };
            if !matches!(step.kind, StepKind::Runbook(_)) {
                owned.extend(children.iter().flatten().copied());
            }
            let back = step.rollback.as_ref().and_then(|id| document.place(&id.value));
            let rollback = back.map(|at| first + at);
            owned.extend(rollback);
            let planned = &mut self.steps[first + at];
            planned.children = children;
            planned.rollback = rollback;
        }
        let is_main =
            |at: &usize| !owned.contains(at) && self.steps[*at].step.phase != Some(Phase::Rollback);
        Ok((first..first + document.steps.len()).filter(is_main).collect())
    }

    fn allowed(&self, kind: &StepKind) -> Result<(), RunbookPlanError> {
        let StepKind::Http(request) = kind else { return Ok(()) };
        let host = request.host();
        if self.hosts.contains(host) {
            return Ok(());
        }
        Err(RunbookPlanError::Host { host: host.to_owned() })
    }
}

fn values_of(file: &str, document: &Document, given: &Values) -> Result<Values, RunbookPlanError> {
    let file = || file.to_owned();
    let known = |name: &str| document.front.parameters.iter().any(|p| p.name.value == name);
    if let Some(name) = given.keys().find(|name| !known(name)) {
        return Err(RunbookPlanError::NoParameter { file: file(), name: name.clone() });
    }
    let mut values = Values::new();
    for parameter in &document.front.parameters {
        let name = &parameter.name.value;
        let value = given.get(name).or(parameter.default.as_ref().map(|default| &default.value));
        let missing = || RunbookPlanError::NoValue { file: file(), name: name.clone() };
        let value = value.ok_or_else(missing)?;
        if let Some(what) = parameter.refuses(value) {
            return Err(RunbookPlanError::Value { what });
        }
        values.insert(name.clone(), value.clone());
    }
    Ok(values)
}

fn typed(document: &Document, values: &Values) -> Map<String, Value> {
    let typed = |parameter: &super::Parameter| {
        let name = &parameter.name.value;
        Some((name.clone(), parameter.of.typed(values.get(name)?)))
    };
    document.front.parameters.iter().filter_map(typed).collect()
}

impl Document {
    /// The number of a step.
    fn place(&self, id: &str) -> Option<usize> {
        self.steps.iter().position(|step| step.id.value == id)
    }

    /// A step by its id.
    pub(super) fn step(&self, id: &str) -> Option<&Step> {
        self.place(id).map(|at| &self.steps[at])
    }

    /// Hosts that its requests would go to, each as it has to be allowed.
    pub fn hosts(&self) -> Vec<String> {
        let host = |step: &Step| match &step.kind {
            StepKind::Http(request) => Some(request.host().to_owned()),
            _ => None,
        };
        self.steps.iter().filter_map(host).collect()
    }

    /// Whether running it can do anything that its prose does not tell: such a document has to be
    /// trusted first.
    pub fn is_harmless(&self) -> bool {
        let acts = |step: &Step| {
            matches!(
                step.kind,
                StepKind::Command(_)
                    | StepKind::Http(_)
                    | StepKind::Runbook(_)
                    | StepKind::Action(_)
            )
        };
        !self.steps.iter().any(acts)
    }
}

impl Compiled {
    pub fn place(&self, id: &str) -> Option<usize> {
        self.places.get(id).copied()
    }

    pub fn is_rollout(&self) -> bool {
        self.front.kind == RunbookKind::Rollout
    }

    /// Whether a step is the way back of another one.
    pub fn is_way_back(&self, at: usize) -> bool {
        self.backs.contains(&at)
    }

    /// A step that another one of the same runbook names.
    pub fn beside(&self, at: usize, id: &str) -> Option<usize> {
        self.place(&self.full_id(at, id))
    }

    /// The id of a step as the whole plan knows it.
    pub fn full_id(&self, at: usize, id: &str) -> String {
        format!("{}{id}", self.scopes[self.steps[at].scope].prefix)
    }

    /// What only a run knows at a step, each by the mark it stands for: to tell what a step does before it runs.
    pub fn open_values(&self, at: usize) -> Values {
        let scope = self.steps[at].scope;
        let answers = (self.steps.iter())
            .filter(|step| step.scope == scope && matches!(step.step.kind, StepKind::Question(_)))
            .map(|step| format!("{ANSWER}{}", step.step.id.value));
        let names = OF_RUN.iter().map(|name| (*name).to_owned()).chain(answers);
        names.map(|name| (name.clone(), format!("${{{name}}}"))).collect()
    }

    /// What a step asks the world for; `of_run` holds what a run fills in by itself.
    pub fn effect(&self, at: usize, of_run: &Values) -> Result<StepEffect, String> {
        let planned = &self.steps[at];
        let mut values = self.scopes[planned.scope].values.clone();
        values.extend(of_run.iter().map(|(name, value)| (name.clone(), value.clone())));
        let mut effect = planned.step.kind.effect(&values)?;
        match &mut effect {
            StepEffect::Approve { groups, .. } if groups.is_empty() => {
                let owners = &self.front.owners;
                *groups = owners.approvals.iter().map(|group| group.value.clone()).collect();
                if groups.is_empty() {
                    return Err("the runbook names nobody who approves".to_owned());
                }
            }
            StepEffect::Unfreeze { step } => *step = self.full_id(at, step),
            _ => {}
        }
        Ok(effect)
    }
}
