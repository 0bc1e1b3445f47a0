//! The alert tools of the field, word for word, and the plain endpoints beside them.

use std::time::Duration;

use plumb_alert::RoutingPolicy;
use plumb_wire::alerts::guides;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::client::{BOOTSTRAP, Reply, Team};

const DEADLINE: Duration = Duration::from_mins(1);

async fn tool(team: &Team, token: &str, body: Value) -> Reply {
    team.post("/v1/tools/execute", token, &body).await
}

fn report(title: &str) -> Value {
    json!({ "tool": "alert_ingest_tool", "action": "ingest", "source": "monitor@node1",
        "service": "gateway", "env": "prod", "kind": "slo_breach", "severity": "P0", "title": title })
}

async fn ingested(team: &Team, title: &str) -> String {
    let taken = tool(team, BOOTSTRAP, report(title)).await.fine();
    taken["alert_ref"].as_str().expect("a reference").to_owned()
}

/// R093, R113, R156, R157.
#[tokio::test]
async fn what_was_taken_in_is_there_after_a_restart() {
    let team = Team::start().await;
    // As the field prints it: no title, and a list without method or content type.
    let body = r#"{"tool":"alert_ingest_tool","action":"ingest","service":"test","kind":"test","message":"persistence check"}"#;
    let json = [("content-type", "application/json")];
    let taken = team.ask_with("POST", "/v1/tools/execute", BOOTSTRAP, &json, body).await.fine();
    assert_eq!(
        (taken["accepted"].as_bool(), taken["deduped"].as_bool()),
        (Some(true), Some(false))
    );
    let team = Team::start_in(team.stop().await, |_| {}).await;
    let body = r#"{"tool":"alert_ingest_tool","action":"list","service":"test"}"#;
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let listed = team.ask_with("POST", "/v1/tools/execute", BOOTSTRAP, &form, body).await.fine();
    assert_eq!(listed["alerts"][0]["alert_ref"], taken["alert_ref"]);
    assert_eq!(listed["alerts"][0]["title"], "persistence check");
    assert_eq!(listed["alerts"][0]["source"], "bootstrap", "whoever shows the token");
}

#[tokio::test]
async fn a_report_that_is_no_good_is_not_accepted_and_says_why() {
    let team = Team::start().await;
    let check = async |body: Value, text: &str| {
        let reply = tool(&team, BOOTSTRAP, body).await;
        let told = reply.problem(422);
        assert!(told.contains(text), "{told}");
        assert_eq!(reply.json()["accepted"], false);
        assert_eq!(reply.json()["guide"], guides::NOT_ACCEPTED);
    };
    let call = |fields: Value| {
        let mut call = json!({ "tool": "alert_ingest_tool", "action": "ingest" });
        call.as_object_mut().expect("an object").extend(fields.as_object().expect("one").clone());
        call
    };
    check(call(json!({ "kind": "test", "title": "x" })), "service is missing").await;
    check(call(json!({ "kind": "test", "service": "x" })), "title is missing").await;
    check(call(json!({ "kind": "a b", "service": "x", "title": "x" })), "kind").await;
    check(
        call(json!({ "kind": "k", "service": "x", "title": "x", "severity": "bad" })),
        "severity",
    )
    .await;
    let unknown = json!({ "tool": "alert_ingest_tool", "action": "drop" });
    assert!(tool(&team, BOOTSTRAP, unknown).await.problem(400).contains("ingest, list, claim"));
    let misspelt = json!({ "tool": "alert_ingest_tool", "action": "list", "windowminutes": 3 });
    assert!(tool(&team, BOOTSTRAP, misspelt).await.problem(400).contains("windowminutes"));
    assert!(
        team.ask("POST", "/v1/tools/execute", BOOTSTRAP, "a=b")
            .await
            .problem(400)
            .contains("no JSON")
    );
}

