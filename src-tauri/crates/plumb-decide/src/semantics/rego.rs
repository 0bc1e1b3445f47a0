//! Rego, as OPA answers it: modules and data in, a decision for an entry point out.
//!
//! The engine is regorus. It answers most of what OPA answers, alike; what it lacks is never
//! guessed: a call it cannot make, text it does not understand, a limit, a panic inside it are all
//! [`Answer::NotEvaluated`] with the reason. It is not safe on text of others: nested brackets hold
//! its parser up, deep recursion ends the process, and neither can be stopped from within. So
//! policies of others are prepared and asked in the process of `plumb-worker`; an agent asks here,
//! in its own process, only what it verified and what passed that process before.
//!
//! The one clock is the engine's own, for its time limit; what a policy sees as the time is an
//! argument.

mod archive;
mod builtins;
mod cache;
mod engine;
mod entrypoint;
mod generate;
mod index;
mod outline;
mod scan;

use std::{
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use jiff::Timestamp;
use plumb_fleet::ids::Digest;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    answer::{Answer, Part, Reason},
    limits::{
        DATA_BYTES_MAX, INPUT_BYTES_MAX, INPUT_DEPTH_MAX, MODULE_BYTES_MAX, MODULES_MAX,
        SOURCE_BYTES_MAX,
    },
};
pub use cache::Prepared;
pub use entrypoint::Entrypoint;
pub use generate::cases_of_outlines;
pub use outline::{Added, Definition, Outline, Place, Segment, Traced, Want, Wish};

/// Which Rego the modules are written in; a bundle's manifest says it in `rego_version`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RegoVersion {
    V0,
    #[default]
    V1,
}

/// One file of Rego.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Module {
    /// Its path in the bundle; messages name it.
    pub name: String,
    pub text: String,
}

/// Everything that decides an answer, beside the request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RegoSource {
    pub modules: Vec<Module>,
    /// The base document `data`; an object.
    pub data: Value,
    #[serde(default)]
    pub version: RegoVersion,
}

impl RegoSource {
    /// The identity of the policy: two sources with equal digests answer alike. Modules count in
    /// any order.
    pub fn digest(&self) -> Digest {
        let mut lines: Vec<String> = self
            .modules
            .iter()
            .map(|module| format!("{:?} {}\n", module.name, Digest::of(module.text.as_bytes())))
            .collect();
        lines.sort();
        lines.push(format!("data {}\n", Digest::of(self.data.to_string().as_bytes())));
        lines.push(format!("rego {:?}\n", self.version));
        Digest::of(lines.concat().as_bytes())
    }

    /// Whether all of it is within the limits. Cheap: nothing is parsed.
    pub fn check(&self) -> Result<(), Reason> {
        at_most(Part::Modules, self.modules.len(), MODULES_MAX)?;
        for module in &self.modules {
            at_most(Part::Module, module.text.len(), MODULE_BYTES_MAX)?;
        }
        let all = self.modules.iter().map(|module| module.text.len()).sum();
        at_most(Part::Source, all, SOURCE_BYTES_MAX)?;
        check_document(Part::Data, &self.data, DATA_BYTES_MAX)
    }
}

/// One question to a policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Question {
    pub entrypoint: Entrypoint,
    pub input: Value,
    /// What `time.now_ns` answers.
    pub now: Timestamp,
}

impl Question {
    /// Whether the input is within the limits.
    pub fn check(&self) -> Result<(), Reason> {
        check_document(Part::Input, &self.input, INPUT_BYTES_MAX)
    }

    /// The size of the input as compact JSON.
    pub fn bytes(&self) -> usize {
        bytes_of(&self.input)
    }
}

/// What is done next to a policy that is being prepared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// One look over the text of all modules, without the engine.
    Look,
    /// Parsing the module with this index; those before it are parsed.
    Parse(usize),
    /// Analysing all of them together; all are parsed.
    Analyse,
}

