//! The contract as a JSON schema: any difference is a decision.

#![expect(clippy::disallowed_methods, reason = "a test may read the generated file")]

mod alerts;

use std::{env, fs, path::PathBuf};

use plumb_wire::v1::{self, ConfigKey, RollbackRequest, Status, SyncRequest};

const REGENERATE: &str = "PLUMB_REGENERATE";

fn schema_path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../assets/schemas/agent-v1.json")
}

#[test]
fn the_schema_on_disk_is_the_contract() {
    let mut printed = serde_json::to_string_pretty(&v1::schema()).expect("a schema serialises");
    printed.push('\n');
    if env::var_os(REGENERATE).is_some() {
        fs::write(schema_path(), &printed).expect("the schema can be written");
    }
    let on_disk = fs::read_to_string(schema_path()).unwrap_or_default();
    assert!(
        on_disk == printed,
        "assets/schemas/agent-v1.json differs from the types; agents outlive consoles, so decide, \
         then run with {REGENERATE}=1"
    );
}

#[test]
fn requests_refuse_unknown_fields() {
    let sync = serde_json::from_str::<SyncRequest>(r#"{"force":true,"canary":1}"#);
    assert!(sync.is_err_and(|error| error.to_string().contains("unknown field `canary`")));
    let rollback = serde_json::from_str::<RollbackRequest>(r#"{"version":"1"}"#);
    assert!(rollback.is_err());
    assert_eq!(serde_json::from_str::<SyncRequest>("{}").expect("valid"), SyncRequest::default());
}

#[test]
fn answers_of_a_newer_agent_are_read() {
    let newer = r#"{"agent_version":"9.0.0","started_at":"2026-11-21T05:00:00Z","uptime_s":1,
        "clock":"2026-11-21T05:00:01Z","bundle":null,"pinned":null,"last_known_good":null,
        "content":null,"ordering":"by_position","policies":[],"mode":{"field_compatible":false,
        "no_bundle":"deny","insecure_behind_proxy":false,"authentication":"token","tls":false,
        "watch":true,"quorum":3},"reloads":{"total":0,"succeeded":0,"failed":0,"average_ms":0.0},
        "last_reload":null,"fallback":null,"fallback_active":false,"weather":"mild"}"#;
    let status: Status = serde_json::from_str(newer).expect("unknown fields are ignored");
    assert_eq!(status.agent_version, "9.0.0");
}

#[test]
fn every_setting_is_found_by_its_name() {
    for key in ConfigKey::ALL {
        assert_eq!(ConfigKey::from_name(key.name()), Some(key));
    }
    assert_eq!(ConfigKey::from_name("bundle.polling"), None);
}
