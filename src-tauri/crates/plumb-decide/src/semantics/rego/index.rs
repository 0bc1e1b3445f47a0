//! A rule index: of a policy with many definitions of its rules, only those are evaluated that can
//! hold for a request, told by one string of its input.
//!
//! Access policies are long lists of definitions, each of which wants another string at the same
//! place: `input.action == "read"`. The engine looks at each of them. Here the policy is cut into
//! parts by that string; a request is asked of the part with the definitions that want its string,
//! and of a part without any of them when it has another string or none. A definition that is left
//! out could not have held. OPA indexes rules in the same way
//! (<https://www.openpolicyagent.org/docs/policy-performance>), so an error within a definition that
//! is left out is no more seen than it is there.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::OnceLock,
};

use regorus::{
    Engine, Source, Value,
    unstable::{AssignOp, BoolOp, Expr, Literal, LiteralStmt, Module, Parser, Rule, RuleHead},
};
use serde_json::Value as Json;

use super::{RegoVersion, engine, scan::hides_input};
use crate::limits::{INDEX_DEFINITIONS_MIN, INDEX_PARTS_MAX, INDEX_TEXT_BYTES_MAX};

/// A policy in parts, each made when it is first asked.
pub(super) struct Index {
    version: RegoVersion,
    data: Value,
    /// Names and texts of all modules.
    modules: Vec<(String, String)>,
    /// What some parts leave out.
    definitions: Vec<Definition>,
    /// The place under `input` whose string chooses the part.
    place: Vec<String>,
    part_of: BTreeMap<String, usize>,
    /// The last one is without any of the definitions. `None`: it could not be made.
    parts: Vec<OnceLock<Option<Engine>>>,
}

/// One definition of a rule that wants a string at the chosen place.
struct Definition {
    module: usize,
    text: Range<usize>,
    part: usize,
}

/// A definition that wants strings at certain places.
struct Wanting {
    module: usize,
    text: Range<usize>,
    wants: BTreeMap<Vec<String>, String>,
}

impl Index {
    /// Nothing where it would not help, or where a name could hide a place of the input.
    pub(super) fn of(engine: &Engine, version: RegoVersion) -> Option<Self> {
        let sources = engine.get_policies().ok()?;
        let mut wanting = Vec::new();
        for (number, source) in sources.iter().enumerate() {
            if hides_input(source.get_path(), source.get_contents()) {
                return None;
            }
            wanting.extend(definitions_of(number, &parse(source, version)?));
        }
        let place = place_wanted_most(&wanting)?;
        let strings: BTreeSet<&String> =
            wanting.iter().filter_map(|definition| definition.wants.get(&place)).collect();
        let bytes: usize = sources.iter().map(|source| source.get_contents().len()).sum();
        let cut: usize = wanting
            .iter()
            .filter_map(|definition| definition.wants.get(&place).map(|_| definition.text.len()))
            .sum();
        // Each part, and the one without any, holds what cannot be left out.
        let parts_max = INDEX_TEXT_BYTES_MAX.checked_sub(cut)? / (bytes - cut).max(1);
        let parts = strings.len().min(INDEX_PARTS_MAX).min(parts_max.saturating_sub(1));
        if parts < 2 {
            return None;
        }
        let part_of: BTreeMap<String, usize> = strings
            .iter()
            .enumerate()
            .map(|(number, string)| ((*string).clone(), number % parts))
            .collect();
        let definitions = wanting
            .into_iter()
            .filter_map(|Wanting { module, text, wants }| {
                Some(Definition { module, text, part: part_of[wants.get(&place)?] })
            })
            .collect();
        let named = |source: &Source| (source.get_path().clone(), source.get_contents().clone());
        Some(Self {
            version,
            data: engine.get_data(),
            modules: sources.iter().map(named).collect(),
            definitions,
            place,
            part_of,
            parts: (0..=parts).map(|_| OnceLock::new()).collect(),
        })
    }

    /// The part that answers a request with this input as the whole policy would.
    pub(super) fn part_for(&self, input: &Json) -> Option<&Engine> {
        let value = self.place.iter().try_fold(input, |value, name| value.as_object()?.get(name));
        let part = value.and_then(Json::as_str).and_then(|string| self.part_of.get(string));
        let part = part.copied().unwrap_or(self.parts.len() - 1);
        let made = || catch_unwind(AssertUnwindSafe(|| self.make(part))).ok().flatten();
        self.parts[part].get_or_init(made).as_ref()
    }

