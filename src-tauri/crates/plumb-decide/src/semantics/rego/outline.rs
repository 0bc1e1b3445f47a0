//! What a policy asks of its input, read from its text: for making requests that tell two versions
//! apart, and for naming the rule that answered.
//!
//! It is a reading aid and no evaluation. What it does not understand it leaves out, so requests made
//! from it may miss a condition; [`super::super::first_match::Coverage`] then says that the condition
//! was never tried. Reading needs the engine's parser, so it is done where policies of others are
//! prepared: in the process that can be killed.

mod read;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::RegoSource;
use crate::answer::Reason;

/// One step into a document.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Segment {
    Name(String),
    /// Some element of a list.
    Item,
}

/// Where in the input a condition looks.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Place(pub Vec<Segment>);

/// What a condition wants of a place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wish {
    /// One of these values.
    OneOf(Vec<Value>),
    Below(Value),
    AtMost(Value),
    AtLeast(Value),
    Above(Value),
    StartsWith(String),
    EndsWith(String),
    Contains(String),
    /// Any value but `false` and none.
    Truth,
}

/// One condition on the input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Want {
    pub place: Place,
    pub wish: Wish,
    /// It holds where the wish does not come true.
    pub negated: bool,
}

/// One definition of a rule: a body, and what it wants.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Definition {
    /// Package and rule without `data`, as in `app.rbac.allow`.
    pub rule: String,
    pub module: String,
    /// Where it begins, from 1.
    pub line: u32,
    pub wants: Vec<Want>,
    /// Other rules of the policy that it asks, by name.
    pub uses: BTreeSet<String>,
}

impl Definition {
    /// How people find it.
    pub fn label(&self) -> String {
        format!("{} ({}:{})", self.rule, self.module, self.line)
    }
}

/// Everything that was read of one policy.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Outline {
    /// Those with a body, in the order of the source.
    pub definitions: Vec<Definition>,
    /// Conditions that stand within something else: only their values matter.
    pub inner: Vec<Want>,
    /// What the policy's own tests ask: each `with input as` of a rule `test_...`
    /// (<https://www.openpolicyagent.org/docs/policy-testing>) whose value stands in the text.
    pub tests: Vec<Value>,
    /// Whether the time of the request is looked at.
    pub asks_time: bool,
}

/// What reading a policy came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Traced {
    pub outline: Outline,
    /// What [`RegoSource::telling`] adds to the modules, in the order of their texts.
    pub added: Vec<Added>,
}

/// A piece of text put into a module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Added {
    /// The number of the module in the source.
    pub module: usize,
    /// Bytes before it.
    pub at: usize,
    pub text: String,
}

/// What a body of a telling policy prints before its definition's number.
pub(super) const HELD: &str = "plumbline definition held: ";

impl RegoSource {
    /// Reads what the policy asks.
    pub fn outline(&self) -> Result<Traced, Reason> {
        self.check()?;
        super::guarded(|| read::traced(self))
    }

    /// The same policy, where each body ends by telling its definition's number in the outline. What
    /// does not fit the text is left out, and tells nothing.
    #[must_use]
    pub fn telling(&self, added: &[Added]) -> Self {
        let mut told = self.clone();
        for added in added.iter().rev() {
            if let Some(module) = told.modules.get_mut(added.module)
                && module.text.is_char_boundary(added.at)
            {
                module.text.insert_str(added.at, &added.text);
            }
        }
        told
    }
}

impl Outline {
    /// Every value that some condition names for a place, with one beside it.
    pub fn domains(&self) -> BTreeMap<Place, Vec<Value>> {
        let mut domains = BTreeMap::<Place, BTreeMap<String, Value>>::new();
        let wants = self.definitions.iter().flat_map(|definition| &definition.wants);
        for want in wants.chain(&self.inner) {
            let values = want.wish.values().into_iter().map(|value| (value.to_string(), value));
            domains.entry(want.place.clone()).or_default().extend(values);
        }
        domains.into_iter().map(|(place, values)| (place, values.into_values().collect())).collect()
    }
}

/// What no policy names.
const UNNAMED: &str = "plumbline.unnamed";