#[tokio::test]
async fn the_same_alert_again_is_one_alert() {
    let team = Team::start().await;
    let first = ingested(&team, "p95 is 412 ms").await;
    let again = tool(&team, BOOTSTRAP, report("p95 is 977 ms")).await.fine();
    assert_eq!((again["deduped"].as_bool(), again["occurrences"].as_u64()), (Some(true), Some(2)));
    assert_eq!((&again["alert_ref"], &again["guide"]), (&json!(first), &json!(guides::REPEATED)));
    assert!(again["why"][0].as_str().is_some_and(|why| why.contains("dedupe window of 30 min")));
    team.pass(31 * 60);
    let later = tool(&team, BOOTSTRAP, report("p95 is 412 ms")).await.fine();
    assert_eq!(later["deduped"], false);
}

#[tokio::test]
async fn an_alert_is_claimed_fails_is_tried_again_and_closed() {
    let team = Team::start().await;
    let alert = ingested(&team, "slow").await;
    let claim = json!({ "tool": "alert_ingest_tool", "action": "claim", "window_minutes": 240,
        "limit": 25, "owner": "sofiia-supervisor", "lock_ttl_seconds": 600 });
    let claimed = tool(&team, BOOTSTRAP, claim.clone()).await.fine();
    assert_eq!(
        (claimed["claimed"].as_u64(), claimed["alerts"][0]["status"].as_str()),
        (Some(1), Some("processing"))
    );
    let nothing = tool(&team, BOOTSTRAP, claim.clone()).await.fine();
    assert_eq!((&nothing["claimed"], &nothing["guide"]), (&json!(0), &json!(guides::NOTHING_FREE)));
    // Both names of the pause.
    let fail = |name: &str| {
        json!({ "tool": "alert_ingest_tool", "action": "fail", "alert_ref": alert,
            "error": "gateway timeout", name: 300 })
    };
    let failed = tool(&team, BOOTSTRAP, fail("retry_after_seconds")).await.fine();
    assert_eq!(
        (failed["alert"]["status"].as_str(), failed["alert"]["last_error"].as_str()),
        (Some("failed"), Some("gateway timeout"))
    );
    let unprocessed = json!({ "tool": "alert_ingest_tool", "action": "list", "window_minutes": 240,
        "env": "prod", "source": "monitor@node1", "status_in": ["new", "failed"] });
    assert_eq!(tool(&team, BOOTSTRAP, unprocessed).await.fine()["count"], 1);
    team.pass(301);
    let again = tool(&team, BOOTSTRAP, claim.clone()).await.fine();
    assert_eq!(
        (
            again["claimed"].as_u64(),
            again["requeued"].as_u64(),
            again["alerts"][0]["claim"].as_u64()
        ),
        (Some(1), Some(1), Some(2))
    );
    assert_eq!(
        tool(&team, BOOTSTRAP, fail("retry_after_sec")).await.fine()["alert"]["status"],
        "failed"
    );
    // A worker that died: the next claim takes its alert.
    team.pass(301);
    tool(&team, BOOTSTRAP, claim.clone()).await.fine();
    team.pass(601);
    assert_eq!(tool(&team, BOOTSTRAP, claim).await.fine()["alerts"][0]["claim"], 4);
    let ack = json!({ "tool": "alert_ingest_tool", "action": "ack", "alert_ref": alert, "note": "false positive" });
    let acked = tool(&team, BOOTSTRAP, ack.clone()).await.fine();
    assert_eq!(
        (acked["alert"]["status"].as_str(), acked["alert"]["outcome"].as_str()),
        (Some("acked"), Some("dismissed"))
    );
    tool(&team, BOOTSTRAP, ack).await.problem(409);
}

