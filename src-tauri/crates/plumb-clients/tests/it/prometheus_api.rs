//! One value of a Prometheus: from a real one, and from stand-ins that answer late, in part or nonsense.

use std::{
    env, fs,
    net::TcpListener,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use plumb_clients::{QueryError, query_prometheus};
use plumb_fleet::NodeApi;

use crate::support::{PATIENT, Peer, Reply, node, now, pool};

const IMPATIENT: Duration = Duration::from_millis(300);

async fn asked(url: &str, query: &str, deadline: Duration) -> Result<f64, QueryError> {
    query_prometheus(&pool(), &node(NodeApi::Opa, url), query, deadline, &now()).await
}

/// What a stand-in that answers like this makes of a query.
async fn check(reply: Reply) -> Result<f64, String> {
    let peer = Peer::start(move |_| reply.clone()).await;
    let url = format!("http://{}", peer.address);
    asked(&url, "up", IMPATIENT).await.map_err(|error| error.to_string())
}

fn answer(status: u16, document: &str) -> Reply {
    Reply::json(status, document)
}

#[tokio::test]
async fn a_stand_in_that_answers_badly_gives_no_value() {
    let sample = |value: &str| {
        let result = format!(r#"[{{"metric":{{}},"value":[1795239396.6,"{value}"]}}]"#);
        format!(r#"{{"status":"success","data":{{"resultType":"vector","result":{result}}}}}"#)
    };
    assert_eq!(check(answer(200, &sample("0.25"))).await, Ok(0.25));
    let empty = r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#;
    let refused = r#"{"status":"error","errorType":"bad_data","error":"1:5: parse error"}"#;
    let busy = r#"{"status":"error","errorType":"unavailable","error":"shutting down"}"#;
    for (reply, why) in [
        (answer(200, &sample("NaN")), "\"NaN\", which is no number"),
        (answer(200, empty), "found no series"),
        (answer(400, refused), "refused the query: 1:5: parse error"),
        (answer(422, refused), "refused the query"),
        (answer(503, busy), "did not answer: /api/v1/query: answered 503: shutting down"),
        (answer(401, "{}"), "asks for a credential"),
        (answer(302, "{}"), "a redirect (302), which is not followed"),
        (answer(200, "[]"), "unexpected document"),
        (answer(200, "{\"status\":"), "unexpected document"),
        (Reply::Silence, "no answer within 300 ms"),
        (
            Reply::Drip("HTTP/1.1 200 OK\r\ncontent-length: 99999\r\n\r\n".to_owned()),
            "no answer within",
        ),
        (Reply::Endless("HTTP/1.1 200 OK\r\n\r\n".to_owned()), "did not answer"),
        (Reply::Close, "did not answer"),
    ] {
        let said = check(reply).await.expect_err(why);
        assert!(said.contains(why), "{said} is not {why}");
    }
}

/// A Prometheus of this machine that ends with the test; nothing where there is none, which is said.
struct Server {
    child: Child,
    url: String,
    _folder: tempfile::TempDir,
}

impl Server {
    fn start() -> Option<Self> {
        let folders = env::var_os("PATH").unwrap_or_default();
        if !env::split_paths(&folders).any(|folder| folder.join("prometheus").is_file()) {
            eprintln!(
                "!!!! NOT CHECKED: prometheus is not on PATH; install it with `cargo xtask setup`"
            );
            return None;
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        let config = folder.path().join("prometheus.yml");
        fs::write(&config, "global: {scrape_interval: 1h}\n").expect("written");
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = free.local_addr().expect("an address");
        drop(free);
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        Some(Self { child, url: format!("http://{address}"), _folder: folder })
    }

    /// The first value it answers, once it is up.
    async fn ready(&self) {
        let began = Instant::now();
        while asked(&self.url, "vector(1)", PATIENT).await != Ok(1.0) {
            assert!(began.elapsed() < PATIENT, "it does not come up");
            tokio::task::yield_now().await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn a_real_prometheus_is_read() {
    let Some(server) = Server::start() else { return };
    server.ready().await;
    let value = async |query: &str| {
        asked(&server.url, query, PATIENT).await.map_err(|error| error.to_string())
    };
    assert_eq!(value("vector(0.04)").await, Ok(0.04));
    assert_eq!(value("3 * 2").await, Ok(6.0));
    assert_eq!(value("vector(1) / 0").await, Ok(f64::INFINITY));
    assert_eq!(
        value("sum(vector(1) or label_replace(vector(2), \"a\", \"b & c\", \"\", \"\"))").await,
        Ok(3.0)
    );
    let several = "vector(1) or label_replace(vector(2), \"a\", \"b\", \"\", \"\")";
    for (query, why) in [
        ("absent_of_everything", "found no series"),
        ("vector(0) / 0", "\"NaN\", which is no number"),
        (several, "found 2 series"),
        ("sum(", "refused the query"),
        ("\"word\"", "a string, not one value"),
        ("vector(1)[5m:1m]", "a matrix, not one value"),
    ] {
        let said = value(query).await.expect_err(why);
        assert!(said.contains(why), "{query}: {said} is not {why}");
    }
}
