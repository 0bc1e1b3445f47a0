//! Cases made from rules: for each capability that a rule names, every value its conditions name,
//! one they do not name, and the minutes at both edges of every time window.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp, civil::Weekday};
use serde_json::{Value, json};

use super::{Classes, Persons, PreparedRules, Rule, Times};
use crate::{
    case::{Case, GENERATED_WEEK, Origin, drawn, merged},
    limits::{CASES_OF_CAPABILITY_MAX, GENERATED_CASES_MAX},
};

/// What no policy names.
const UNNAMED: &str = "plumbline.unnamed";
const NOON_MINUTE: i64 = 12 * 60;
const DAY_MINUTES: i64 = 24 * 60;

/// What conditions of the rules for one capability can tell apart.
#[derive(Default)]
struct Domains {
    classes: BTreeSet<String>,
    scopes: BTreeSet<String>,
    persons: BTreeSet<String>,
    /// Minutes after the beginning of the week.
    minutes: BTreeSet<i64>,
}

/// One value of each; empty texts are JSON texts of nothing: the member is left out.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Choice {
    class: Option<String>,
    scope: Option<String>,
    person: Option<String>,
    minute: i64,
}

/// Cases for the rules of several versions, merged and in order; the same for the same `seed`.
/// Where combinations are too many they are drawn by it: each single condition of each rule, met and
/// just not met, comes first.
pub fn cases_of_rules(versions: &[&PreparedRules], seed: u64) -> Vec<Case> {
    let rules: Vec<&Rule> = versions.iter().flat_map(|version| &version.rules).collect();
    let mut cases = Vec::new();
    for capability in capabilities(&rules) {
        let concerned: Vec<&Rule> =
            rules.iter().copied().filter(|rule| capability.starts_with(&rule.prefix)).collect();
        let draw = |number| drawn(seed, &capability, number);
        let choices = choices(&concerned, draw);
        cases.extend(choices.iter().map(|choice| choice.case(&capability)));
        if cases.len() >= GENERATED_CASES_MAX {
            break;
        }
    }
    cases.truncate(GENERATED_CASES_MAX);
    merged(cases)
}

/// Each name, one below it, one that just misses it, and one that nobody names.
fn capabilities(rules: &[&Rule]) -> BTreeSet<String> {
    let mut all = BTreeSet::from([UNNAMED.to_owned()]);
    for rule in rules {
        let prefix = rule.prefix.as_str();
        all.insert(prefix.to_owned());
        all.insert(format!("{prefix}.{UNNAMED}"));
        let mut letters = prefix.chars();
        if letters.next_back().is_some() {
            all.insert(letters.as_str().to_owned());
        }
    }
    all
}

fn choices(rules: &[&Rule], draw: impl Fn(usize) -> usize) -> BTreeSet<Choice> {
    let mut domains = Domains { minutes: BTreeSet::from([NOON_MINUTE]), ..Domains::default() };
    for rule in rules {
        domains.add(rule);
    }
    let with_none = |named: &BTreeSet<String>| -> Vec<Option<String>> {
        let unnamed = (!named.is_empty()).then(|| Some(json!(UNNAMED).to_string()));
        [None].into_iter().chain(unnamed).chain(named.iter().cloned().map(Some)).collect()
    };
    let classes = with_none(&domains.classes);
    let scopes = with_none(&domains.scopes);
    let persons = with_none(&domains.persons);
    let minutes: Vec<i64> = domains.minutes.iter().copied().collect();
    let mut chosen = BTreeSet::new();
    // In an order of their own: which version is named first makes no difference.
    let meeting: BTreeSet<Choice> = rules.iter().map(|rule| Choice::meeting(rule)).collect();
    for met in &meeting {
        for class in &classes {
            chosen.insert(Choice { class: class.clone(), ..met.clone() });
        }
        for scope in &scopes {
            chosen.insert(Choice { scope: scope.clone(), ..met.clone() });
        }
        for person in &persons {
            chosen.insert(Choice { person: person.clone(), ..met.clone() });
        }
        for minute in &minutes {
            chosen.insert(Choice { minute: *minute, ..met.clone() });
        }
        if chosen.len() >= CASES_OF_CAPABILITY_MAX {
            return chosen;
        }
    }
    let nth = |mut number: usize| {
        let mut next = |length: usize| {
            let at = number % length;
            number /= length;
            at
        };
        Choice {
            class: classes[next(classes.len())].clone(),
            scope: scopes[next(scopes.len())].clone(),
            person: persons[next(persons.len())].clone(),
            minute: minutes[next(minutes.len())],
        }
    };
    let sizes = [classes.len(), scopes.len(), persons.len(), minutes.len()];
    let all = sizes.into_iter().fold(1_usize, usize::saturating_mul);
    if all <= CASES_OF_CAPABILITY_MAX {
        chosen.extend((0..all).map(nth));
    } else {
        let room = CASES_OF_CAPABILITY_MAX.saturating_sub(chosen.len());
        chosen.extend((0..room).map(|number| nth(draw(number) % all)));
    }
    chosen
}

