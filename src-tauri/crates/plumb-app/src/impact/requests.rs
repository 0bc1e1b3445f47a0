//! Files of requests: lists of them, and decision logs.

use std::borrow::Cow;

use jiff::Timestamp;
use plumb_decide::{Case, Origin};
use serde::Deserialize;
use serde_json::Value;

use crate::error::{AppError, Code};

/// Requests in one file: what a busy node logs in a minute.
pub const REQUESTS_MAX: usize = 50_000;
/// Largest file of requests: what a busy node logs in some minutes.
pub const BYTES_MAX: usize = 64 << 20;
/// The moment at which requests are asked where no policy looks at the time, so that the same request
/// counts once however often it was logged: a Monday noon, UTC.
const ANY_TIME: &str = "2024-01-01T12:00:00Z";

/// One request of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedRequest {
    pub input: Value,
    pub at: Option<Timestamp>,
    pub origin: Origin,
    pub count: u64,
    /// Members that were taken out of it before anybody kept it, as JSON pointers into the input. What was
    /// asked may have been answered otherwise.
    pub masked: Vec<String>,
}

/// The forms of one request: the field's, a bare input, an entry of OPA's decision log.
#[derive(Deserialize)]
struct Entry {
    capability_id: Option<Value>,
    context: Option<Value>,
    input: Option<Value>,
    timestamp: Option<Timestamp>,
    decision_id: Option<Value>,
    count: Option<u64>,
    /// As this program writes down what others recorded.
    recorded: Option<bool>,
    /// As OPA names what its mask rules took out or replaced: `/input/user`.
    #[serde(default)]
    erased: Vec<String>,
    #[serde(default)]
    masked: Vec<String>,
}

/// Reads a JSON list, one JSON object, or JSON Lines: requests `{"capability_id", "context"}`, inputs
/// `{"input", "timestamp"?, "count"?, "recorded"?, "erased"?}`, or entries of OPA's decision log
/// (<https://www.openpolicyagent.org/docs/management-decision-logs>), which count as recorded.
pub fn read(name: &str, text: &str) -> Result<Vec<RecordedRequest>, AppError> {
    let wrong = |place: &str, problem: &str| {
        AppError::new(
            Code::Invalid,
            format!("{name}{place}: {problem}"),
            "mend the file at that place",
        )
    };
    let text = text.trim_start_matches('\u{feff}').trim();
    let mut entries: Vec<(Cow<'_, str>, Value)> = Vec::new();
    if text.starts_with('[') {
        let list: Vec<Value> =
            serde_json::from_str(text).map_err(|error| wrong("", &error.to_string()))?;
        let numbered = list.into_iter().enumerate();
        entries.extend(numbered.map(|(at, value)| (format!(", entry {}", at + 1).into(), value)));
    } else if let Ok(one) = serde_json::from_str(text) {
        entries.push(("".into(), one));
    } else {
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let place = format!(", line {}", number + 1);
            let value =
                serde_json::from_str(line).map_err(|error| wrong(&place, &error.to_string()))?;
            entries.push((place.into(), value));
        }
    }
    if entries.len() > REQUESTS_MAX {
        return Err(wrong("", &format!("more than {REQUESTS_MAX} requests")));
    }
    entries
        .into_iter()
        .map(|(place, value)| request(&value).map_err(|problem| wrong(&place, &problem)))
        .collect()
}

fn request(value: &Value) -> Result<RecordedRequest, String> {
    let entry = Entry::deserialize(value).map_err(|error| error.to_string())?;
    let logged = entry.decision_id.is_some() || entry.recorded == Some(true);
    let input = match (entry.input, entry.capability_id) {
        (Some(input), None) => input,
        // A decision without input was asked without one.
        (None, None) if logged => Value::Null,
        (None, Some(capability)) => {
            let context = entry.context.unwrap_or_else(|| Value::Object(serde_json::Map::new()));
            serde_json::json!({ "capability_id": capability, "context": context })
        }
        (Some(_), Some(_)) => return Err("it has both input and capability_id".to_owned()),
        (None, None) => return Err("it has neither input nor capability_id".to_owned()),
    };
    let origin = if logged { Origin::Recorded } else { Origin::Given };
    let count = entry.count.unwrap_or(1);
    if count == 0 {
        return Err("count must be at least 1".to_owned());
    }
    let of_input = |pointer: String| pointer.strip_prefix("/input").map(str::to_owned);
    let masked = entry.erased.into_iter().chain(entry.masked).filter_map(of_input).collect();
    Ok(RecordedRequest { input, at: entry.timestamp, origin, count, masked })
}

