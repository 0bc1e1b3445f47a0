//! The real Prometheus and the real Alertmanager, which watch nodes by the shipped rules and tell a hub.

use std::{fs, io, path::Path, process::Stdio, time::Duration};

use serde_json::json;
use tokio::process::{Child, Command};

use crate::{
    programs::{packaging, program, text, yaml},
    prometheus::{Prometheus, free_address},
};

/// The alert that they tell.
pub const ALERT: &str = "PolicyVersionMismatch";
/// Scrapes, an evaluation and the Alertmanager's own waiting, one second each, on a machine that has other things to do.
pub const TOLD_WITHIN: Duration = Duration::from_mins(3);

/// Both programs, where both are installed.
#[derive(Debug)]
pub struct MonitorPrograms {
    prometheus: std::process::Command,
    alertmanager: std::process::Command,
}

/// What is watched, and who is told.
#[derive(Debug)]
pub struct Watched<'a> {
    /// Where configurations and data are written.
    pub folder: &'a Path,
    /// Base URLs of the nodes.
    pub nodes: Vec<&'a str>,
    /// Base URL of the hub.
    pub hub: &'a str,
    /// File with a token whose role may tell alerts.
    pub token: &'a Path,
}

/// Both programs at work; they end when dropped.
#[derive(Debug)]
pub struct Monitors {
    _prometheus: Prometheus,
    _alertmanager: Child,
}

impl MonitorPrograms {
    /// Nothing where one of them is missing, which is said loudly.
    pub fn found() -> Option<Self> {
        let (prometheus, alertmanager) =
            (program("prometheus"), program("prometheus-alertmanager"));
        Some(Self { prometheus: prometheus?, alertmanager: alertmanager? })
    }

    pub fn watch(self, watched: &Watched<'_>) -> io::Result<Monitors> {
        let (alertmanager, address) = alertmanager(self.alertmanager, watched)?;
        let prometheus = prometheus(self.prometheus, watched, &address)?;
        Ok(Monitors { _prometheus: prometheus, _alertmanager: alertmanager })
    }
}

/// The rules as they are shipped, but that nobody waits a quarter of an hour.
fn hasty_rules(folder: &Path) -> io::Result<Vec<String>> {
    let write = |name: &str| {
        let mut rules = yaml(&text(&packaging().join("observability").join(name)));
        for group in rules["groups"].as_array_mut().expect("groups") {
            group["interval"] = json!("1s");
            for rule in group["rules"].as_array_mut().expect("rules") {
                if rule["alert"] == ALERT {
                    rule["for"] = json!("2s");
                }
            }
        }
        let path = folder.join(name);
        // JSON is YAML.
        fs::write(&path, rules.to_string())?;
        Ok(path.display().to_string())
    };
    ["recording.rules.yml", "alerting.rules.yml"].into_iter().map(write).collect()
}

fn alertmanager(
    program: std::process::Command,
    watched: &Watched<'_>,
) -> io::Result<(Child, String)> {
    let address = free_address()?;
    let config = json!({
        "route": {
            "receiver": "nobody", "group_by": ["alertname", "job"],
            "group_wait": "1s", "group_interval": "1s", "repeat_interval": "5s",
            "routes": [{ "matchers": [format!("alertname = {ALERT}")], "receiver": "hub" }],
        },
        "receivers": [{ "name": "nobody" }, { "name": "hub", "webhook_configs": [{
            "url": format!("{}/v1/alertmanager/webhook", watched.hub),
            "send_resolved": true,
            "http_config": { "authorization": { "credentials_file": watched.token } },
        }] }],
    });
    fs::write(watched.folder.join("alertmanager.yml"), config.to_string())?;
    let mut command = Command::from(program);
    command
        .args(["--config.file=alertmanager.yml", "--storage.path=told", "--log.level=error"])
        .args(["--cluster.listen-address=", &format!("--web.listen-address={address}")])
        .current_dir(watched.folder)
        .stdout(Stdio::null())
        .kill_on_drop(true);
    Ok((command.spawn()?, address))
}

fn prometheus(
    program: std::process::Command,
    watched: &Watched<'_>,
    alertmanager: &str,
) -> io::Result<Prometheus> {
    let targets = watched.nodes.iter().filter_map(|node| node.strip_prefix("http://"));
    let config = json!({
        "global": { "scrape_interval": "1s", "evaluation_interval": "1s" },
        "rule_files": hasty_rules(watched.folder)?,
        "alerting": { "alertmanagers": [{ "static_configs": [{ "targets": [alertmanager] }] }] },
        "scrape_configs": [{
            "job_name": "policy-nodes",
            "static_configs": [{ "targets": targets.collect::<Vec<_>>() }],
        }],
    });
    Prometheus::start(program, watched.folder, &config)
}
