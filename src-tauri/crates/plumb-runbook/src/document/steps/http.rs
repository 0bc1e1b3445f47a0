//! An HTTP request to a host that the operator listed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Kind;
use crate::document::{Values, effect::StepEffect, template::substitute};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpStep {
    pub method: Method,
    pub url: String,
    /// Values are words or references to secrets (`secret:NAME`), never secrets.
    #[serde(default)]
    pub headers: std::collections::BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    #[serde(default = "super::timeout_s")]
    pub timeout_s: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
}

impl Method {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

impl HttpStep {
    /// The host as it has to be allowed: name or address, with the port where one is written.
    pub fn host(&self) -> &str {
        let rest = self.url.split_once("://").map_or("", |(_, rest)| rest);
        rest.split(['/', '?', '#']).next().unwrap_or_default()
    }
}

impl Kind for HttpStep {
    fn mutates(&self) -> bool {
        !matches!(self.method, Method::Get | Method::Head)
    }

    fn words(&self) -> Vec<&str> {
        self.headers.values().chain(&self.body).chain([&self.url]).map(String::as_str).collect()
    }

    fn wrong(&self) -> Option<String> {
        let host = self.url.split_once("://");
        let Some(("http" | "https", rest)) = host else {
            return Some("a URL begins with http:// or https://".to_owned());
        };
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if host.is_empty() || host.contains('@') {
            return Some("a URL names a host, and no user".to_owned());
        }
        if host.contains("${") {
            return Some("the host of a URL is written out, so that it can be allowed".to_owned());
        }
        let secret = |(name, value): (&String, &String)| {
            let name = name.to_ascii_lowercase();
            matches!(name.as_str(), "authorization" | "cookie" | "x-api-key")
                && !value.starts_with("secret:")
        };
        if self.headers.iter().any(secret) {
            return Some("a secret is named as secret:NAME, not written out".to_owned());
        }
        super::within(self.timeout_s, "a timeout")
    }

    fn effect(&self, values: &Values) -> Result<StepEffect, String> {
        Ok(StepEffect::Http {
            method: self.method,
            url: substitute(&self.url, values)?,
            headers: super::filled(&self.headers, values)?,
            body: self.body.as_deref().map(|body| substitute(body, values)).transpose()?,
            timeout_s: self.timeout_s,
        })
    }
}
