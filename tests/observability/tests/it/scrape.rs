//! What an agent really prints, read by Prometheus' own parser.

use std::{io::Write as _, path::Path, process::Stdio};

use axum::body::{Body, to_bytes};
use observability_tests::programs::program;
use plumb_agent::{Agent, AgentConfig, Kind, TrustKey, metrics};

async fn scrape() -> String {
    let bundles = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/bundles");
    let signer = TrustKey { id: "signer".to_owned(), pem: bundles.join("signer.pub.pem") };
    let mut config = AgentConfig::new(bundles.join("field.signed.json"), vec![signer]);
    (config.polling, config.watch) = (None, false);
    let agent = Agent::start(config).await.expect("the agent starts");
    assert!(agent.loaded_at().is_some(), "the bundle of the fixtures is in force");
    let request = axum::http::Request::get("/metrics").body(Body::empty()).expect("a request");
    let answer = agent.call(request).await;
    let bytes = to_bytes(answer.into_body(), 1 << 20).await.expect("a body");
    agent.shutdown().await;
    String::from_utf8(bytes.to_vec()).expect("text")
}

#[tokio::test]
async fn prometheus_reads_what_an_agent_prints() {
    let text = scrape().await;
    for metric in metrics() {
        let head = format!("# TYPE {} {}\n", metric.name, metric.kind.name());
        assert!(text.contains(&head), "{head}");
        assert!(metric.kind != Kind::Histogram || text.contains(&format!("{}_sum ", metric.name)));
    }
    let Some(mut promtool) = program("promtool") else { return };
    promtool.args(["check", "metrics"]).stdin(Stdio::piped());
    let mut reading =
        promtool.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    let mut input = reading.stdin.take().expect("piped");
    input.write_all(text.as_bytes()).expect("it reads");
    drop(input);
    let output = reading.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    // 3 means that it would name something otherwise: the documented names are what they are.
    assert!(matches!(output.status.code(), Some(0 | 3)), "{said}");
    let ours = said.lines().filter(|line| line.starts_with("plumb_agent_"));
    assert_eq!(ours.count(), 0, "our own names follow the field's habits: {said}");
}