/// R094, R095, R121 to R124.
#[tokio::test]
async fn an_alert_becomes_an_incident_that_is_told_and_closed() {
    let team = Team::start().await;
    let alert = ingested(&team, "slow").await;
    assert!(alert.starts_with("alrt_"), "{alert}");
    let convert = json!({ "tool": "oncall_tool", "action": "alert_to_incident", "alert_ref": alert,
        "incident_severity_cap": "P1", "dedupe_window_minutes": 60 });
    let converted = tool(&team, BOOTSTRAP, convert.clone()).await.fine();
    assert_eq!(
        (converted["linked"].as_str(), converted["incident"]["severity"].as_str()),
        (Some("opened"), Some("P1")),
        "{converted}"
    );
    assert_eq!(tool(&team, BOOTSTRAP, convert).await.fine()["linked"], "already");
    let incident = converted["incident_ref"].as_str().expect("a reference");
    let note = json!({ "tool": "oncall_tool", "action": "incident_append_event", "incident_ref": incident, "note": "gateway restarted" });
    tool(&team, BOOTSTRAP, note).await.fine();
    let open = team.get("/v1/incidents/open?service=gateway", BOOTSTRAP).await.fine();
    assert_eq!(open["incidents"][0]["incident_ref"], incident);
    assert_eq!(team.get("/v1/incidents/open?service=other", BOOTSTRAP).await.fine()["count"], 0);
    let moved = team
        .post(&format!("/v1/incidents/{incident}/move"), BOOTSTRAP, &json!({ "to": "mitigating" }))
        .await;
    assert_eq!(moved.fine()["incident"]["state"], "mitigating");
    let triaged = team
        .post(
            &format!("/v1/alerts/{alert}/triage"),
            BOOTSTRAP,
            &json!({ "doctor": [{ "check": "x" }] }),
        )
        .await
        .fine();
    assert_eq!(
        (triaged["ran"].as_bool(), triaged["alert"]["status"].as_str()),
        (Some(true), Some("acked"))
    );
    let draft = team.get(&format!("/v1/incidents/{incident}/draft"), BOOTSTRAP).await;
    assert!(
        draft.text().contains("gateway restarted")
            && draft.text().contains("## What people have to add")
    );
    let close = json!({ "tool": "oncall_tool", "action": "incident_close", "incident_ref": incident, "resolution": "config" });
    assert_eq!(tool(&team, BOOTSTRAP, close.clone()).await.fine()["incident"]["state"], "closed");
    tool(&team, BOOTSTRAP, close).await.problem(409);
    assert_eq!(team.get("/v1/incidents/open", BOOTSTRAP).await.fine()["count"], 0);
    assert_eq!(team.get("/v1/incidents?with_closed=true", BOOTSTRAP).await.fine()["count"], 1);
    let told = team.get(&format!("/v1/incidents/{incident}"), BOOTSTRAP).await.fine();
    assert_eq!(told["timeline"].as_array().map(Vec::len), Some(5), "{told}");
    let gone =
        json!({ "tool": "oncall_tool", "action": "alert_to_incident", "alert_ref": "alrt_gone" });
    let gone = tool(&team, BOOTSTRAP, gone).await;
    assert!(gone.problem(404).contains("kept in memory before a restart"));
    assert_eq!(gone.json()["guide"], guides::NOT_FOUND);
}

#[tokio::test]
async fn a_role_does_what_the_matrix_says_and_a_refusal_is_written_down() {
    let team = Team::start().await;
    let monitor = team.token(BOOTSTRAP, "agent_monitor").await;
    let oncall = team.token(BOOTSTRAP, "agent_oncall").await;
    let node = team.token(BOOTSTRAP, "agent_node").await;
    tool(&team, &monitor, report("slow")).await.fine();
    let claim = json!({ "tool": "alert_ingest_tool", "action": "claim", "owner": "m" });
    let denied = tool(&team, &monitor, claim.clone()).await;
    let told = denied.problem(403);
    assert!(told.starts_with("tools.alerts.claim denied: role agent_monitor"), "{told}");
    assert_eq!(denied.json()["guide"], guides::CLAIM_DENIED);
    let told = team.post("/v1/alerts/claim", &monitor, &json!({ "owner": "m" })).await.problem(403);
    assert!(told.contains("agent_cto, agent_oncall") && told.contains("supervisor"), "{told}");
    tool(&team, &oncall, claim).await.fine();
    let list = json!({ "tool": "alert_ingest_tool", "action": "list" });
    tool(&team, &node, list).await.problem(403);
    let audit = team.get("/v1/hub/audit", BOOTSTRAP).await.fine();
    let refused: Vec<&Value> = audit["entries"]
        .as_array()
        .expect("entries")
        .iter()
        .filter(|entry| entry["outcome"] == "refused")
        .collect();
    assert_eq!(refused.len(), 3, "{audit}");
    assert_eq!(refused[2]["who"], "agent_monitor of the tests");
    assert!(
        refused[2]["detail"].as_str().is_some_and(|detail| detail.contains("tools.alerts.claim"))
    );
}