/// A policy ready to be asked, from any number of threads.
#[derive(Debug)]
pub struct RegoPolicy {
    engine: engine::Compiled,
    digest: Digest,
}

impl RegoPolicy {
    /// Checks, parses and compiles. An `Err` is the answer to every question to this source.
    pub fn prepare(source: &RegoSource) -> Result<Self, Reason> {
        Self::prepare_in_steps(source, source.digest(), |_| Ok(()))
    }

    /// The same, step by step: `before` is told each step first, and its error is the end. The digest
    /// is the one of `source`: whoever prepares a policy in two processes takes it once.
    pub fn prepare_in_steps<E: From<Reason>>(
        source: &RegoSource,
        digest: Digest,
        mut before: impl FnMut(Step) -> Result<(), E>,
    ) -> Result<Self, E> {
        source.check()?;
        before(Step::Look)?;
        let mut parsing = guarded(|| engine::Parsing::new(source))?;
        for (number, module) in source.modules.iter().enumerate() {
            before(Step::Parse(number))?;
            guarded(|| parsing.parse(module))?;
        }
        before(Step::Analyse)?;
        let engine = guarded(|| parsing.compile())?;
        Ok(Self { engine, digest })
    }

    /// The digest of the source this was made from.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Functions named in the modules that end an evaluation as soon as they are called.
    pub fn refused_builtins(&self) -> Vec<&'static str> {
        self.engine.refused()
    }

    /// Makes ready for many questions: from now on a question costs the definitions that can hold for
    /// it instead of all of them. Takes about as long as preparing the policy again.
    pub fn index(&self) {
        // A panic on the way leaves the policy as it was.
        let _ = guarded(|| {
            self.engine.index();
            Ok(())
        });
    }

    /// The answer, within `limit` of evaluation time. The limit is looked at between the engine's
    /// steps: one call of a builtin over a large value may overrun it.
    pub fn ask(&self, question: &Question, limit: Duration) -> Answer {
        self.trace(question, limit).0
    }

    /// The answer, and the numbers of the definitions that held, in order: those of the outline where
    /// this was made from a telling source, none otherwise.
    pub fn trace(&self, question: &Question, limit: Duration) -> (Answer, BTreeSet<usize>) {
        let asked = question.check().and_then(|()| guarded(|| self.engine.ask(question, limit)));
        asked.unwrap_or_else(|reason| (Answer::NotEvaluated { reason }, BTreeSet::new()))
    }
}

/// The one place where a panic of the engine is caught. What it was working on is dropped with it.
fn guarded<T>(work: impl FnOnce() -> Result<T, Reason>) -> Result<T, Reason> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        Err(Reason::Panicked { message: engine::short(text.unwrap_or("it did not say why")) })
    })
}

fn at_most(what: Part, size: usize, size_max: usize) -> Result<(), Reason> {
    if size <= size_max { Ok(()) } else { Err(Reason::TooLarge { what, size, size_max }) }
}

/// Depth before size: measuring a value recurses.
fn check_document(what: Part, value: &Value, bytes_max: usize) -> Result<(), Reason> {
    if depth_exceeds(value, INPUT_DEPTH_MAX) {
        return Err(Reason::TooDeep { what, depth_max: INPUT_DEPTH_MAX });
    }
    at_most(what, bytes_of(value), bytes_max)
}

fn depth_exceeds(value: &Value, depth_max: usize) -> bool {
    let mut open = vec![(value, 0)];
    while let Some((value, depth)) = open.pop() {
        if depth > depth_max {
            return true;
        }
        match value {
            Value::Array(values) => open.extend(values.iter().map(|inner| (inner, depth + 1))),
            Value::Object(values) => open.extend(values.values().map(|inner| (inner, depth + 1))),
            _ => {}
        }
    }
    false
}

/// Length of the compact JSON, without making it.
fn bytes_of(value: &Value) -> usize {
    struct Count(usize);
    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    serde_json::to_writer(&mut count, value).expect("a JSON value always serialises");
    count.0
}

#[cfg(test)]
mod tests;