/// Writes requests as lines that [`read`] reads back as they are, for a file that a fleet file names.
pub fn write(requests: &[RecordedRequest]) -> String {
    let line = |request: &RecordedRequest| {
        let RecordedRequest { input, at, origin, count, masked } = request;
        let mut line = serde_json::json!({ "input": input });
        let mut put = |name: &str, value: Value| line[name] = value;
        if let Some(at) = at {
            put("timestamp", at.to_string().into());
        }
        if *count > 1 {
            put("count", (*count).into());
        }
        if *origin == Origin::Recorded {
            put("recorded", true.into());
        }
        if !masked.is_empty() {
            put("erased", masked.iter().map(|pointer| format!("/input{pointer}")).collect());
        }
        format!("{line}\n")
    };
    requests.iter().map(line).collect()
}

/// One entry of a decision log that somebody else keeps.
pub(super) fn of_event(event: &Value) -> Option<RecordedRequest> {
    request(event).ok().filter(|request| request.origin == Origin::Recorded)
}

impl RecordedRequest {
    /// As a case; its own time matters only where some policy looks at the time.
    pub(super) fn case(&self, by_time: bool) -> Case {
        let any = || ANY_TIME.parse().expect("a moment");
        let now = self.at.filter(|_| by_time).unwrap_or_else(any);
        Case { weight: self.count, ..Case::new(self.input.clone(), now, self.origin) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_request_is_read() {
        let lines = r#"
            {"decision_id": "1", "timestamp": "2026-05-01T10:00:00Z", "input": {"user": "ada"}, "result": true}
            {"capability_id": "db.read", "context": {"x": 1}}

            {"input": [1], "count": 3}
        "#;
        let read = read("log", lines).unwrap();
        assert_eq!(read.len(), 3);
        assert_eq!((read[0].origin, read[0].count), (Origin::Recorded, 1));
        assert_eq!(read[0].case(true).now, "2026-05-01T10:00:00Z".parse::<Timestamp>().unwrap());
        assert_eq!(read[0].case(false).now, ANY_TIME.parse::<Timestamp>().unwrap());
        assert_eq!(read[1].input["capability_id"], "db.read");
        assert_eq!((read[2].origin, read[2].case(false).weight), (Origin::Given, 3));
    }

    #[test]
    fn what_was_masked_is_told_and_everything_is_read_back_as_it_was_written() {
        let lines = r#"
            {"decision_id": "1", "timestamp": "2026-05-01T10:00:00Z", "input": {"user": null}, "erased": ["/input/card", "/result/x"], "masked": ["/input/user"]}
            {"input": {"a": 1}, "count": 7, "recorded": true}
            {"capability_id": "db.read"}
        "#;
        let read_once = read("log", lines).unwrap();
        assert_eq!(read_once[0].masked, ["/card", "/user"]);
        assert_eq!((read_once[1].origin, read_once[1].count), (Origin::Recorded, 7));
        assert_eq!(read("log", &write(&read_once)).unwrap(), read_once);
    }

    #[test]
    fn what_cannot_be_read_is_named_with_its_place() {
        let problem = |text: &str| read("a.json", text).unwrap_err().message;
        assert_eq!(problem("{\"x\": 1}"), "a.json: it has neither input nor capability_id");
        assert_eq!(
            problem("[{\"input\": 1}, {\"input\": 1, \"capability_id\": \"a\"}]"),
            "a.json, entry 2: it has both input and capability_id"
        );
        assert!(problem("{\"input\": 1}\nnope").starts_with("a.json, line 2: expected"));
        assert_eq!(problem("{\"input\": 1, \"count\": 0}"), "a.json: count must be at least 1");
    }
}