/// R131, R150, R151, R158: each environment's hub says where it keeps alerts, and loudly where it forgets them.
#[tokio::test]
async fn the_dashboard_counts_and_says_whether_anything_survives() {
    let team = Team::start().await;
    ingested(&team, "slow").await;
    ingested(&team, "slow").await;
    ingested(&team, "broken").await;
    let board = team.get("/v1/alerts/dashboard?window_minutes=240", BOOTSTRAP).await.fine();
    assert_eq!(board["counts"], json!({ "new": 2, "processing": 0, "acked": 0, "failed": 0 }));
    assert_eq!(board["top_signatures"][0]["occurrences"], 3);
    assert_eq!(board["sources"][0]["source"], "monitor@node1");
    assert_eq!(board["latest"].as_array().map(Vec::len), Some(2));
    assert_eq!(
        (
            board["durability"]["backend"].as_str(),
            board["durability"]["survives_restart"].as_bool()
        ),
        (Some("sqlite"), Some(true))
    );
    let memory =
        Team::start_with(|options| options.alerts = Some(plumb_hub::AlertSettings::Memory)).await;
    let board = memory.get("/v1/alerts/dashboard", BOOTSTRAP).await.fine();
    assert!(
        board["durability_text"]
            .as_str()
            .is_some_and(|text| text.contains("EVERY ALERT AND INCIDENT IS LOST"))
    );
}

#[tokio::test]
async fn a_notification_of_a_real_alertmanager_is_taken() {
    let team = Team::start().await;
    let text = include_str!("../../../../../../tests/fixtures/alerts/alertmanager/webhook-v4.json");
    let monitor = team.token(BOOTSTRAP, "agent_monitor").await;
    let path = "/v1/alertmanager/webhook";
    let taken = team.ask("POST", path, &monitor, text).await.fine();
    assert_eq!(
        (taken["rejected"].as_array().map(Vec::len), taken["created"].as_u64()),
        (Some(0), taken["received"].as_u64()),
        "{taken}"
    );
    let again = team.ask("POST", path, &monitor, text).await.fine();
    assert_eq!(
        (again["created"].as_u64(), again["deduplicated"].as_u64()),
        (Some(0), taken["received"].as_u64())
    );
    let listed = team.get("/v1/alerts?status=new", BOOTSTRAP).await.fine();
    assert!(
        listed["alerts"][0]["source"]
            .as_str()
            .is_some_and(|source| source.starts_with("alertmanager/")),
        "{listed}"
    );
    team.ask("POST", path, &monitor, text.replace("\"4\"", "\"5\"")).await.problem(422);
    team.ask("POST", path, &monitor, "{}").await.problem(400);
}

/// Alertmanager repeats nothing that was answered and reads no answer: what is not kept is lost.
#[tokio::test]
async fn what_alertmanager_tells_in_its_own_words_is_kept_all_the_same() {
    let team = Team::start().await;
    let monitor = team.token(BOOTSTRAP, "agent_monitor").await;
    let alert = |labels: Value, annotations: Value| json!({ "status": "firing", "labels": labels, "annotations": annotations, "startsAt": "2026-11-30T10:00:00Z" });
    let long = "x".repeat(40_000);
    let alerts = [
        alert(
            json!({ "alertname": "Disk nearly full!", "severity": "ticket", "namespace": "billing" }),
            json!({}),
        ),
        alert(
            json!({ "alertname": "Sum", "severity": "sev1" }),
            json!({ "summary": "two\nlines", "description": long.as_str() }),
        ),
        alert(
            json!({ "alertname": "Long", "instance": "10.0.0.1:9100" }),
            json!({ "summary": long.as_str() }),
        ),
    ];
    let told = json!({ "version": "4", "receiver": "plumbline", "alerts": alerts });
    let taken = team.post("/v1/alertmanager/webhook", &monitor, &told).await.fine();
    assert_eq!((taken["created"].as_u64(), &taken["rejected"]), (Some(3), &json!([])), "{taken}");
    let listed = team.get("/v1/alerts?status=new", BOOTSTRAP).await.fine();
    let kept = |kind: &str| {
        let alerts = listed["alerts"].as_array().into_iter().flatten();
        let mut of_kind = alerts.filter(|alert| alert["kind"] == kind);
        of_kind.next().cloned().unwrap_or_else(|| panic!("no {kind}: {listed}"))
    };
    let disk = kept("Disk_nearly_full_");
    assert_eq!((&disk["service"], &disk["severity"]), (&json!("billing"), &json!("P2")));
    assert_eq!(disk["labels"]["severity"], "ticket", "what it said is kept");
    assert_eq!(
        (&kept("Sum")["service"], &kept("Sum")["title"]),
        (&json!("plumbline"), &json!("two"))
    );
    assert_eq!(kept("Long")["title"].as_str().map(str::len), Some(1_000));

    // A storm of the largest group is more than a request of another kind may have.
    let many: Vec<Value> = (0..2_000)
        .map(|number| {
            alert(
                json!({ "alertname": "Storm", "number": number.to_string() }),
                json!({ "summary": "y".repeat(900) }),
            )
        })
        .collect();
    let told = json!({ "version": "4", "receiver": "plumbline", "alerts": many });
    assert!(told.to_string().len() > 3 << 19);
    let taken = team.post("/v1/alertmanager/webhook", &monitor, &told).await.fine();
    assert_eq!((taken["created"].as_u64(), &taken["rejected"]), (Some(2_000), &json!([])));
}

