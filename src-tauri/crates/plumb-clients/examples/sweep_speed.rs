//! Times sweeps of loopback nodes beside `curl --parallel` over the same URLs:
//! `cargo run --release -p plumb-clients --example sweep_speed [NODES]`.

#![expect(clippy::print_stdout, reason = "a program for a terminal")]

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::{BufRead as _, BufReader, Write as _},
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use plumb_clients::{HttpPool, SweepOptions, TokenSource, sweep, wall_clock};
use plumb_fleet::{Node, NodeApi, NodeId, Route};
use rand::{SeedableRng as _, rngs::StdRng};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.get(1).is_some_and(|word| word == "serve") {
        return serve(arguments[2].parse().expect("a number of nodes")).await;
    }
    let count: usize = arguments.get(1).map_or(1_000, |n| n.parse().expect("a number of nodes"));
    let mut server = Command::new(&arguments[0])
        .args(["serve", &count.to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .expect("this program starts again");
    let ports: Vec<u16> = BufReader::new(server.stdout.take().expect("piped"))
        .lines()
        .take(count)
        .map(|line| line.expect("text").parse().expect("a port"))
        .collect();
    let nodes: Vec<Arc<Node>> = ports.iter().map(|port| Arc::new(node(*port))).collect();
    let pool = HttpPool::new(TokenSource::system(), "/");
    for concurrency in [16, 32, 64, 128] {
        let mut times = Vec::new();
        for _ in 0..6 {
            let options = SweepOptions {
                concurrency,
                deadline: Duration::from_secs(5),
                jitter: Duration::ZERO,
            };
            let mut rng = StdRng::seed_from_u64(1);
            let (cancel, started) = (CancellationToken::new(), Instant::now());
            let end = sweep(&pool, &nodes, options, &mut rng, &wall_clock(), &cancel, |_| {}).await;
            times.push(started.elapsed());
            assert_eq!(end.answered, count, "{end:?}");
        }
        println!(
            "sweep, {concurrency} at once: first {:?}, best {:?}",
            times[0],
            times.iter().min()
        );
    }
    println!("resident: {}", resident());
    for parallel in [50, 100, 300] {
        let times = (0..3).map(|_| curl(&ports, parallel));
        println!("curl --parallel-max {parallel}: best {:?}", times.min());
    }
    server.kill().expect("ours to end");
    server.wait().expect("ended");
}

/// Memory of this process as Linux tells it.
fn resident() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or("unknown").to_owned()
}

fn curl(ports: &[u16], parallel: usize) -> Duration {
    let mut config = String::new();
    for port in ports {
        for path in ["readyz", "rules", "reload/history"] {
            writeln!(config, "url = \"http://127.0.0.1:{port}/{path}\"\noutput = \"/dev/null\"")
                .expect("a string");
        }
    }
    let started = Instant::now();
    let mut child = Command::new("curl")
        .args(["--silent", "--parallel", "--parallel-max", &parallel.to_string(), "--config", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("curl is installed");
    child.stdin.take().expect("piped").write_all(config.as_bytes()).expect("curl reads");
    assert!(child.wait().expect("ended").success());
    started.elapsed()
}

fn node(port: u16) -> Node {
    Node {
        id: NodeId::new(format!("node-{port}")).expect("a valid name"),
        api: NodeApi::Reload,
        url: format!("http://127.0.0.1:{port}").parse().expect("a URL"),
        labels: BTreeMap::new().into(),
        credential: None,
        tls: None,
        allow_plain_token: false,
        route: Route::Direct,
        bundle_folder: None,
        bundle: None,
    }
}

async fn serve(count: usize) {
    let rules: Vec<String> = (0..50)
        .map(|i| {
            format!(
                r#"{{"id":"capability.{i:03}","effect":"deny","reason":"{}"}}"#,
                "x".repeat(150)
            )
        })
        .collect();
    let rules = format!(
        r#"{{"ok":true,"rules":[{}],"count":50,"policy_version":"2.0.0"}}"#,
        rules.join(",")
    );
    let entry = r#"{"timestamp":"2026-11-21T05:35:42.539233+00:00","version":"2.0.0","success":true,"duration_ms":0.33,"policies_loaded":50,"error":null}"#;
    let history = format!(r#"{{"history":[{}]}}"#, [entry; 10].join(","));
    let readyz = r#"{"ready":true,"bundle_version":"2.0.0","bundle_loaded_at":"2026-11-21T05:35:42+00:00","bundle_age_hours":1.5,"bundle_stale":false}"#;
    let answers = Arc::new([http(readyz), http(&rules), http(&history)]);
    for _ in 0..count {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        println!("{}", listener.local_addr().expect("an address").port());
        let answers = answers.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, answers.clone()));
            }
        });
    }
    std::future::pending::<()>().await;
}

fn http(body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\ndate: Sat, 21 Nov 2026 05:25:17 GMT\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Keep-alive, without pipelining.
async fn answer(mut stream: TcpStream, answers: Arc<[Vec<u8>; 3]>) {
    let mut request = [0; 4096];
    let mut held = 0;
    loop {
        match stream.read(&mut request[held..]).await {
            Ok(0) | Err(_) => return,
            Ok(length) => held += length,
        }
        if !request[..held].ends_with(b"\r\n\r\n") {
            continue;
        }
        let answer = match request.get(5) {
            Some(b'r') if request[6] == b'u' => &answers[1],
            Some(b'r') if request[8] == b'd' => &answers[0],
            _ => &answers[2],
        };
        held = 0;
        if stream.write_all(answer).await.is_err() {
            return;
        }
    }
}
