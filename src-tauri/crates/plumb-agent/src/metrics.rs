//! `GET /metrics`: the seven documented series, and in field-compatible mode three more.

use std::fmt::Write as _;

use plumb_bundle::canonical::python_repr;

use crate::{core::Core, rules::Rules, stats::Stats};

/// The text a scrape gets.
pub(crate) fn text(core: &Core) -> String {
    let field = core.config.field_compatible;
    let stats = core.stats();
    let now = core.in_force.load_full();
    let mut out = Text::default();
    if field {
        out.head("requests_total", "counter", "Total number of requests by endpoint");
        for (endpoint, count) in core.requests.read() {
            out.line(&format!("requests_total{{endpoint=\"{endpoint}\"}}"), count);
        }
        out.head("uptime_seconds", "gauge", "Service uptime in seconds");
        out.line("uptime_seconds", python_repr(core.uptime().as_secs_f64()));
        out.head("rules_loaded", "gauge", "Number of loaded policy rules");
        out.line("rules_loaded", core.with_rules(|rules, _| rules.map_or(0, Rules::len)));
    }
    let version = now.as_ref().map(|now| now.version().to_owned());
    let version = version.or_else(|| field.then(|| "0.0.0".to_owned()));
    let bundle_version = |out: &mut Text| {
        if let Some(version) = &version {
            out.head("bundle_version", "gauge", "Current policy bundle version");
            out.line(&format!("bundle_version{{version=\"{}\"}}", label(version)), 1);
        }
    };
    if field {
        bundle_version(&mut out);
    }
    reloads(&mut out, &stats);
    if !field {
        bundle_version(&mut out);
    }
    if let Some(now) = &now {
        let help = "Unix timestamp when bundle was loaded";
        out.head("bundle_loaded_timestamp", "gauge", help);
        out.line("bundle_loaded_timestamp", now.loaded_at.as_second());
    }
    if !field {
        // Text format 0.0.4 asks for it; the field's service leaves it out.
        out.0.push('\n');
    }
    out.0
}

fn reloads(out: &mut Text, stats: &Stats) {
    out.head("reload_total", "counter", "Total number of bundle reload attempts");
    out.line("reload_total", stats.total);
    out.head("reload_success_total", "counter", "Total number of successful bundle reloads");
    out.line("reload_success_total", stats.succeeded);
    out.head("reload_failure_total", "counter", "Total number of failed bundle reloads");
    out.line("reload_failure_total", stats.total - stats.succeeded);
    out.head("reload_success_rate", "gauge", "Percentage of successful reloads");
    out.line("reload_success_rate", python_repr(stats.success_rate()));
    out.head("reload_duration_seconds", "gauge", "Average reload duration in seconds");
    out.line("reload_duration_seconds", python_repr(stats.average_ms() / 1_000.0));
}

#[derive(Default)]
struct Text(String);

impl Text {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        if !self.0.is_empty() {
            self.0.push_str("\n\n");
        }
        let _ = write!(
            self.0,
            "# HELP unison_policy_{name} {help}\n# TYPE unison_policy_{name} {kind}"
        );
    }

    fn line(&mut self, series: &str, value: impl std::fmt::Display) {
        let _ = write!(self.0, "\nunison_policy_{series} {value}");
    }
}

/// A label value: backslash, quote and line break escaped (text format 0.0.4).
fn label(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
