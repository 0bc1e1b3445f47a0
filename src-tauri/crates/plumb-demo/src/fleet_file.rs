//! The fleet file a console opens the demo by.

use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use plumb_fleet::{Fleet, NodeApi};

use crate::{
    DemoNode,
    bundles::{BUNDLE_ID, Files, REQUESTS, SIGNER},
};

/// Revision the captured OPA had activated.
const OPA_REVISION: &str = "rev-1";

/// The file's text under a fleet's name, checked as the console checks it.
pub(crate) fn text(name: &str, files: &Files, nodes: &[DemoNode]) -> Result<String> {
    let mut out = String::new();
    write!(
        out,
        r#"# Written by `plumb demo` at every start. Everything listens on loopback; keys are throw-away.
name = "{name}"
environment = "demo"
sweep_interval_s = 5
deadline_s = 2
bundles = ["bundles"]

[desired]
version = "2.0.0"
content = "{content}"

# What a comparison of two contents asks beside what it makes from their rules.
[decisions]
requests = "{REQUESTS}"

[[trust.keys]]
id = "{SIGNER}"
pem = "keys/signer.pem"

# Our agents: changing something needs the token, which a command prints.
[[group]]
name = "agents"
credential = {{ command = ["cat", {token}] }}
bundle_folder = {folder}

# The field's reload service: asks for no credential.
[[group]]
name = "reload"
bundle_folder = {folder}

# Open Policy Agent, observed only.
[[group]]
name = "opa"
desired = {{ version = "{OPA_REVISION}" }}
"#,
        content = files.desired,
        token = quoted(&files.token_file().display().to_string()),
        folder = quoted(&files.bundles.display().to_string()),
    )?;
    for node in nodes {
        let DemoNode { id, url, region, role, group, .. } = node;
        let api = node.api.name();
        write!(
            out,
            r#"
[[node]]
id = "{id}"
api = "{api}"
url = "{url}"
group = "{group}"
labels = {{ region = "{region}", role = "{role}" }}
"#
        )?;
        if node.api != NodeApi::Opa {
            writeln!(out, "bundle = \"{BUNDLE_ID}\"")?;
        }
    }
    Fleet::parse(&out).context("the demo's fleet file is not valid")?;
    Ok(out)
}

/// A TOML basic string.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a string always serialises")
}
