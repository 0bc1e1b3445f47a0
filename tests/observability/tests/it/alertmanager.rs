//! The example routes: who hears of what.

use observability_tests::programs::{packaging, program, succeeds};
use plumb_agent::AlertRule;

const CONFIG: &str = "alertmanager.example.yml";

fn route(labels: [String; 2]) -> Option<String> {
    let mut amtool = program("amtool")?;
    amtool.args(["config", "routes", "test", "--config.file", CONFIG]).args(labels);
    amtool.current_dir(packaging().join("observability"));
    let said = succeeds(&mut amtool);
    said.lines().find(|line| !line.is_empty() && !line.starts_with("Warning")).map(str::to_owned)
}

#[test]
fn the_alertmanager_reads_the_example() {
    let Some(mut amtool) = program("amtool") else { return };
    succeeds(amtool.args(["check-config", CONFIG]).current_dir(packaging().join("observability")));
}

/// R221, R213: Security hears of a refused pack, and whoever is on call of everything that pages.
#[test]
fn every_alert_reaches_whom_it_names() {
    for rule in AlertRule::ALL {
        let labels = [
            format!("severity={}", rule.severity().name()),
            format!("audience={}", rule.audience()),
        ];
        let Some(receivers) = route(labels) else { return };
        let expected = match (rule, rule.severity().name()) {
            (AlertRule::PackRefused, _) => "security,on-call",
            (_, "page") => "on-call",
            (_, "warning") => "working-hours",
            _ => "channel",
        };
        assert_eq!(receivers, expected, "{}", rule.name());
    }
}
