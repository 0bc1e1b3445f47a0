//! Cases made from outlines: an input that meets each definition, the same input with each of its
//! conditions just not met, and inputs that mix what several definitions want; and what the tests of
//! the policies ask.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{
    Entrypoint,
    outline::{Definition, Outline, Place, Want},
};
use crate::{
    case::{Case, GENERATED_WEEK, Origin, drawn, merged},
    coverage::Coverage,
    limits::{CASES_OF_DEFINITION_MAX, GENERATED_CASES_MAX, USES_DEPTH_MAX},
};

const NOON_HOUR: i64 = 12;
/// Hours after the beginning of the week at which a policy that looks at the time is asked: both
/// sides of the usual ends of a working day, midnight, and a Saturday.
const HOURS: [i64; 8] = [0, 6, 8, NOON_HOUR, 17, 18, 23, 5 * 24 + NOON_HOUR];

/// Cases for several versions of a policy, merged and in order; the same for the same `seed`, in
/// whatever order the versions are named.
pub fn cases_of_outlines(versions: &[&Outline], seed: u64) -> Vec<Case> {
    let mut inputs = BTreeSet::from([json!({}).to_string()]);
    let mut domains = BTreeMap::<Place, BTreeSet<String>>::new();
    for version in versions {
        for (place, values) in version.domains() {
            domains.entry(place).or_default().extend(values.iter().map(Value::to_string));
        }
    }
    let meeting: BTreeSet<String> = versions
        .iter()
        .flat_map(|version| version.definitions.iter().map(|one| version.meeting(one).to_string()))
        .collect();
    let wants: BTreeMap<String, Vec<Want>> = versions
        .iter()
        .flat_map(|version| {
            version
                .definitions
                .iter()
                .map(|one| (version.meeting(one).to_string(), version.all_wants(one)))
        })
        .collect();
    inputs.extend(meeting.iter().cloned());
    for (text, wants) in &wants {
        inputs.extend(varied(text, wants));
        if inputs.len() >= GENERATED_CASES_MAX {
            break;
        }
    }
    let bases: Vec<&String> = meeting.iter().collect();
    let places: Vec<(&Place, Vec<&String>)> =
        domains.iter().map(|(place, values)| (place, values.iter().collect())).collect();
    if !bases.is_empty() && !places.is_empty() {
        let room = GENERATED_CASES_MAX.saturating_sub(inputs.len());
        for number in 0..room.min(bases.len() * CASES_OF_DEFINITION_MAX) {
            let draw = |what: &str| drawn(seed, what, number);
            let mut input = parsed(bases[draw("base") % bases.len()]);
            for what in ["first", "second"] {
                let (place, values) = &places[draw(what) % places.len()];
                let chosen = values[draw(&format!("value of {what}")) % values.len()];
                place.set(&mut input, Some(parsed(chosen)));
            }
            inputs.insert(input.to_string());
        }
    }
    let asks_time = versions.iter().any(|version| version.asks_time);
    let hours: &[i64] = if asks_time { &HOURS } else { &[NOON_HOUR] };
    let week: Timestamp = GENERATED_WEEK.parse().expect("the beginning of a week");
    let mut cases: Vec<Case> = hours
        .iter()
        .flat_map(|hour| {
            let now = week + SignedDuration::from_hours(*hour);
            inputs.iter().map(move |input| Case::new(parsed(input), now, Origin::Generated))
        })
        .collect();
    cases.truncate(GENERATED_CASES_MAX);
    let noon = week + SignedDuration::from_hours(NOON_HOUR);
    let tests = versions.iter().flat_map(|version| &version.tests);
    let tests: BTreeSet<String> = tests.map(Value::to_string).collect();
    // Both versions mostly bring the same tests: each asks once.
    cases.extend(tests.iter().map(|input| Case::new(parsed(input), noon, Origin::Given)));
    merged(cases)
}

/// One input with each of its conditions at each of its edges, and with each place left out.
fn varied(met: &str, wants: &[Want]) -> Vec<String> {
    let mut all = Vec::new();
    for want in wants {
        let values = want.wish.values().into_iter().map(Some).chain([None]);
        for value in values.take(CASES_OF_DEFINITION_MAX) {
            let mut input = parsed(met);
            want.place.set(&mut input, value);
            all.push(input.to_string());
        }
    }
    all
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).expect("it was written from a value")
}

impl Outline {
    /// An input that meets what a definition wants, itself and through the rules it asks.
    fn meeting(&self, definition: &Definition) -> Value {
        let mut input = json!({});
        for want in self.all_wants(definition) {
            want.place.set(&mut input, want.meeting());
        }
        input
    }

    /// What a definition wants itself, after what the first definition of each rule it asks wants.
    fn all_wants(&self, definition: &Definition) -> Vec<Want> {
        self.wants_within(definition, USES_DEPTH_MAX)
    }

    fn wants_within(&self, definition: &Definition, depth: usize) -> Vec<Want> {
        let mut wants = Vec::new();
        for rule in definition.uses.iter().filter(|_| depth > 0) {
            if let Some(used) = self.definitions.iter().find(|other| other.rule == *rule) {
                wants.extend(self.wants_within(used, depth - 1));
            }
        }
        wants.extend(definition.wants.iter().cloned());
        wants
    }

    /// What cases reach; `held` has the definitions that held for each of them.
    pub fn cover(&self, cases: &[Case], held: &[BTreeSet<usize>]) -> Coverage {
        let reached: BTreeSet<usize> = held.iter().flatten().copied().collect();
        let wants: Vec<&Want> =
            self.definitions.iter().flat_map(|definition| &definition.wants).collect();
        // Many conditions look at one place, and many cases have the same there.
        let mut found = BTreeMap::<&Place, BTreeMap<String, Vec<&Value>>>::new();
        for want in &wants {
            found.entry(&want.place).or_insert_with(|| {
                let there = cases.iter().map(|case| want.place.values(&case.input));
                there.map(|values| (json!(values).to_string(), values)).collect()
            });
        }
        let both_ways = wants
            .iter()
            .filter(|want| {
                let seen = |holds| found[&want.place].values().any(|one| want.holds(one) == holds);
                seen(true) && seen(false)
            })
            .count();
        let not_reached: BTreeSet<String> = self
            .definitions
            .iter()
            .enumerate()
            .filter(|(number, _)| !reached.contains(number))
            .map(|(_, definition)| definition.label())
            .collect();
        Coverage {
            rules: self.definitions.len(),
            reached: self.definitions.len() - not_reached.len(),
            conditions: wants.len(),
            both_ways,
            not_reached: not_reached.into_iter().collect(),
        }
    }

    /// The definitions that held of the rule that was asked, as people find them; of all rules where
    /// something else than a rule was asked, such as a whole package.
    pub fn label(&self, held: &BTreeSet<usize>, entrypoint: &Entrypoint) -> Option<String> {
        let asked = entrypoint.to_string();
        let asked = asked.strip_prefix("data.").unwrap_or(&asked);
        let is_rule = self.definitions.iter().any(|definition| definition.rule == asked);
        let labels: Vec<String> = held
            .iter()
            .filter_map(|number| self.definitions.get(*number))
            .filter(|definition| !is_rule || definition.rule == asked)
            .map(Definition::label)
            .collect();
        (!labels.is_empty()).then(|| labels.join(", "))
    }
}
