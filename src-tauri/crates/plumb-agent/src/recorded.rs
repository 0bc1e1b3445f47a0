//! Requests as they are asked, sampled and masked: what other versions would answer is weighed by them.
//!
//! Off unless somebody turns it on. What is masked is taken out before anything is kept, so that no later
//! question brings it back.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use plumb_fleet::Digest;
use plumb_wire::v1::{RECORDED_REQUESTS_MAX, RecordedRequest, RecordedRequests};
use serde_json::Value;

use crate::limits::{MASKED_MAX, RECORDED_BYTES_MAX, RECORDED_TEXT_MAX};

/// Members with such names are never kept, at any depth; compared without case, `_` and `-`.
const NEVER_KEPT: [&str; 15] = [
    "apikey",
    "authorization",
    "cardnumber",
    "cookie",
    "credential",
    "email",
    "iban",
    "passphrase",
    "passwd",
    "password",
    "phone",
    "privatekey",
    "secret",
    "sessionid",
    "token",
];

/// What is recorded of requests.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    share: f64,
    mask: Vec<Vec<String>>,
}

impl Recording {
    /// `share` of requests, without the members that `mask` names as JSON pointers into the input; `*` stands
    /// for any member or element. The error says what is wrong with them.
    pub fn new(share: f64, mask: &[String]) -> Result<Self, String> {
        if !(share > 0.0 && share <= 1.0) {
            return Err(format!(
                "the share of requests to record is above 0 and at most 1, not {share}"
            ));
        }
        if mask.len() > MASKED_MAX {
            return Err(format!("at most {MASKED_MAX} members can be named for masking"));
        }
        let mask = mask.iter().map(|pointer| steps(pointer)).collect::<Result<_, _>>()?;
        Ok(Self { share, mask })
    }
}

/// The steps of a JSON pointer (RFC 6901).
fn steps(pointer: &str) -> Result<Vec<String>, String> {
    let Some(rest) = pointer.strip_prefix('/').filter(|rest| !rest.is_empty()) else {
        return Err(format!("{pointer:?} names no member: write /context/user, for example"));
    };
    Ok(rest.split('/').map(|step| step.replace("~1", "/").replace("~0", "~")).collect())
}

/// The newest requests, each once.
#[derive(Debug)]
pub(crate) struct Recorder {
    recording: Option<Recording>,
    since: Timestamp,
    ring: Mutex<Ring>,
}

#[derive(Debug, Default)]
struct Ring {
    kept: HashMap<Digest, Kept>,
    /// By when each was sampled last, as a count.
    by_age: BTreeMap<u64, Digest>,
    sampled: u64,
    dropped: u64,
}

#[derive(Debug)]
struct Kept {
    request: RecordedRequest,
    age: u64,
}

impl Recorder {
    pub(crate) fn new(recording: Option<Recording>, since: Timestamp) -> Self {
        Self { recording, since, ring: Mutex::default() }
    }

    /// Keeps a request, if it is sampled. `input` is called for those only.
    pub(crate) fn record(&self, now: Timestamp, input: impl FnOnce() -> Value) {
        let Some(recording) = &self.recording else { return };
        if rand::random::<f64>() >= recording.share {
            return;
        }
        let mut input = input();
        let mut erased = Vec::new();
        mask(&mut input, &recording.mask, &mut String::new(), &mut erased);
        let text = input.to_string();
        let mut ring = self.ring();
        if text.len() > RECORDED_BYTES_MAX {
            ring.dropped += 1;
        } else {
            erased.sort();
            // What differs only in what was taken out is one request.
            ring.keep(
                Digest::of(text.as_bytes()),
                RecordedRequest { input, erased, at: now, count: 1 },
            );
        }
    }

