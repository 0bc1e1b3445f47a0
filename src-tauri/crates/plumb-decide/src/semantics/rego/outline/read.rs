//! From the engine's syntax tree; beside the index the only file that knows it.

use std::collections::{BTreeMap, BTreeSet};

use regorus::{
    Source,
    unstable::{
        AssignOp, BoolOp, Expr, Literal, LiteralStmt, Module as Ast, Query, Rule, RuleBody,
        RuleHead,
    },
};
use serde_json::{Value, json};

use super::{Added, Definition, HELD, Outline, Place, Segment, Traced, Want, Wish};
use crate::{
    answer::Reason,
    limits::{OUTLINE_TESTS_MAX, OUTLINE_VALUES_MAX},
    semantics::rego::{Module, RegoSource, engine, index, scan::scan},
};

/// How rules are called that test others, and those that are not yet to pass.
const TESTS: [&str; 2] = ["test_", "todo_test_"];

pub(super) fn traced(source: &RegoSource) -> Result<Traced, Reason> {
    let mut reader =
        Reader { data: &source.data, outline: Outline::default(), package: String::new() };
    let mut added = Vec::new();
    for (number, module) in source.modules.iter().enumerate() {
        scan(&module.name, &module.text)?;
        reader.outline.asks_time |= module.text.contains("time.");
        let of_module = reader.module(module, source)?;
        added.extend(of_module.into_iter().map(|(at, text)| Added { module: number, at, text }));
    }
    let mut outline = reader.outline;
    let rules: BTreeSet<String> =
        outline.definitions.iter().map(|definition| definition.rule.clone()).collect();
    for definition in &mut outline.definitions {
        definition.uses.retain(|rule| rules.contains(rule) && *rule != definition.rule);
    }
    Ok(Traced { outline, added })
}

/// What a name stands for within one body.
enum Meaning {
    Place(Place),
    Values(Vec<Value>),
}

struct Reader<'s> {
    data: &'s Value,
    outline: Outline,
    package: String,
}

/// What one body was read to so far.
#[derive(Default)]
struct Body {
    wants: Vec<Want>,
    inner: Vec<Want>,
    uses: BTreeSet<String>,
    names: BTreeMap<String, Meaning>,
}

