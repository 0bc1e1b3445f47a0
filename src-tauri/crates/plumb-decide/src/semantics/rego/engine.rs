//! The engine behind [`super::RegoPolicy`]; the only file that knows it.

use std::{
    collections::BTreeSet,
    fmt,
    num::{NonZeroU32, NonZeroUsize},
    sync::{Arc, OnceLock},
    time::Duration,
};

use anyhow::bail;
use regorus::{Engine, LimitError, PolicyLengthConfig, Value, utils::limits::ExecutionTimerConfig};

use super::{
    Module, Question, RegoSource, RegoVersion, at_most,
    builtins::{NOW, Refused, differing, refused},
    bytes_of,
    index::Index,
    outline::HELD,
    scan::scan,
};
use crate::{
    answer::{Answer, Part, Reason},
    limits::{
        MESSAGE_BYTES_MAX, MESSAGE_LINE_BYTES_MAX, MODULE_BYTES_MAX, MODULE_COLUMNS_MAX,
        MODULE_LINES_MAX, OUTPUT_BYTES_MAX, STEPS_BETWEEN_LOOKS,
    },
};

/// Modules and data, analysed once; a question is asked of a clone, which shares them.
pub(super) struct Compiled {
    engine: Engine,
    version: RegoVersion,
    /// Named in the modules.
    refused: Vec<Refused>,
    /// There once it was asked for; empty where none helps.
    index: OnceLock<Option<Index>>,
}

impl fmt::Debug for Compiled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compiled").field("refused", &self.refused).finish_non_exhaustive()
    }
}

/// A policy between the first look at its text and its analysis.
pub(super) struct Parsing<'s> {
    source: &'s RegoSource,
    engine: Engine,
    refused: Vec<Refused>,
}

impl<'s> Parsing<'s> {
    /// Looks over all of the text, and refuses what would hold the parser up.
    pub(super) fn new(source: &'s RegoSource) -> Result<Self, Reason> {
        let mut names = BTreeSet::new();
        for module in &source.modules {
            names.extend(scan(&module.name, &module.text)?);
        }
        let refused = refused().filter(|refused| names.contains(refused.name)).collect();
        Ok(Self { source, engine: empty(source.version), refused })
    }

    pub(super) fn parse(&mut self, module: &Module) -> Result<(), Reason> {
        let parsed = self.engine.add_policy(module.name.clone(), module.text.clone());
        parsed.map(|_| ()).map_err(|error| self.reason(&error))
    }

    /// Analyses what was parsed, with the data.
    pub(super) fn compile(mut self) -> Result<Compiled, Reason> {
        let data = Value::from(self.source.data.clone());
        let analysed = self.engine.add_data(data).and_then(|()| {
            // The first question does the analysis; clones share it.
            self.engine.eval_query("true".to_owned(), false)
        });
        analysed.map_err(|error| self.reason(&error))?;
        let version = self.source.version;
        Ok(Compiled { engine: self.engine, version, refused: self.refused, index: OnceLock::new() })
    }

    fn reason(&self, error: &anyhow::Error) -> Reason {
        // A missing function with its result as an argument is told as an unsafe variable.
        self.refused.first().map_or_else(
            || Reason::NotUnderstood { message: short(&format!("{error:#}")) },
            |refused| refused.reason(),
        )
    }
}