#[tokio::test]
async fn a_breach_blocks_a_release_and_a_bypass_stands_in_the_incident() {
    let team = Team::start_with(|options| {
        options.policies.slo = plumb_alert::SloPolicy::from_yaml(
            "services:\n  gateway:\n    latency_p95_ms: 300\n    error_rate_pct: 1.0\n",
        )
        .expect("a policy");
        options.policies.gates = plumb_alert::ReleaseGates::from_yaml(
            "staging:\n  gates:\n    slo_watch:\n      mode: \"strict\"\n",
        )
        .expect("a policy");
    })
    .await;
    let path = "/v1/releases/check";
    let measured = json!({ "latency_p95_ms": 412.0, "error_rate_pct": 0.2 });
    let check = json!({ "service": "gateway", "env": "staging", "measured": measured });
    let blocked = team.post(path, BOOTSTRAP, &check).await.fine();
    assert_eq!(
        (blocked["verdict"].as_str(), blocked["may_go_on"].as_bool()),
        (Some("blocked"), Some(false))
    );
    assert_eq!(blocked["guide"], guides::GATE);
    let alert = ingested(&team, "slow").await;
    let incident =
        team.post(&format!("/v1/alerts/{alert}/incident"), BOOTSTRAP, &json!({})).await.fine();
    let incident = incident["incident_ref"].as_str().expect("a reference");
    let mut bypass = json!({ "service": "gateway", "env": "staging", "run_slo_watch": false });
    team.post(path, BOOTSTRAP, &bypass).await.problem(422);
    bypass["reason"] =
        json!({ "kind": "emergency_deploy", "text": "security fix for the gateway" });
    bypass["incident_ref"] = incident.into();
    assert_eq!(team.post(path, BOOTSTRAP, &bypass).await.fine()["verdict"], "bypassed");
    let told = team.get(&format!("/v1/incidents/{incident}"), BOOTSTRAP).await.text();
    assert!(told.contains("security fix for the gateway"), "{told}");
    let viewer = team.token(BOOTSTRAP, "viewer").await;
    let denied = team.post(path, &viewer, &bypass).await.problem(403);
    assert!(denied.starts_with("tools.release.bypass denied"), "{denied}");
}

#[tokio::test]
async fn two_workers_share_the_alerts_and_lose_none() {
    let team = Team::start().await;
    let reports = (0..60).map(|n| {
        let mut body = report("x");
        body["fingerprint"] = format!("fp-{n}").into();
        tool(&team, BOOTSTRAP, body)
    });
    let reports: Vec<_> = reports.collect();
    futures::future::join_all(reports).await.iter().for_each(|reply| {
        reply.fine();
    });
    let claims = (0..12).map(|n| {
        let body = json!({ "owner": format!("worker-{n}"), "limit": 7 });
        let team = &team;
        async move { team.post("/v1/alerts/claim", BOOTSTRAP, &body).await.fine() }
    });
    let claimed = futures::future::join_all(claims).await;
    let mut seen = std::collections::BTreeSet::new();
    for alert in claimed.iter().flat_map(|claim| claim["alerts"].as_array().expect("alerts")) {
        assert!(seen.insert(alert["alert_ref"].as_str().expect("one").to_owned()), "claimed twice");
    }
    assert_eq!(seen.len(), 60);
}