impl Wish {
    /// Values at its edges: some with which it comes true, some with which it does not.
    pub fn values(&self) -> Vec<Value> {
        let around = |number: &Value| match (number.as_i64(), number.as_f64()) {
            (Some(number), _) => {
                [-1, 0, 1].map(|by| Value::from(number.saturating_add(by))).to_vec()
            }
            (None, Some(number)) => [-1.0, 0.0, 1.0].map(|by| Value::from(number + by)).to_vec(),
            (None, None) => vec![number.clone()],
        };
        match self {
            Self::OneOf(values) => values.iter().cloned().chain([other_than(values)]).collect(),
            Self::Below(number)
            | Self::AtMost(number)
            | Self::AtLeast(number)
            | Self::Above(number) => around(number),
            Self::StartsWith(text) => {
                [text.clone(), format!("{text}x"), UNNAMED.to_owned()].map(Value::from).to_vec()
            }
            Self::EndsWith(text) => {
                [text.clone(), format!("x{text}"), UNNAMED.to_owned()].map(Value::from).to_vec()
            }
            Self::Contains(text) => {
                [text.clone(), format!("x{text}x"), UNNAMED.to_owned()].map(Value::from).to_vec()
            }
            Self::Truth => vec![Value::Bool(true), Value::Bool(false)],
        }
    }

    /// Whether it comes true with a value.
    pub fn comes_true(&self, value: &Value) -> bool {
        let compares = |other: &Value| match (value.as_f64(), other.as_f64()) {
            (Some(value), Some(other)) => value.partial_cmp(&other),
            _ => value.as_str().zip(other.as_str()).map(|(value, other)| value.cmp(other)),
        };
        let text = |holds: &dyn Fn(&str) -> bool| value.as_str().is_some_and(holds);
        match self {
            Self::OneOf(values) => values.contains(value),
            Self::Below(number) => compares(number).is_some_and(std::cmp::Ordering::is_lt),
            Self::AtMost(number) => compares(number).is_some_and(std::cmp::Ordering::is_le),
            Self::AtLeast(number) => compares(number).is_some_and(std::cmp::Ordering::is_ge),
            Self::Above(number) => compares(number).is_some_and(std::cmp::Ordering::is_gt),
            Self::StartsWith(start) => text(&|value| value.starts_with(start.as_str())),
            Self::EndsWith(end) => text(&|value| value.ends_with(end.as_str())),
            Self::Contains(part) => text(&|value| value.contains(part.as_str())),
            Self::Truth => *value != Value::Bool(false),
        }
    }
}

/// A value of the same type that is none of these.
fn other_than(values: &[Value]) -> Value {
    match values.first() {
        Some(Value::Bool(value)) => Value::Bool(!value),
        Some(Value::Number(_)) => {
            let largest = values.iter().filter_map(Value::as_i64).max().unwrap_or_default();
            Value::from(largest.saturating_add(1))
        }
        _ => Value::from(UNNAMED),
    }
}

impl Want {
    /// Whether it holds for an input that has these values at its place.
    pub(super) fn holds(&self, values: &[&Value]) -> bool {
        values.iter().any(|value| self.wish.comes_true(value)) != self.negated
    }

    /// A value with which it holds; nothing where leaving the place out is the way.
    pub fn meeting(&self) -> Option<Value> {
        self.wish.values().into_iter().find(|value| self.wish.comes_true(value) != self.negated)
    }
}

impl Place {
    /// What stands there: several where the way goes through a list.
    pub(super) fn values<'a>(&self, input: &'a Value) -> Vec<&'a Value> {
        self.0.iter().fold(vec![input], |values, segment| {
            let next = values.into_iter().flat_map(|value| match (segment, value) {
                (Segment::Name(name), Value::Object(members)) => {
                    members.get(name).into_iter().collect()
                }
                (Segment::Item, Value::Array(items)) => items.iter().collect(),
                (Segment::Item, Value::Object(members)) => members.values().collect(),
                _ => Vec::new(),
            });
            next.collect()
        })
    }

    /// Puts a value there, or takes away what is there; lists have one element.
    pub fn set(&self, input: &mut Value, value: Option<Value>) {
        set(&self.0, input, value);
    }
}

fn set(segments: &[Segment], at: &mut Value, value: Option<Value>) {
    match segments {
        [] => *at = value.unwrap_or_default(),
        [Segment::Name(name)] if value.is_none() => {
            if let Value::Object(members) = at {
                members.remove(name);
            }
        }
        [Segment::Item] if value.is_none() => *at = Value::Array(Vec::new()),
        [Segment::Name(name), rest @ ..] => {
            if !at.is_object() {
                *at = Value::Object(serde_json::Map::new());
            }
            set(rest, &mut at[name.as_str()], value);
        }
        [Segment::Item, rest @ ..] => {
            if at.as_array().is_none_or(Vec::is_empty) {
                *at = Value::Array(vec![Value::Null]);
            }
            set(rest, &mut at[0], value);
        }
    }
}

#[cfg(test)]
mod tests;