impl Domains {
    fn add(&mut self, rule: &Rule) {
        match &rule.classes {
            Classes::Any => {}
            Classes::OneOf(classes) => {
                self.classes.extend(classes.iter().map(|class| json!(class).to_string()));
            }
            Classes::Same(class) => {
                self.classes.insert(class.to_string());
            }
        }
        self.scopes.extend(rule.auth_scope.iter().map(|scope| json!(scope).to_string()));
        if let Persons::OneOf(persons) = &rule.persons {
            self.persons.extend(persons.iter().map(Value::to_string));
        }
        if let Times::Within(window) = &rule.times {
            for day in days(window.days()) {
                for end in window.ends() {
                    self.minutes
                        .extend([end - 1, end, end + 1].map(|minute| {
                            (day * DAY_MINUTES + minute).rem_euclid(7 * DAY_MINUTES)
                        }));
                }
            }
        }
    }
}

/// One day on which a window opens and one on which it does not; Monday where it is every day.
fn days(open: &[Weekday]) -> Vec<i64> {
    let number = |day: Weekday| i64::from(day.to_monday_zero_offset());
    let Some(first) = open.first() else { return vec![0] };
    let closed = (0..7).find(|day| !open.iter().any(|open| number(*open) == *day));
    [number(*first)].into_iter().chain(closed).collect()
}

impl Choice {
    /// What meets all conditions of a rule.
    fn meeting(rule: &Rule) -> Self {
        let class = match &rule.classes {
            Classes::Any => None,
            Classes::OneOf(classes) => classes.first().map(|class| json!(class).to_string()),
            Classes::Same(class) => Some(class.to_string()),
        };
        let person = match &rule.persons {
            Persons::OneOf(persons) => persons.first().map(Value::to_string),
            Persons::Any | Persons::Never => None,
        };
        let minute = match &rule.times {
            Times::Within(window) => {
                let day = days(window.days())[0];
                (day * DAY_MINUTES + window.ends()[0]).rem_euclid(7 * DAY_MINUTES)
            }
            Times::Always | Times::Never | Times::Fails => NOON_MINUTE,
        };
        let scope = rule.auth_scope.as_ref().map(|scope| json!(scope).to_string());
        Self { class, scope, person, minute }
    }

    fn case(&self, capability: &str) -> Case {
        let value =
            |text: &Option<String>| text.as_deref().and_then(|t| serde_json::from_str(t).ok());
        let mut context = serde_json::Map::new();
        if let Some(class) = value(&self.class) {
            let class: Value = class;
            context.insert("safety_context".to_owned(), json!({ "data_classification": class }));
        }
        if let Some(scope) = value(&self.scope) {
            context.insert("auth_scope".to_owned(), scope);
        }
        if let Some(person) = value(&self.person) {
            context.insert("person_id".to_owned(), person);
        }
        let week: Timestamp = GENERATED_WEEK.parse().expect("the beginning of a week");
        let input = json!({ "capability_id": capability, "context": context });
        Case::new(input, week + SignedDuration::from_mins(self.minute), Origin::Generated)
    }
}