impl Reader<'_> {
    /// Adds the definitions of a module, and gives what its bodies tell, each with its place.
    fn module(
        &mut self,
        module: &Module,
        source: &RegoSource,
    ) -> Result<Vec<(usize, String)>, Reason> {
        let not_understood =
            |error: String| Reason::NotUnderstood { message: engine::short(&error) };
        let text = Source::from_contents(module.name.clone(), module.text.clone())
            .map_err(|error| not_understood(error.to_string()))?;
        let ast: Ast = index::parse(&text, source.version)
            .ok_or_else(|| not_understood(format!("{} is no Rego", module.name)))?;
        self.package = dotted(&ast.package.refr).unwrap_or_default();
        let mut added: Vec<(usize, String)> = Vec::new();
        for rule in &ast.policy {
            let Rule::Spec { span, head, bodies } = rule.as_ref() else { continue };
            let (RuleHead::Compr { refr, .. } | RuleHead::Set { refr, .. }) = head else {
                continue;
            };
            let Some(name) = rule_name(refr) else { continue };
            if TESTS.iter().any(|start| name.starts_with(start)) {
                for body in bodies {
                    self.test(&body.query);
                }
                continue;
            }
            for body in bodies {
                let number = self.outline.definitions.len();
                added.extend(telling(&module.text, body, number));
                let read = self.body(&body.query);
                self.outline.inner.extend(read.inner);
                self.outline.definitions.push(Definition {
                    rule: format!("{}.{name}", self.package),
                    module: module.name.clone(),
                    line: if body.is_else { body.span.line } else { span.line },
                    wants: read.wants,
                    uses: read.uses,
                });
            }
        }
        added.sort_by_key(|(at, _)| *at);
        Ok(added)
    }

    /// What a test asks. An input of which a part is not known before the test runs is left out.
    fn test(&mut self, query: &Query) {
        let mut body = Body::default();
        for statement in &query.stmts {
            self.statement(statement, &mut body);
            let input = statement.with_mods.iter().try_fold(None, |input, with| {
                let Some(at) = place(&with.refr, &body) else { return Some(input) };
                let value = self.constant(&with.r#as, &body)?;
                if at.0.is_empty() {
                    return Some(Some(value));
                }
                let mut input = input.unwrap_or_else(|| json!({}));
                at.set(&mut input, Some(value));
                Some(Some(input))
            });
            let room = self.outline.tests.len() < OUTLINE_TESTS_MAX;
            self.outline.tests.extend(input.flatten().filter(|_| room));
        }
    }

    fn body(&self, query: &Query) -> Body {
        let mut body = Body::default();
        for statement in &query.stmts {
            self.statement(statement, &mut body);
        }
        body
    }

    fn statement(&self, statement: &LiteralStmt, body: &mut Body) {
        match &statement.literal {
            Literal::SomeVars { .. } => {}
            Literal::SomeIn { value, collection, .. } => {
                self.within(collection, body);
                let Expr::Var { span, .. } = value.as_ref() else { return };
                if let Some(meaning) = self.elements(collection, body) {
                    body.names.insert(span.text().to_owned(), meaning);
                }
            }
            Literal::Expr { expr, .. } => self.condition(expr, false, body),
            Literal::NotExpr { expr, .. } => self.condition(expr, true, body),
            Literal::Every { value, domain, query, .. } => {
                self.within(domain, body);
                let mut each = Body::default();
                if let Some(meaning) = self.elements(domain, body) {
                    each.names.insert(value.text().to_owned(), meaning);
                }
                for statement in &query.stmts {
                    self.statement(statement, &mut each);
                }
                body.inner.extend(each.wants.into_iter().chain(each.inner));
                body.uses.extend(each.uses);
            }
        }
    }

    /// A whole statement: what it wants of the input, if that can be read.
    fn condition(&self, expression: &Expr, negated: bool, body: &mut Body) {
        if let Expr::AssignExpr { op: AssignOp::ColEq, lhs, rhs, .. } = expression {
            self.within(rhs, body);
            if let Expr::Var { span, .. } = lhs.as_ref() {
                let place = place(rhs, body).map(Meaning::Place);
                let meaning =
                    place.or_else(|| Some(Meaning::Values(vec![self.constant(rhs, body)?])));
                if let Some(meaning) = meaning {
                    body.names.insert(span.text().to_owned(), meaning);
                }
            }
            return;
        }
        let want = self.want(expression, body);
        if want.is_none() {
            self.within(expression, body);
        }
        let want = want.or_else(|| Some((place(expression, body)?, Wish::Truth)));
        body.wants.extend(want.map(|(place, wish)| Want { place, wish, negated }));
    }

    fn want(&self, expression: &Expr, body: &Body) -> Option<(Place, Wish)> {
        match expression {
            Expr::AssignExpr { op: AssignOp::Eq, lhs, rhs, .. }
            | Expr::BoolExpr { op: BoolOp::Eq, lhs, rhs, .. } => {
                let pair =
                    |at, value| Some((place(at, body)?, Wish::OneOf(self.values(value, body)?)));
                pair(lhs, rhs).or_else(|| pair(rhs, lhs))
            }
            Expr::BoolExpr { op, lhs, rhs, .. } => {
                if let (Some(place), Some(value)) = (place(lhs, body), self.constant(rhs, body)) {
                    return Some((place, compared(op, value, false)?));
                }
                let value = self.constant(lhs, body)?;
                Some((place(rhs, body)?, compared(op, value, true)?))
            }
            Expr::Membership { value, collection, .. } => {
                if let Some(at) = place(value, body) {
                    let Meaning::Values(values) = self.elements(collection, body)? else {
                        return None;
                    };
                    return Some((at, Wish::OneOf(values)));
                }
                let Meaning::Place(at) = self.elements(collection, body)? else { return None };
                Some((at, Wish::OneOf(self.values(value, body)?)))
            }
            Expr::RefBrack { refr, index, .. } => {
                let Value::Object(members) = self.constant(refr, body)? else { return None };
                let keys = members.keys().take(OUTLINE_VALUES_MAX).cloned().map(Value::from);
                Some((place(index, body)?, Wish::OneOf(keys.collect())))
            }
            Expr::Call { fcn, params, .. } => {
                let [text, part] = params.as_slice() else { return None };
                let at = place(text, body)?;
                let part = self.constant(part, body)?.as_str()?.to_owned();
                Some((
                    at,
                    match dotted(fcn)?.as_str() {
                        "startswith" => Wish::StartsWith(part),
                        "endswith" => Wish::EndsWith(part),
                        "contains" => Wish::Contains(part),
                        _ => return None,
                    },
                ))
            }
            _ => None,
        }
    }

    /// Everything inside an expression: rules it names, and conditions that stand within.
    fn within(&self, expression: &Expr, body: &mut Body) {
        if let Some(name) = dotted(expression) {
            let full = name.strip_prefix("data.").map(str::to_owned);
            body.uses.insert(full.unwrap_or_else(|| {
                let first = name.split(['.', '[']).next().unwrap_or_default();
                format!("{}.{first}", self.package)
            }));
        }
        let mut query = |query: &Query| {
            let read = self.body(query);
            body.inner.extend(read.wants.into_iter().chain(read.inner));
            body.uses.extend(read.uses);
        };
        let parts: Vec<&Expr> = match expression {
            Expr::ArrayCompr { term, query: inner, .. }
            | Expr::SetCompr { term, query: inner, .. } => {
                query(inner);
                vec![term]
            }
            Expr::ObjectCompr { key, value, query: inner, .. } => {
                query(inner);
                vec![key, value]
            }
            Expr::Array { items, .. } | Expr::Set { items, .. } => {
                items.iter().map(AsRef::as_ref).collect()
            }
            Expr::Object { fields, .. } => {
                fields.iter().flat_map(|(_, key, value)| [key.as_ref(), value.as_ref()]).collect()
            }
            Expr::Call { params, .. } => params.iter().map(AsRef::as_ref).collect(),
            Expr::UnaryExpr { expr, .. } => vec![expr],
            Expr::RefDot { refr, .. } => vec![refr],
            Expr::RefBrack { refr, index, .. } => vec![refr, index],
            Expr::BinExpr { lhs, rhs, .. }
            | Expr::BoolExpr { lhs, rhs, .. }
            | Expr::ArithExpr { lhs, rhs, .. }
            | Expr::AssignExpr { lhs, rhs, .. } => vec![lhs, rhs],
            Expr::Membership { value, collection, .. } => vec![value, collection],
            _ => Vec::new(),
        };
        for part in parts {
            if let Some((place, wish)) = self.want(part, body) {
                body.inner.push(Want { place, wish, negated: false });
            }
            self.within(part, body);
        }
    }

    /// What an expression is whatever the input: a literal, or a place in the base document.
    fn constant(&self, expression: &Expr, body: &Body) -> Option<Value> {
        match expression {
            Expr::String { value, .. }
            | Expr::RawString { value, .. }
            | Expr::Number { value, .. }
            | Expr::Bool { value, .. }
            | Expr::Null { value, .. } => serde_json::to_value(value).ok(),
            Expr::Array { items, .. } | Expr::Set { items, .. } => items
                .iter()
                .map(|item| self.constant(item, body))
                .collect::<Option<_>>()
                .map(Value::Array),
            Expr::Object { fields, .. } => {
                let members = fields.iter().map(|(_, key, value)| {
                    let Value::String(key) = self.constant(key, body)? else { return None };
                    Some((key, self.constant(value, body)?))
                });
                members.collect::<Option<_>>().map(Value::Object)
            }
            Expr::Var { span, .. } => match body.names.get(span.text())? {
                Meaning::Values(values) => values.first().cloned(),
                Meaning::Place(_) => None,
            },
            Expr::RefDot { .. } | Expr::RefBrack { .. } => {
                let name = dotted(expression)?;
                let path = name.strip_prefix("data.")?;
                path.split('.').try_fold(self.data, |value, name| value.get(name)).cloned()
            }
            _ => None,
        }
    }

    /// The constants an expression may be.
    fn values(&self, expression: &Expr, body: &Body) -> Option<Vec<Value>> {
        if let Expr::Var { span, .. } = expression
            && let Some(Meaning::Values(values)) = body.names.get(span.text())
        {
            return Some(values.clone());
        }
        Some(vec![self.constant(expression, body)?])
    }

    /// What a collection has in it.
    fn elements(&self, collection: &Expr, body: &Body) -> Option<Meaning> {
        if let Some(mut elements) = place(collection, body) {
            elements.0.push(Segment::Item);
            return Some(Meaning::Place(elements));
        }
        let values = match self.constant(collection, body)? {
            Value::Array(values) => values,
            Value::Object(members) => members.into_iter().map(|(_, value)| value).collect(),
            _ => return None,
        };
        Some(Meaning::Values(values.into_iter().take(OUTLINE_VALUES_MAX).collect()))
    }
}

