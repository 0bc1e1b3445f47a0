//! Conditions in CEL: the language without its loops, so that an expression ends in a number of
//! steps that its text alone tells.

use std::collections::{BTreeMap, BTreeSet};

use cel::{
    Context, Program, Value,
    common::ast::{EntryExpr, Expr, IdedExpr},
};

/// Longest expression, in bytes.
const BYTES_MAX: usize = 512;
/// Deepest nesting: the parser calls itself for each bracket and each `?`.
const NESTING_MAX: usize = 12;
/// Operators and functions that cost no more than their operands are long.
const FUNCTIONS: [&str; 22] = [
    "_==_",
    "_!=_",
    "_<_",
    "_<=_",
    "_>_",
    "_>=_",
    "_&&_",
    "_||_",
    "!_",
    "-_",
    "_+_",
    "_-_",
    "_*_",
    "_/_",
    "_%_",
    "_?_:_",
    "@in",
    "_[_]",
    "size",
    "contains",
    "startsWith",
    "endsWith",
];

/// What an expression may speak of.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    pub parameters: BTreeSet<String>,
    /// Steps that came before.
    pub steps: BTreeSet<String>,
    /// Whether there is a `result`: in a success condition.
    pub result: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExpressionError {
    #[error("an expression has 1 to {BYTES_MAX} bytes")]
    Length,
    #[error("an expression nests at most {NESTING_MAX} deep")]
    Nesting,
    #[error("this is no expression: {message}")]
    Syntax { message: String },
    #[error("{name} is not part of the language of conditions")]
    NotAllowed { name: String },
    #[error("{name} is not known here; there are {known}")]
    Unknown { name: String, known: String },
    #[error("the expression cannot be answered: {message}")]
    NoAnswer { message: String },
}

/// A checked expression.
#[derive(Debug)]
pub struct Expression(Program);

impl Expression {
    pub fn parse(text: &str, scope: &Scope) -> Result<Self, ExpressionError> {
        if text.trim().is_empty() || text.len() > BYTES_MAX {
            return Err(ExpressionError::Length);
        }
        let opened = |c: char| matches!(c, '(' | '[' | '{' | '?' | '!' | '-');
        if text.chars().filter(|c| opened(*c)).count() > NESTING_MAX {
            return Err(ExpressionError::Nesting);
        }
        let program = Program::compile(text).map_err(|errors| {
            let first = errors.errors.first().map_or("", |error| error.msg.as_str());
            let message = first.lines().next().unwrap_or_default().chars().take(200).collect();
            ExpressionError::Syntax { message }
        })?;
        allowed(program.expression(), scope)?;
        Ok(Self(program))
    }

    /// Whether it holds. Anything but true or false is an error, never a no.
    pub fn holds(
        &self,
        values: &BTreeMap<String, serde_json::Value>,
    ) -> Result<bool, ExpressionError> {
        let no_answer = |message: String| ExpressionError::NoAnswer { message };
        let mut context = Context::default();
        for (name, value) in values {
            context
                .add_variable(name.as_str(), value.clone())
                .map_err(|error| no_answer(error.to_string()))?;
        }
        match self.0.execute(&context) {
            Ok(Value::Bool(holds)) => Ok(holds),
            Ok(other) => Err(no_answer(format!("it is a {}, not true or false", other.type_of()))),
            Err(error) => Err(no_answer(error.to_string())),
        }
    }
}

fn allowed(node: &IdedExpr, scope: &Scope) -> Result<(), ExpressionError> {
    let not = |name: &str| Err(ExpressionError::NotAllowed { name: name.to_owned() });
    match &node.expr {
        Expr::Literal(_) => Ok(()),
        Expr::Ident(name) if name == "result" && scope.result => Ok(()),
        Expr::Ident(name) => Err(unknown(name, scope)),
        Expr::Select(select) => selected(&select.operand.expr, &select.field, scope)
            .unwrap_or_else(|| allowed(&select.operand, scope)),
        Expr::Call(call) => {
            if !FUNCTIONS.contains(&call.func_name.as_str()) {
                return not(&call.func_name);
            }
            call.target.iter().try_for_each(|target| allowed(target, scope))?;
            call.args.iter().try_for_each(|argument| allowed(argument, scope))
        }
        Expr::List(list) => list.elements.iter().try_for_each(|element| allowed(element, scope)),
        Expr::Map(map) => map.entries.iter().try_for_each(|entry| match &entry.expr {
            EntryExpr::MapEntry(entry) => {
                allowed(&entry.key, scope).and_then(|()| allowed(&entry.value, scope))
            }
            EntryExpr::StructField(_) => not("a structure"),
        }),
        Expr::Comprehension(_) => not("a loop over a list (all, exists, map, filter)"),
        Expr::Struct(_) => not("a structure"),
        Expr::Unspecified => not("an empty part"),
    }
}

/// `params.NAME` and `steps.ID`: only names that are there.
fn selected(of: &Expr, field: &str, scope: &Scope) -> Option<Result<(), ExpressionError>> {
    let Expr::Ident(root) = of else { return None };
    let known = match root.as_str() {
        "params" => &scope.parameters,
        "steps" => &scope.steps,
        _ => return None,
    };
    let found = known.contains(field);
    Some(if found { Ok(()) } else { Err(unknown(&format!("{root}.{field}"), scope)) })
}

fn unknown(name: &str, scope: &Scope) -> ExpressionError {
    let params = scope.parameters.iter().map(|name| format!("params.{name}"));
    let steps = scope.steps.iter().map(|id| format!("steps.{id}"));
    let result = scope.result.then(|| "result".to_owned());
    let known: Vec<String> = params.chain(steps).chain(result).take(20).collect();
    let known = if known.is_empty() { "no names".to_owned() } else { known.join(", ") };
    ExpressionError::Unknown { name: name.to_owned(), known }
}
