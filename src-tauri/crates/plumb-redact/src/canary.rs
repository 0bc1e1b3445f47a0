//! Canaries: secrets that nobody has, planted into every source in a shape that one rule knows. Finding one
//! in finished evidence shows that secrets of its shape get through.

use crate::{
    builtin::BUILT_IN,
    redact::Form,
    rules::{MEMBER_RULE, RuleSpec},
    token::TokenKey,
};

/// One planted secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Canary {
    pub source: String,
    /// The rule that has to find it.
    pub rule: String,
    /// What must not be found again.
    pub secret: String,
}

/// What is planted into one source, and the document that it stands in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CanarySource {
    pub source: String,
    pub form: Form,
    pub document: String,
    pub canaries: Vec<Canary>,
}

/// Plants one canary for every built-in rule that a fleet has on. The secrets come from the key, so they are
/// new for every capture.
pub fn plant(source: &str, form: Form, spec: &RuleSpec, key: &TokenKey) -> CanarySource {
    let mut canaries = Vec::new();
    let mut lines = Vec::new();
    let rules = BUILT_IN.iter().map(|rule| rule.name).chain([MEMBER_RULE]);
    for rule in rules.filter(|rule| !spec.off.iter().any(|off| off == rule)) {
        // Members have names only in JSON.
        if rule == MEMBER_RULE && form == Form::Text {
            continue;
        }
        let random = key.canary(source, rule);
        let (secret, line) = shaped(rule, &random);
        lines.push((rule, line));
        canaries.push(Canary { source: source.to_owned(), rule: rule.to_owned(), secret });
    }
    CanarySource { source: source.to_owned(), form, document: written(form, &lines), canaries }
}

/// A secret in the shape of a rule, and a line that holds it as it is met in the wild.
fn shaped(rule: &str, random: &[u8; 32]) -> (String, String) {
    let word = format!("cnry{}", hex::encode(&random[..12]));
    // Three digits each, so that it is not found by accident.
    let octet = |at: usize| 100 + random[at] % 100;
    let quad = |at: usize| hex::encode(&random[at..at + 2]);
    match rule {
        "authorization" => (word.clone(), format!("authorization: Negotiate {word}")),
        "bearer" => (word.clone(), format!("the node was sent Bearer {word}")),
        "cookie" => (word.clone(), format!("Set-Cookie: sid={word}; Path=/")),
        "url-credentials" => (word.clone(), format!("asked https://reader:{word}@localhost/v1")),
        "url-query" => (word.clone(), format!("GET /packs?version=4&sig={word} 200")),
        "named-secret" => (word.clone(), format!("plumb sync --password={word} --all")),
        "private-key" => (
            word.clone(),
            format!("-----BEGIN PRIVATE KEY-----\n{word}\n-----END PRIVATE KEY-----"),
        ),
        "jwt" => {
            let token = format!("eyJ{word}.{}.{}", quad(12).repeat(3), quad(14).repeat(3));
            (token.clone(), format!("it came with {token}"))
        }
        "service-token" => {
            let token = format!("ghp_{word}");
            (token.clone(), format!("cloned with {token}"))
        }
        "mail" => {
            let mail = format!("{word}@example.org");
            (mail.clone(), format!("asked for by {mail}"))
        }
        "address" => {
            let address = format!("240.{}.{}.{}", octet(0), octet(1), octet(2));
            (address.clone(), format!("no answer from {address} within 5 s"))
        }
        "address-v6" => {
            let quads: Vec<String> = (0..6).map(|at| format!("f{}", &quad(at * 2)[1..])).collect();
            let address = format!("2001:db8:{}", quads.join(":"));
            (address.clone(), format!("no answer from [{address}] within 5 s"))
        }
        // A member of a JSON document.
        _ => (word.clone(), word),
    }
}

fn written(form: Form, lines: &[(&str, String)]) -> String {
    if form == Form::Text {
        return lines.iter().flat_map(|(_, line)| [line.as_str(), "\n"]).collect();
    }
    let mut document = serde_json::Map::new();
    let mut said = Vec::new();
    for (rule, line) in lines {
        if *rule == MEMBER_RULE {
            document.insert("client_secret".to_owned(), line.clone().into());
        } else {
            said.push(serde_json::Value::from(line.clone()));
        }
    }
    document.insert("lines".to_owned(), said.into());
    let document = serde_json::Value::Object(document).to_string();
    if form == Form::JsonLines { format!("{document}\n") } else { document }
}