/// R133: nobody tells that a monitor is gone, so the hub does.
#[tokio::test]
async fn a_monitor_that_tells_nothing_is_an_alert_of_its_own_until_it_talks() {
    let policy = "sources:\n  - source: monitor@node1\n    within_minutes: 5\n";
    let team = Team::start_with(|options| {
        options.policies.routing = RoutingPolicy::from_yaml(policy).expect("a policy");
        options.sources_every = Duration::from_millis(20);
    })
    .await;
    let quiet = async |resolved: bool| loop {
        let listed = team.get("/v1/alerts?limit=10", BOOTSTRAP).await.fine();
        let alerts = listed["alerts"].as_array().expect("alerts").clone();
        let found = alerts.into_iter().find(|alert| alert["kind"] == "SourceQuiet");
        match found {
            Some(alert) if alert["resolved_at"].is_null() != resolved => return alert,
            _ => tokio::task::yield_now().await,
        }
    };
    let alert = timeout(DEADLINE, quiet(false)).await.expect("it is told");
    assert!(
        alert["message"].as_str().is_some_and(|text| text.contains("monitor@node1")),
        "{alert}"
    );
    let talks =
        json!({ "source": "monitor@node1", "service": "gateway", "kind": "slow", "title": "p95" });
    team.post("/v1/alerts", BOOTSTRAP, &talks).await.fine();
    let over = timeout(DEADLINE, quiet(true)).await.expect("it talks again");
    assert_eq!(over["alert_ref"], alert["alert_ref"]);
}

/// Whoever follows the inbox is answered as soon as something changes, whoever changed it, and misses nothing.
#[tokio::test]
async fn whoever_follows_the_inbox_is_told_of_changes_at_once() {
    let team = Team::start().await;
    let first = ingested(&team, "p95 is high").await;
    let changes = async |query: String| {
        let path = format!("/v1/alerts/changes?{query}");
        timeout(DEADLINE, team.get(&path, BOOTSTRAP)).await.expect("in time").fine()
    };
    let refs = |told: &Value| {
        let alerts = told["alerts"].as_array().expect("a list").clone();
        let name = |alert: &Value| alert["alert_ref"].as_str().expect("a reference").to_owned();
        alerts.iter().map(name).collect::<Vec<_>>()
    };
    let all = changes("limit=10".to_owned()).await;
    assert_eq!((refs(&all), all["more"].as_bool()), (vec![first.clone()], Some(false)));
    let place = |told: &Value| {
        let next = told["next"].as_str().expect("a place");
        format!("after={next}&entries={}", told["entries"])
    };
    // Nothing to tell: it is held back for as long as was asked for, and then the place is the same.
    let none = changes(format!("{}&wait_s=1", place(&all))).await;
    assert_eq!((refs(&none), &none["next"]), (vec![], &all["next"]));
    // No clock decides what is told: it steps back, and nothing is missed.
    team.pass(-3_600);
    let (told, ()) = tokio::join!(changes(format!("{}&wait_s=50", place(&none))), async {
        let claim = json!({ "owner": "mira" });
        team.post(&format!("/v1/alerts/{first}/claim"), BOOTSTRAP, &claim).await.fine();
    });
    assert_eq!(refs(&told), [first.as_str()]);
    assert_eq!(
        (&told["alerts"][0]["status"], &told["alerts"][0]["owner"]),
        (&json!("processing"), &json!("mira"))
    );
    // An incident that moves on wakes as well, though no alert changed.
    let convert = format!("/v1/alerts/{first}/incident");
    let incident = team.post(&convert, BOOTSTRAP, &json!({})).await.fine();
    let known = changes(format!("{}&wait_s=50", place(&told))).await;
    let (told, ()) = tokio::join!(changes(format!("{}&wait_s=50", place(&known))), async {
        let incident = incident["incident_ref"].as_str().expect("a reference");
        let note = json!({ "note": "looking" });
        team.post(&format!("/v1/incidents/{incident}/events"), BOOTSTRAP, &note).await.fine();
    });
    assert!(refs(&told).is_empty() && told["entries"] != known["entries"], "{told}");
    let viewer = team.token(BOOTSTRAP, "agent_node").await;
    team.get("/v1/alerts/changes", &viewer).await.problem(403);
    // A place of another inbox, or of an earlier version.
    for after in ["yesterday", "2026-03-03T12:00:00Z,alrt_1", "00000000000000ff.3"] {
        let path = format!("/v1/alerts/changes?after={after}");
        let gone = team.get(&path, BOOTSTRAP).await.problem(410);
        assert!(gone.ends_with("read from the start"), "{gone}");
    }
    let newest = changes("newest=0".to_owned()).await;
    assert_eq!((refs(&newest), &newest["next"]), (vec![], &told["next"]));
    let both = format!("/v1/alerts/changes?newest=3&{}", place(&told));
    team.get(&both, BOOTSTRAP).await.problem(422);
}

