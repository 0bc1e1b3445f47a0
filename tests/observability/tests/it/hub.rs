//! From a scrape to an incident: the real Prometheus and the real Alertmanager tell the hub of the demo that nodes differ,
//! and it is claimed, triaged and worked on there. Every program runs in a process of its own.

use std::time::{Duration, Instant};

use observability_tests::{
    MonitorPrograms, Watched,
    monitors::{ALERT, TOLD_WITHIN},
    programs::text,
};
use plumb_demo::{DemoFleet, DemoOptions};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Somebody on call, with the token that the demo made for them.
struct OnCall {
    client: Client,
    hub: String,
    token: String,
}

impl OnCall {
    async fn ask(&self, method: Method, path: &str, body: String) -> String {
        let request = self.client.request(method, format!("{}{path}", self.hub));
        let answer = request.bearer_auth(&self.token).body(body).send().await;
        let answer = answer.expect("the hub answers");
        let (status, text) = (answer.status(), answer.text().await.expect("a body"));
        assert!(status.is_success(), "{path}: {status}: {text}");
        text
    }

    async fn text(&self, path: &str) -> String {
        self.ask(Method::GET, path, String::new()).await
    }

    async fn get(&self, path: &str) -> Value {
        serde_json::from_str(&self.text(path).await).expect("JSON")
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let text = self.ask(Method::POST, path, body.to_string()).await;
        serde_json::from_str(&text).expect("JSON")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_with_two_versions_becomes_an_incident() {
    let Some(programs) = MonitorPrograms::found() else { return };
    let folder = TempDir::new().expect("a folder");
    let fleet = DemoFleet::start(DemoOptions::new(folder.path().join("fleet"))).await;
    let fleet = fleet.expect("the fleet starts");
    let monitors = programs.watch(&Watched {
        folder: folder.path(),
        nodes: fleet.nodes.iter().map(|node| node.url.as_str()).collect(),
        hub: &fleet.hub.url(),
        token: &fleet.hub.monitor_token(),
    });
    let _monitors = monitors.expect("both start");
    let token = text(&fleet.hub.oncall_token()).trim().to_owned();
    let client = Client::builder().no_proxy().timeout(Duration::from_secs(10)).build();
    let oncall = OnCall { client: client.expect("a client"), hub: fleet.hub.url(), token };

    let begun = Instant::now();
    let alert = loop {
        let listed = oncall.get("/v1/alerts?status=new&limit=10").await;
        let alerts = listed["alerts"].as_array().cloned().unwrap_or_default();
        if let Some(alert) = alerts.into_iter().find(|alert| alert["kind"] == ALERT) {
            break alert;
        }
        assert!(begun.elapsed() < TOLD_WITHIN, "the hub was told nothing: {listed}");
        tokio::task::yield_now().await;
    };
    assert_eq!(alert["service"], "policy-nodes", "{alert}");
    assert_eq!(alert["source"], "alertmanager/hub", "{alert}");
    let title = alert["title"].as_str().unwrap_or_default();
    assert!(title.contains("its nodes run") && title.contains("versions"), "{title}");
    let named = alert["alert_ref"].as_str().expect("a reference").to_owned();

    // Told again and again it stays one.
    let again = loop {
        let one = oncall.get(&format!("/v1/alerts/{named}")).await;
        if one["occurrences"].as_u64().is_some_and(|times| times > 1) {
            break one;
        }
        assert!(begun.elapsed() < TOLD_WITHIN, "it is not told again: {one}");
        tokio::task::yield_now().await;
    };
    assert_eq!(again["alert_ref"], named.as_str());

    let claim = json!({ "owner": "sofiia-supervisor", "limit": 25, "lock_ttl_seconds": 600 });
    let claimed = oncall.post("/v1/alerts/claim", claim).await;
    let mut claimed = claimed["alerts"].as_array().into_iter().flatten();
    assert!(claimed.any(|one| one["alert_ref"] == named.as_str()), "it is mine");
    // A triage freezes what was known into an incident, and settles the alert.
    let triage =
        json!({ "note": "two versions at once", "drift_groups": [{ "version": "1.9.0" }] });
    let triaged = oncall.post(&format!("/v1/alerts/{named}/triage"), triage).await;
    assert_eq!(triaged["ran"], true, "{triaged}");
    assert_eq!(triaged["alert"]["status"], "acked", "{triaged}");
    let incident = triaged["incident_ref"].as_str().expect("an incident").to_owned();
    let opened = oncall.get("/v1/incidents/open").await;
    assert!(opened.to_string().contains(&incident), "{opened}");
    let draft = oncall.text(&format!("/v1/incidents/{incident}/draft")).await;
    assert!(draft.contains(&incident) && draft.contains("What people have to add"), "{draft}");
    let close = json!({ "resolution": "config" });
    oncall.post(&format!("/v1/incidents/{incident}/close"), close).await;
    let one = oncall.get(&format!("/v1/incidents/{incident}")).await;
    assert_eq!(one["incident"]["state"], "closed", "{one}");
    fleet.shutdown().await;
}