/// The place an expression means: `input.user.roles[_]`, or a name bound to such.
fn place(expression: &Expr, body: &Body) -> Option<Place> {
    let (within, segment) = match expression {
        Expr::Var { span, .. } if span.text() == "input" => return Some(Place::default()),
        Expr::Var { span, .. } => match body.names.get(span.text())? {
            Meaning::Place(place) => return Some(place.clone()),
            Meaning::Values(_) => return None,
        },
        // A text in another spelling is still told by what stands there.
        Expr::Call { fcn, params, .. } => {
            let ([text], Some("lower" | "upper" | "trim_space")) =
                (params.as_slice(), dotted(fcn).as_deref())
            else {
                return None;
            };
            return place(text, body);
        }
        Expr::RefDot { refr, field, .. } => {
            (refr, Segment::Name(field.1.as_string().ok()?.to_string()))
        }
        Expr::RefBrack { refr, index, .. } => {
            let segment = match index.as_ref() {
                Expr::String { value, .. } | Expr::RawString { value, .. } => {
                    Segment::Name(value.as_string().ok()?.to_string())
                }
                Expr::Var { .. } | Expr::Number { .. } => Segment::Item,
                _ => return None,
            };
            (refr, segment)
        }
        _ => return None,
    };
    let mut found = place(within, body)?;
    found.0.push(segment);
    Some(found)
}