    /// Everything that is kept, what was sampled most often first.
    pub(crate) fn read(&self) -> RecordedRequests {
        let Some(recording) = &self.recording else { return RecordedRequests::default() };
        let (mut requests, dropped): (Vec<RecordedRequest>, u64) = {
            let ring = self.ring();
            (ring.kept.values().map(|kept| kept.request.clone()).collect(), ring.dropped)
        };
        requests.sort_by_cached_key(|one| (std::cmp::Reverse(one.count), one.input.to_string()));
        RecordedRequests {
            share: Some(recording.share),
            since: Some(self.since),
            requests,
            dropped,
        }
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        // Each change leaves both maps alike, and nothing between its steps panics.
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ring {
    fn keep(&mut self, key: Digest, request: RecordedRequest) {
        self.sampled += 1;
        let age = self.sampled;
        if let Some(known) = self.kept.get_mut(&key) {
            self.by_age.remove(&known.age);
            known.age = age;
            known.request.at = request.at;
            known.request.count += 1;
        } else {
            if self.kept.len() >= RECORDED_REQUESTS_MAX
                && let Some((_, oldest)) = self.by_age.pop_first()
                && let Some(gone) = self.kept.remove(&oldest)
            {
                self.dropped += gone.request.count;
            }
            self.kept.insert(key, Kept { request, age });
        }
        self.by_age.insert(age, key);
    }
}

/// Takes out what is never kept and what `named` names, and says where it was. `at` is the pointer of `value`.
fn mask(value: &mut Value, named: &[Vec<String>], at: &mut String, erased: &mut Vec<String>) {
    let below = |step: &str| -> Vec<Vec<String>> {
        let of = named.iter().filter(|steps| steps.len() > 1 && is(&steps[0], step));
        of.map(|steps| steps[1..].to_vec()).collect()
    };
    let ends = |step: &str| named.iter().any(|steps| steps.len() == 1 && is(&steps[0], step));
    let length = at.len();
    match value {
        Value::Object(members) => members.retain(|name, member| {
            at.push('/');
            at.push_str(&name.replace('~', "~0").replace('/', "~1"));
            let goes = ends(name) || never_kept(name) || is_long(member);
            if goes {
                erased.push(at.clone());
            } else {
                mask(member, &below(name), at, erased);
            }
            at.truncate(length);
            !goes
        }),
        Value::Array(items) => {
            for (number, item) in items.iter_mut().enumerate() {
                let step = number.to_string();
                at.push('/');
                at.push_str(&step);
                // An element keeps its place, so that the others keep theirs.
                if ends(&step) || is_long(item) {
                    *item = Value::Null;
                    erased.push(at.clone());
                } else {
                    mask(item, &below(&step), at, erased);
                }
                at.truncate(length);
            }
        }
        _ if is_long(value) => {
            *value = Value::Null;
            erased.push(at.clone());
        }
        _ => {}
    }
}

fn is(wanted: &str, step: &str) -> bool {
    wanted == "*" || wanted == step
}

fn is_long(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.len() > RECORDED_TEXT_MAX)
}

fn never_kept(name: &str) -> bool {
    let plain: String =
        name.chars().filter(|c| !"_-".contains(*c)).flat_map(char::to_lowercase).collect();
    NEVER_KEPT.iter().any(|word| plain.contains(word))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn recorder(mask: &[&str]) -> Recorder {
        let mask: Vec<String> = mask.iter().map(ToString::to_string).collect();
        let recording = Recording::new(1.0, &mask).expect("a recording");
        Recorder::new(Some(recording), Timestamp::UNIX_EPOCH)
    }

    fn kept(recorder: &Recorder, input: &Value) -> RecordedRequest {
        recorder.record(Timestamp::UNIX_EPOCH, || input.clone());
        recorder.read().requests.pop().expect("it is kept")
    }

    #[test]
    fn what_is_masked_is_nowhere_and_its_place_is_told() {
        let recorder = recorder(&["/context/user", "/context/cards/*/pan", "/context/list/1"]);
        let input = json!({
            "capability_id": "pay",
            "context": {
                "user": "ada", "Api_Key": "k-1", "list": ["a", "b"],
                "cards": [{ "pan": "4111", "kind": "debit" }],
                "note": "x".repeat(RECORDED_TEXT_MAX + 1),
            },
        });
        let kept = kept(&recorder, &input);
        let context = json!({ "list": ["a", null], "cards": [{ "kind": "debit" }] });
        assert_eq!(kept.input, json!({ "capability_id": "pay", "context": context }));
        let erased = [
            "/context/Api_Key",
            "/context/cards/0/pan",
            "/context/list/1",
            "/context/note",
            "/context/user",
        ];
        assert_eq!(kept.erased, erased);
    }

    #[test]
    fn requests_that_differ_only_in_what_was_masked_are_one() {
        let recorder = recorder(&["/context/user"]);
        for user in ["ada", "bo", "cy"] {
            kept(&recorder, &json!({ "capability_id": "pay", "context": { "user": user } }));
        }
        let read = recorder.read();
        assert_eq!((read.requests.len(), read.requests[0].count), (1, 3));
    }

    #[test]
    fn the_ring_is_bounded_and_forgets_what_was_not_asked_for_longest() {
        let recorder = recorder(&[]);
        for number in 0..RECORDED_REQUESTS_MAX {
            recorder.record(Timestamp::UNIX_EPOCH, || json!({ "number": number }));
        }
        recorder.record(Timestamp::UNIX_EPOCH, || json!({ "number": 0 }));
        recorder.record(Timestamp::UNIX_EPOCH, || json!({ "number": "new" }));
        recorder.record(Timestamp::UNIX_EPOCH, || json!(vec![7; RECORDED_BYTES_MAX]));
        let read = recorder.read();
        assert_eq!((read.requests.len(), read.dropped), (RECORDED_REQUESTS_MAX, 2));
        assert_eq!((&read.requests[0].input, read.requests[0].count), (&json!({ "number": 0 }), 2));
        assert!(!read.requests.iter().any(|one| one.input == json!({ "number": 1 })));
    }

    #[test]
    fn nothing_is_kept_where_nobody_turned_it_on() {
        let recorder = Recorder::new(None, Timestamp::UNIX_EPOCH);
        recorder.record(Timestamp::UNIX_EPOCH, || unreachable!("nobody asks for it"));
        assert_eq!(recorder.read(), RecordedRequests::default());
    }

    #[test]
    fn a_share_and_members_that_mean_nothing_are_refused() {
        for share in [0.0, -1.0, 1.5, f64::NAN] {
            assert!(Recording::new(share, &[]).is_err(), "{share}");
        }
        for pointer in ["", "user", "/"] {
            assert!(Recording::new(1.0, &[pointer.to_owned()]).is_err(), "{pointer:?}");
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<i8>().prop_map(Value::from),
            "[a-z]{0,4}".prop_map(Value::from)
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            let name = prop::sample::select(vec!["a", "b", "user", "token", "x/y"]);
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
                prop::collection::btree_map(name, inner, 0..4).prop_map(|members| members
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn masking_twice_is_masking_once(input in any_json()) {
            let named = vec![steps("/user").unwrap(), steps("/*/b").unwrap(), steps("/a/0").unwrap()];
            let (mut once, mut erased) = (input, Vec::new());
            mask(&mut once, &named, &mut String::new(), &mut erased);
            let mut twice = once.clone();
            mask(&mut twice, &named, &mut String::new(), &mut Vec::new());
            prop_assert_eq!(&twice, &once);
            let gone = |pointer: &String| once.pointer(pointer).is_none_or(Value::is_null);
            prop_assert!(erased.iter().all(gone), "{:?} of {}", erased, once);
        }
    }
}