impl Compiled {
    pub(super) fn refused(&self) -> Vec<&'static str> {
        self.refused.iter().map(|refused| refused.name).collect()
    }

    /// Makes the index, once: it pays where many questions follow.
    pub(super) fn index(&self) {
        self.index.get_or_init(|| Index::of(&self.engine, self.version));
    }

    #[cfg(test)]
    pub(super) fn is_indexed(&self) -> bool {
        self.index.get().is_some_and(Option::is_some)
    }

    /// The answer, with the numbers of the definitions that told that they held: none unless the
    /// policy is a traced one.
    pub(super) fn ask(
        &self,
        question: &Question,
        limit: Duration,
    ) -> Result<(Answer, BTreeSet<usize>), Reason> {
        let index = self.index.get().and_then(Option::as_ref);
        if let Some(part) = index.and_then(|index| index.part_for(&question.input)) {
            let answered = self.ask_of(part, question, limit);
            // An error tells lines of the policy: it is told by the whole of it.
            if !matches!(answered, Ok((Answer::Error { .. }, _))) {
                return answered;
            }
        }
        self.ask_of(&self.engine, question, limit)
    }

    fn ask_of(
        &self,
        policy: &Engine,
        question: &Question,
        limit: Duration,
    ) -> Result<(Answer, BTreeSet<usize>), Reason> {
        let mut engine = policy.clone();
        let reached = self.replace_builtins(&mut engine, question);
        engine.set_execution_timer_config(ExecutionTimerConfig {
            limit,
            check_interval: NonZeroU32::new(STEPS_BETWEEN_LOOKS).expect("more than none"),
        });
        engine.set_gather_prints(true);
        engine.set_input(Value::from(question.input.clone()));
        let value = value_of(&mut engine, question);
        // An error may have been swallowed on its way, under a `not`: what was reached counts.
        if let Some(refused) = reached.get() {
            return Err(refused.reason());
        }
        let held = held(&engine.take_prints().unwrap_or_default());
        match value {
            Ok(value) => Ok((answer(&value)?, held)),
            Err(error) if error.downcast_ref::<LimitError>().is_some() => {
                Err(Reason::TimeOver { limit_ms: limit.as_millis().try_into().unwrap_or(u64::MAX) })
            }
            Err(error) => Ok((Answer::Error { message: short(&format!("{error:#}")) }, held)),
        }
    }

    /// Gives the clone its clock and its traps; tells which trap was the first to be reached.
    fn replace_builtins(&self, engine: &mut Engine, question: &Question) -> Arc<OnceLock<Refused>> {
        let reached = Arc::new(OnceLock::new());
        // What differs is replaced whether it is named or not: `rand["intn"]` is a call, too. What is
        // missing and written like that is an error of the engine, never an answer.
        let missing = self.refused.iter().copied().filter(|refused| !refused.differs);
        for refused in missing.chain(differing()) {
            let reached = Arc::clone(&reached);
            let trap = move |_: Vec<Value>| {
                let _ = reached.set(refused);
                bail!("{} is not evaluated here", refused.name)
            };
            engine
                .add_extension(refused.name.to_owned(), refused.arguments, Box::new(trap))
                .expect("each name is on the list once");
        }
        let now = Value::from(question.now.as_nanosecond());
        let clock = move |_: Vec<Value>| Ok(now.clone());
        engine
            .add_extension(NOW.to_owned(), 0, Box::new(clock))
            .expect("the clock is on no other list");
        reached
    }
}

/// The numbers that bodies of a traced policy printed; what others print is not looked at.
fn held(prints: &[String]) -> BTreeSet<usize> {
    prints.iter().filter_map(|print| print.rsplit_once(HELD)?.1.trim().parse().ok()).collect()
}

pub(super) fn empty(version: RegoVersion) -> Engine {
    let mut engine = Engine::new();
    engine.set_rego_v0(version == RegoVersion::V0);
    // OPA's default: a builtin that fails has no value.
    engine.set_strict_builtin_errors(false);
    engine.set_gather_prints(true);
    engine.set_policy_length_config(PolicyLengthConfig {
        max_col: NonZeroU32::new(MODULE_COLUMNS_MAX).expect("more than none"),
        max_file_bytes: NonZeroUsize::new(MODULE_BYTES_MAX).expect("more than none"),
        max_lines: NonZeroUsize::new(MODULE_LINES_MAX).expect("more than none"),
    });
    engine
}

/// A rule is asked directly, in half the time. What is no rule, such as a package or a part of the
/// data, is asked by a query; so is a rule that failed, which then fails the same way again.
fn value_of(engine: &mut Engine, question: &Question) -> anyhow::Result<Value> {
    let path = question.entrypoint.to_string();
    match engine.eval_rule(path.clone()) {
        Err(error) if error.downcast_ref::<LimitError>().is_none() => {}
        asked => return asked,
    }
    let row = engine.eval_query(path, false)?.result.into_iter().next();
    let expression = row.and_then(|row| row.expressions.into_iter().next());
    Ok(expression.map_or(Value::Undefined, |expression| expression.value))
}

fn answer(value: &Value) -> Result<Answer, Reason> {
    match value {
        Value::Undefined => Ok(Answer::Undefined),
        Value::Bool(true) => Ok(Answer::Allow),
        Value::Bool(false) => Ok(Answer::Deny),
        value => {
            let value = serde_json::to_value(value)
                .map_err(|error| Reason::NotUnderstood { message: error.to_string() })?;
            at_most(Part::Output, bytes_of(&value), OUTPUT_BYTES_MAX)?;
            Ok(Answer::Value { value })
        }
    }
}

/// A message of the engine within bounds: it quotes lines of the policy, which may be long.
pub(super) fn short(text: &str) -> String {
    let cut = |text: &str, bytes_max| {
        let end = text.floor_char_boundary(bytes_max);
        if end < text.len() { format!("{} ...", &text[..end]) } else { text.to_owned() }
    };
    let lines: Vec<String> =
        text.trim().lines().map(|line| cut(line.trim_end(), MESSAGE_LINE_BYTES_MAX)).collect();
    cut(&lines.join("\n"), MESSAGE_BYTES_MAX)
}