/// The wish of a comparison; `mirrored` where the constant stands first.
fn compared(op: &BoolOp, value: Value, mirrored: bool) -> Option<Wish> {
    Some(match (op, mirrored) {
        (BoolOp::Lt, false) | (BoolOp::Gt, true) => Wish::Below(value),
        (BoolOp::Le, false) | (BoolOp::Ge, true) => Wish::AtMost(value),
        (BoolOp::Ge, false) | (BoolOp::Le, true) => Wish::AtLeast(value),
        (BoolOp::Gt, false) | (BoolOp::Lt, true) => Wish::Above(value),
        (BoolOp::Eq | BoolOp::Ne, _) => return None,
    })
}

/// Names with dots between them, when the expression is nothing else.
fn dotted(expression: &Expr) -> Option<String> {
    match expression {
        Expr::Var { span, .. } => Some(span.text().to_owned()),
        Expr::RefDot { refr, field, .. } => {
            Some(format!("{}.{}", dotted(refr)?, field.1.as_string().ok()?))
        }
        Expr::RefBrack { refr, index, .. } => {
            let (Expr::String { value, .. } | Expr::RawString { value, .. }) = index.as_ref()
            else {
                return None;
            };
            Some(format!("{}.{}", dotted(refr)?, value.as_string().ok()?))
        }
        _ => None,
    }
}

/// The rule's own name; without the key of a partial one.
fn rule_name(head: &Expr) -> Option<String> {
    dotted(head).or_else(|| match head {
        Expr::RefBrack { refr, .. } => rule_name(refr),
        _ => None,
    })
}

/// What texts stand between.
const QUOTES: [char; 2] = ['"', '`'];

/// What to add to a text so that a body tells that it held.
fn telling(text: &str, body: &RuleBody, number: usize) -> Vec<(usize, String)> {
    let statements = &body.query.stmts;
    let (Some(first), Some(last)) = (statements.first(), statements.last()) else {
        return Vec::new();
    };
    let place = |at: u32| usize::try_from(at).ok().filter(|at| text.is_char_boundary(*at));
    let (Some(mut start), Some(mut end)) = (place(first.span.start), place(last.span.end)) else {
        return Vec::new();
    };
    // The engine's place of a text is inside its quotes.
    start -= usize::from(text[..start].ends_with(QUOTES));
    end += usize::from(text[end..].starts_with(QUOTES));
    let print = format!("print(\"{HELD}{number}\")");
    // Between braces a line more is enough; a body of one statement gets its braces.
    if text[..start].trim_end().ends_with('{') {
        vec![(end, format!("\n{print}\n"))]
    } else {
        vec![(start, "{ ".to_owned()), (end, format!("\n{print} }}"))]
    }
}
