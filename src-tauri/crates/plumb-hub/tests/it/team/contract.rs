//! The OpenAPI document says what is there, and nothing that is sent to it breaks the hub.

use serde_json::{Value, json};

use super::client::{BOOTSTRAP, Team};

/// Every method and path of the document, with something in the place of each name.
fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let paths = document["paths"].as_object().expect("paths");
    paths
        .iter()
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().expect("methods");
            methods.iter().map(move |(method, operation)| {
                (method.to_ascii_uppercase(), path.clone(), operation.clone())
            })
        })
        .collect()
}

#[tokio::test]
async fn every_operation_of_the_document_is_there_and_asks_for_what_it_says() {
    let team = Team::start().await;
    let document = team.get("/v1/openapi.json", BOOTSTRAP).await.fine();
    assert_eq!(document["openapi"], "3.1.0");
    let nobody = team.token(BOOTSTRAP, "agent_monitor").await;
    let operations = operations(&document);
    assert!(operations.len() > 30, "{}", operations.len());
    let mut ids = std::collections::BTreeSet::new();
    for (method, path, operation) in &operations {
        let at = path.replace('{', "x-").replace('}', "");
        let reply = team.ask(method, &at, BOOTSTRAP, "").await;
        // What is missing says so in its own words; the router's own answers are other ones.
        assert_ne!(reply.status, 405, "{method} {path}");
        if reply.status == 404 {
            assert!(!reply.text().contains("there is no /"), "{method} {path}: {}", reply.text());
        }
        assert!(ids.insert(operation["operationId"].as_str().expect("an id").to_owned()), "{path}");
        let open = operation.get("security") == Some(&json!([]));
        let unknown = team.ask(method, &at, "", "").await.status;
        assert_eq!(unknown == 401, !open, "{method} {path} for nobody: {unknown}");
        if let Some(entitlement) = operation.get("x-entitlement").and_then(Value::as_str)
            && !entitlement.starts_with("tools.alerts.")
        {
            let told = team.ask(method, &at, &nobody, "").await.problem(403);
            assert!(told.starts_with(entitlement), "{told}");
        }
    }
    // Whatever a reference names is in the document.
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1) {
        let at = reference.split('"').next().expect("an end");
        assert!(document.pointer(at).is_some(), "{at} is not in the document");
    }
}

/// A generator of our own: the same bad requests for the same seed.
struct Hostile(u64);

impl Hostile {
    fn next(&mut self, below: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }

    fn text(&mut self) -> String {
        const TEXTS: [&str; 14] = [
            "",
            " ",
            "a",
            "..",
            "%2e%2e%2f",
            "%00",
            "%ff%fe",
            "' OR 1=1 --",
            "\u{202e}x",
            "\u{0}",
            "-1",
            "99999999999999999999",
            "nan",
            "{\"a\":1}",
        ];
        match self.next(16) {
            14 => "x".repeat(5_000),
            15 => "\u{1f600}".repeat(300),
            at => TEXTS[usize::try_from(at).expect("small")].to_owned(),
        }
    }

    fn value(&mut self, depth: u32) -> Value {
        match self.next(if depth == 0 { 6 } else { 8 }) {
            0 => Value::Null,
            1 => json!(true),
            2 => json!(-1),
            3 => json!(1e308),
            4 => json!(u64::MAX),
            5 => json!(self.text()),
            6 => (0..self.next(4)).map(|_| self.value(depth - 1)).collect(),
            _ => {
                let fields = (0..self.next(4)).map(|_| (self.text(), self.value(depth - 1)));
                Value::Object(fields.collect())
            }
        }
    }

    /// An object with the fields of a schema, each as it should be, as it should not be, or missing.
    fn body(&mut self, schema: &Value, document: &Value, depth: u32) -> Value {
        let named = schema.get("$ref").and_then(Value::as_str);
        let schema = named.and_then(|at| document.pointer(&at[1..])).unwrap_or(schema);
        if depth == 0 || self.next(5) == 0 {
            return self.value(2);
        }
        if let Some(fields) = schema.get("properties").and_then(Value::as_object) {
            let mut body = serde_json::Map::new();
            for (name, field) in fields {
                if self.next(6) > 0 {
                    body.insert(name.clone(), self.body(field, document, depth - 1));
                }
            }
            return Value::Object(body);
        }
        if let Some(one) = schema.get("enum").and_then(Value::as_array) {
            return one[usize::try_from(self.next(one.len() as u64)).expect("small")].clone();
        }
        match schema.get("type").and_then(Value::as_str) {
            Some("string") => json!(self.text()),
            Some("integer") => json!(self.next(100)),
            Some("boolean") => json!(self.next(2) == 0),
            Some("array") => json!([self.value(1)]),
            _ => self.value(2),
        }
    }
}

#[tokio::test]
async fn nothing_hostile_breaks_the_hub() {
    let team = Team::start().await;
    let document = team.get("/v1/openapi.json", BOOTSTRAP).await.fine();
    let operations = operations(&document);
    for seed in 0..6_u64 {
        let mut hostile = Hostile(seed);
        for (method, path, operation) in &operations {
            // An admin's token would end the first one, and a wait is no hang.
            if path.contains("/tokens") || path.ends_with("/events") {
                continue;
            }
            let mut at = String::new();
            for part in path.split('/').skip(1) {
                at.push('/');
                if part.starts_with('{') {
                    let text: String = hostile.text();
                    at.extend(percent(&text));
                } else {
                    at.push_str(part);
                }
            }
            let fields = operation["parameters"].as_array().cloned().unwrap_or_default();
            let queries = fields.iter().filter(|field| field["in"] == "query");
            let query: Vec<String> = queries
                .map(|field| {
                    let name = field["name"].as_str().expect("a name");
                    format!("{name}={}", percent(&hostile.text()).collect::<String>())
                })
                .collect();
            if !query.is_empty() {
                at = format!("{at}?{}", query.join("&"));
            }
            let body = match operation.pointer("/requestBody/content") {
                None => String::new(),
                Some(content) => {
                    let shape = content.as_object().and_then(|media| media.values().next());
                    let schema = shape.and_then(|shape| shape.get("schema")).cloned();
                    hostile.body(&schema.unwrap_or_default(), &document, 4).to_string()
                }
            };
            let asked = team.ask(method, &at, BOOTSTRAP, body.clone());
            let reply = tokio::time::timeout(std::time::Duration::from_secs(20), asked).await;
            let reply = reply.unwrap_or_else(|_| panic!("{method} {at} hangs"));
            assert!(
                reply.status.as_u16() < 500,
                "seed {seed}: {method} {at} {body}: {} {}",
                reply.status,
                reply.text()
            );
        }
    }
    team.get("/healthz", "").await.fine();
}

fn percent(text: &str) -> impl Iterator<Item = char> {
    let escaped: String = text
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'%' => char::from(byte).to_string(),
            _ => format!("%{byte:02x}"),
        })
        .collect();
    escaped.chars().collect::<Vec<_>>().into_iter()
}