    fn make(&self, part: usize) -> Option<Engine> {
        let mut texts = self.modules.clone();
        // Backwards: what comes before stays where it is.
        for left_out in self.definitions.iter().rev().filter(|definition| definition.part != part) {
            texts[left_out.module].1.replace_range(left_out.text.clone(), "");
        }
        let mut engine = engine::empty(self.version);
        for (name, text) in texts {
            engine.add_policy(name, text).ok()?;
        }
        engine.add_data(self.data.clone()).ok()?;
        engine.eval_query("true".to_owned(), false).ok()?;
        Some(engine)
    }
}

pub(super) fn parse(source: &Source, version: RegoVersion) -> Option<Module> {
    let mut parser = Parser::new(source).ok()?;
    if version == RegoVersion::V1 {
        parser.enable_rego_v1().ok()?;
    }
    parser.parse().ok()
}

/// Definitions that may be left out. The first of each rule never is: the rule would be gone, and
/// with it every name that means it.
fn definitions_of(number: usize, module: &Module) -> Vec<Wanting> {
    let mut seen = BTreeSet::new();
    let mut all = Vec::new();
    for rule in &module.policy {
        let Rule::Spec { span, head, bodies } = rule.as_ref() else { continue };
        let (RuleHead::Compr { refr, .. } | RuleHead::Set { refr, .. }) = head else { continue };
        let first = seen.insert(refr.span().text().to_owned());
        let ([body], false) = (bodies.as_slice(), first) else { continue };
        let wants: BTreeMap<_, _> = body.query.stmts.iter().filter_map(wanted).collect();
        let text = (usize::try_from(span.start), usize::try_from(span.end));
        if let (false, (Ok(start), Ok(end))) = (wants.is_empty(), text) {
            all.push(Wanting { module: number, text: start..end, wants });
        }
    }
    all
}

/// The place and the string of a statement such as `input.user.role == "admin"`.
fn wanted(statement: &LiteralStmt) -> Option<(Vec<String>, String)> {
    let Literal::Expr { expr, .. } = &statement.literal else { return None };
    let (Expr::BoolExpr { op: BoolOp::Eq, lhs, rhs, .. }
    | Expr::AssignExpr { op: AssignOp::Eq, lhs, rhs, .. }) = expr.as_ref()
    else {
        return None;
    };
    let pair = |place: &Expr, string: &Expr| Some((place_of(place)?, string_of(string)?));
    pair(lhs, rhs).or_else(|| pair(rhs, lhs))
}

fn string_of(expression: &Expr) -> Option<String> {
    let (Expr::String { value, .. } | Expr::RawString { value, .. }) = expression else {
        return None;
    };
    Some(value.as_string().ok()?.to_string())
}

/// The names after `input`; at least one.
fn place_of(expression: &Expr) -> Option<Vec<String>> {
    let (within, name) = match expression {
        Expr::RefDot { refr, field, .. } => (refr, field.1.as_string().ok()?.to_string()),
        Expr::RefBrack { refr, index, .. } => (refr, string_of(index)?),
        _ => return None,
    };
    let mut place = match within.as_ref() {
        Expr::Var { span, .. } if span.text() == "input" => Vec::new(),
        deeper => place_of(deeper)?,
    };
    place.push(name);
    Some(place)
}

/// The place at which most definitions want a string, if they are enough.
fn place_wanted_most(definitions: &[Wanting]) -> Option<Vec<String>> {
    let mut counts: BTreeMap<&Vec<String>, BTreeMap<&String, usize>> = BTreeMap::new();
    for definition in definitions {
        for (place, string) in &definition.wants {
            *counts.entry(place).or_default().entry(string).or_default() += 1;
        }
    }
    // How many definitions a request is spared, at worst.
    let spared = |strings: &BTreeMap<&String, usize>| {
        strings.values().sum::<usize>() - strings.values().max().copied().unwrap_or_default()
    };
    let best = counts.iter().max_by_key(|(_, strings)| spared(strings))?;
    (spared(best.1) >= INDEX_DEFINITIONS_MIN).then(|| (*best.0).clone())
}

#[cfg(test)]
mod tests;
