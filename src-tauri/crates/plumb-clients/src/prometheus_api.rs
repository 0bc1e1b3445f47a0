//! One value of a Prometheus: an instant query, read strictly. What is not exactly one number is no value.

use std::time::Duration;

use plumb_fleet::Node;
use reqwest::Url;
use serde::Deserialize;
use serde_json::Value;

use crate::{
    error::{from_status, words},
    escape::escape,
    http::{HttpPool, Lane, Now, Session, json},
    limits::{ANSWER_BYTES_MAX, EXCERPT_CHARS_MAX},
};

const PATH: &str = "/api/v1/query";

/// Why a query gave no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    #[error("Prometheus did not answer: {message}")]
    NoAnswer { message: String },
    #[error("Prometheus refused the query: {message}")]
    Refused { message: String },
    #[error("Prometheus answered only in part: {warning}")]
    Partial { warning: String },
    #[error("the query found no series")]
    Empty,
    #[error(
        "the query found {count} series where one value is asked; aggregate them, for example with max()"
    )]
    Several { count: usize },
    #[error("the query answers a {found}, not one value")]
    Kind { found: String },
    #[error("the query answers {value:?}, which is no number")]
    NotANumber { value: String },
}

/// What Prometheus answers; values of samples are strings.
#[derive(Debug, Deserialize)]
struct Reply {
    status: String,
    #[serde(default)]
    data: Option<QueryResult>,
    #[serde(default)]
    warnings: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct QueryResult {
    #[serde(rename = "resultType")]
    kind: String,
    result: Value,
}

/// When, and which value.
type Sample = (f64, String);

#[derive(Debug, Deserialize)]
struct Series {
    value: Sample,
}

/// Asks a Prometheus for the value of a query now. It may be infinite, and is never NaN.
pub async fn query(
    pool: &HttpPool,
    server: &Node,
    query: &str,
    deadline: Duration,
    now: &Now,
) -> Result<f64, QueryError> {
    let no_answer =
        |failure: plumb_fleet::NodeFailure| QueryError::NoAnswer { message: failure.message };
    let session =
        Session::open(pool, server, Lane::Warm, deadline, now).await.map_err(no_answer)?;
    let path = path(query, deadline);
    let answer = session.get_any(&path, ANSWER_BYTES_MAX).await.map_err(no_answer)?;
    if !answer.status.is_success() {
        // 400, 422 and 503 say in the document what is wrong with the query.
        return Err(match words(&answer.body).filter(|_| answer.status.is_client_error()) {
            Some(message) if !matches!(answer.status.as_u16(), 401 | 403) => {
                QueryError::Refused { message }
            }
            _ => no_answer(from_status(PATH, answer.status, &answer.body)),
        });
    }
    let reply: Reply = json(PATH, &answer.body).map_err(no_answer)?;
    value_of(reply)
}

fn path(query: &str, deadline: Duration) -> String {
    let mut url = Url::parse("http://prometheus").expect("a URL");
    let timeout = format!("{}ms", deadline.as_millis());
    url.query_pairs_mut().append_pair("query", query).append_pair("timeout", &timeout);
    format!("{PATH}?{}", url.query().unwrap_or_default())
}

fn value_of(reply: Reply) -> Result<f64, QueryError> {
    let said = |text: &str| escape(text, EXCERPT_CHARS_MAX);
    let Some(data) = reply.data.filter(|_| reply.status == "success") else {
        return Err(QueryError::Refused { message: said(&reply.status) });
    };
    if let Some(warning) = reply.warnings.first() {
        return Err(QueryError::Partial { warning: said(warning) });
    }
    let unexpected = |_| QueryError::Kind { found: format!("broken {}", said(&data.kind)) };
    let (_, text) = match data.kind.as_str() {
        "scalar" => serde_json::from_value::<Sample>(data.result).map_err(unexpected)?,
        "vector" => {
            let mut series: Vec<Series> =
                serde_json::from_value(data.result).map_err(unexpected)?;
            match (series.pop(), series.len()) {
                (None, _) => return Err(QueryError::Empty),
                (Some(only), 0) => only.value,
                (Some(_), more) => return Err(QueryError::Several { count: more + 1 }),
            }
        }
        other => return Err(QueryError::Kind { found: said(other) }),
    };
    let number = text.parse::<f64>().ok().filter(|number| !number.is_nan());
    number.ok_or_else(|| QueryError::NotANumber { value: said(&text) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(document: &str) -> Result<f64, String> {
        let reply: Reply = serde_json::from_str(document).expect("a reply");
        value_of(reply).map_err(|error| error.to_string())
    }

    fn vector(values: &[&str]) -> String {
        let series: Vec<String> = values
            .iter()
            .map(|value| {
                format!(r#"{{"metric":{{"job":"opa"}},"value":[1795239396.6,"{value}"]}}"#)
            })
            .collect();
        let series = series.join(",");
        format!(r#"{{"status":"success","data":{{"resultType":"vector","result":[{series}]}}}}"#)
    }

    #[test]
    fn one_number_is_a_value_and_nothing_else_is() {
        assert_eq!(check(&vector(&["1.741e+01"])), Ok(17.41));
        assert_eq!(check(&vector(&["+Inf"])), Ok(f64::INFINITY));
        let scalar = r#"{"status":"success","data":{"resultType":"scalar","result":[1.5,"-2"]}}"#;
        assert_eq!(check(scalar), Ok(-2.0));
        let refused = |document: &str, why: &str| {
            let said = check(document).expect_err(why);
            assert!(said.contains(why), "{said}");
        };
        refused(&vector(&[]), "found no series");
        refused(&vector(&["1", "2", "3"]), "found 3 series");
        refused(&vector(&["NaN"]), "\"NaN\", which is no number");
        refused(&vector(&["many"]), "which is no number");
        refused(r#"{"status":"error","error":"x"}"#, "refused the query");
        let matrix = r#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#;
        refused(matrix, "a matrix, not one value");
        let broken = r#"{"status":"success","data":{"resultType":"vector","result":{}}}"#;
        refused(broken, "a broken vector");
        let partial = vector(&["1"]).replacen('{', r#"{"warnings":["one store is away"],"#, 1);
        refused(&partial, "only in part: one store is away");
    }

    #[test]
    fn a_query_travels_whole() {
        let path = path("sum(rate(x{a=\"b&c\"}[5m])) + 1 <= 2", Duration::from_millis(1_500));
        assert_eq!(
            path,
            "/api/v1/query?query=sum%28rate%28x%7Ba%3D%22b%26c%22%7D%5B5m%5D%29%29+%2B+1+%3C%3D+2&timeout=1500ms"
        );
    }
}
