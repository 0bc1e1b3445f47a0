//! Calls as the runbook prints them, and a notification as Alertmanager 0.25 sent it.

use plumb_wire::alerts::{CallError, Notification, ToolCall};

fn call(text: &str) -> ToolCall {
    ToolCall::read(text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// R118 and R157: the printed call has no title.
#[test]
fn a_missing_title_takes_the_message() {
    let ToolCall::Ingest(ingest) = call(
        r#"{"tool":"alert_ingest_tool","action":"ingest","service":"test","kind":"test","message":"persistence check","metric":7}"#,
    ) else {
        panic!("an ingest")
    };
    assert_eq!(ingest.title(), "persistence check");
    assert_eq!(ingest.details["metric"], 7, "nothing that was sent is lost");
    let ToolCall::Ingest(bare) = call(r#"{"tool":"alert_ingest_tool","action":"ingest"}"#) else {
        panic!("an ingest")
    };
    assert_eq!(bare.title(), "");
}

/// R104, R130 and C9: one pause, two names.
#[test]
fn both_spellings_of_the_pause_are_understood() {
    for name in ["retry_after_sec", "retry_after_seconds"] {
        let text = format!(
            r#"{{"tool":"alert_ingest_tool","action":"fail","alert_ref":"alrt_1","error":"gateway timeout","{name}":300}}"#
        );
        let ToolCall::Fail(fail) = call(&text) else { panic!("a failure") };
        assert_eq!(fail.retry_after_seconds, Some(300));
    }
}

/// R121, R125 to R129 and R134: each call of the runbook is read.
#[test]
fn every_action_is_read_and_others_are_named() {
    for (tool, action, arguments) in [
        (
            "alert_ingest_tool",
            "list",
            r#""window_minutes":240,"env":"prod","status_in":["new","failed"]"#,
        ),
        (
            "alert_ingest_tool",
            "claim",
            r#""window_minutes":240,"limit":25,"owner":"sofiia-supervisor","lock_ttl_seconds":600"#,
        ),
        ("alert_ingest_tool", "ack", r#""alert_ref":"alrt_1","note":"false positive""#),
        (
            "oncall_tool",
            "alert_to_incident",
            r#""alert_ref":"alrt_1","incident_severity_cap":"P1","dedupe_window_minutes":60"#,
        ),
        ("oncall_tool", "incident_append_event", r#""incident_ref":"inc_1","note":"again""#),
        ("oncall_tool", "incident_close", r#""incident_ref":"inc_1""#),
    ] {
        call(&format!(r#"{{"tool":"{tool}","action":"{action}",{arguments}}}"#));
    }
    let read = |text: &str| ToolCall::read(text.as_bytes());
    assert!(matches!(read("service=test"), Err(CallError::Json(_))));
    let unknown = read(r#"{"tool":"alert_ingest_tool","action":"drop"}"#).expect_err("refused");
    assert!(unknown.to_string().contains("ingest, list, claim, ack, fail"));
    let wrong = read(r#"{"tool":"alert_ingest_tool","action":"claim","owner":"a","limt":1}"#);
    assert!(matches!(wrong, Err(CallError::Arguments { .. })));
}

#[test]
fn a_notification_of_alertmanager_becomes_reports() {
    let text = include_str!("../../../../../tests/fixtures/alerts/alertmanager/webhook-v4.json");
    let notification: Notification = serde_json::from_str(text).expect("reads");
    assert_eq!((notification.version.as_str(), notification.alerts.len()), ("4", 1));
    let report = notification.alerts[0].to_ingest(&notification.receiver);
    assert_eq!(report.source.as_deref(), Some("alertmanager/hook"));
    assert_eq!(report.kind.as_deref(), Some("OpaBundleLoadFailing"));
    assert_eq!(report.service.as_deref(), Some("opa"));
    assert_eq!(report.env.as_deref(), Some("test"));
    assert_eq!(report.title(), "bundle authz failing on edge-1");
    assert_eq!(report.severity.as_deref(), Some("warning"));
    assert_eq!(report.fingerprint.as_deref(), Some("be986f95f9c518be"));
    assert!(!report.resolved && report.labels["node"] == "edge-1");
}