/// Who says that something lasts is whoever shows a token, with an installation of theirs: a body says it for nobody else.
#[tokio::test]
async fn one_token_does_not_speak_for_another() {
    let team = Team::start().await;
    let (mira, jo) =
        (team.named("mira", "agent_oncall").await, team.named("jo", "agent_oncall").await);
    let report =
        json!({ "service": "eu", "kind": "PolicyVersionMismatch", "title": "2 nodes are behind" });
    let told = async |token: &str, more: Value| {
        let mut body = report.clone();
        body.as_object_mut().expect("an object").extend(more.as_object().expect("one").clone());
        team.post("/v1/alerts", token, &body).await
    };
    let alert = told(&mira, json!({ "installation": "b1" })).await.fine();
    let alert = alert["alert_ref"].as_str().expect("a reference").to_owned();
    let kept = async || team.get(&format!("/v1/alerts/{alert}"), &mira).await.fine();
    let tellers = |kept: &Value| {
        let tellers = kept["told_by"].as_object().expect("somebody").keys().cloned();
        tellers.collect::<Vec<_>>()
    };
    assert_eq!(tellers(&kept().await), ["mira#b1"]);
    // Whatever somebody else writes: that it is over holds for them alone.
    for more in [
        json!({}),
        json!({ "installation": "b1" }),
        json!({ "told_by": "mira#b1" }),
        json!({ "source": "mira" }),
    ] {
        let mut more = more;
        more["resolved"] = json!(true);
        let answer = told(&jo, more).await.fine();
        let why = answer["why"][0].as_str().expect("a reason");
        assert!(why.starts_with("jo") && why.contains("but mira#b1 told it"), "{why}");
        let kept = kept().await;
        assert_eq!(
            (tellers(&kept), &kept["resolved_at"]),
            (vec!["mira#b1".to_owned()], &Value::Null)
        );
    }
    for installation in ["b1#b2", "B1", "a b", &"x".repeat(65)] {
        let refused = told(&jo, json!({ "installation": installation })).await.problem(422);
        assert!(refused.contains("installation is not valid"), "{refused}");
    }
    // Two consoles of one person are two, also where one of them has a telling name.
    told(&mira, json!({ "installation": "b2" })).await.fine();
    let named = team.named("mira#b1", "agent_oncall").await;
    told(&named, json!({})).await.fine();
    assert_eq!(tellers(&kept().await), ["mira##b1", "mira#b1", "mira#b2"]);
    for (token, installation) in [(&mira, json!("b2")), (&named, Value::Null)] {
        told(token, json!({ "installation": installation, "resolved": true })).await.fine();
        assert_eq!(kept().await["resolved_at"], Value::Null);
    }
    told(&mira, json!({ "installation": "b1", "resolved": true })).await.fine();
    assert!(kept().await["resolved_at"].is_string(), "nobody says any more that it lasts");
    let first = json!({ "name": "bootstrap", "role": "viewer", "expires_after_s": 60 });
    let refused = team.post("/v1/hub/tokens", BOOTSTRAP, &first).await.problem(422);
    assert!(refused.contains("use another name"), "{refused}");
}
