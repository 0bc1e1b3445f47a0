//! Gates that measure: how long decisions take, and values of a Prometheus.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use plumb_app::{
    App,
    views::{
        plan::{ActionKind, ActionRequest, NodeSelection},
        rollout::{
            GateRequest, QueryRequest, RolloutRequest, RunCheckVerdict, RunOrder, ShapeRequest,
        },
        run::{RunPhase, RunView},
    },
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::world::World;

const TWO: [(&str, &str); 2] = [("gw-1", "v1.signed.json"), ("gw-2", "v1.signed.json")];

fn sync_past(gate: GateRequest) -> ActionRequest {
    let rollout = RolloutRequest {
        shape: ShapeRequest::OneByOne,
        gate: Some(gate),
        roll_back_on_failure: false,
        failures_tolerated: 0,
    };
    ActionRequest {
        rollout: Some(rollout),
        ..ActionRequest::new(ActionKind::Sync, NodeSelection::All)
    }
}

fn query(query: &str, at_most_milli: i64) -> GateRequest {
    let asked = QueryRequest { query: query.to_owned(), at_most_milli };
    GateRequest { prometheus: vec![asked], ..GateRequest::default() }
}

/// Answers every request with one value, and remembers what was asked last.
struct StandIn {
    url: String,
    value: Arc<Mutex<String>>,
    asked: Arc<Mutex<String>>,
}

impl StandIn {
    async fn start(value: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let value = Arc::new(Mutex::new(value.to_owned()));
        let asked = Arc::new(Mutex::new(String::new()));
        let (answers, seen) = (value.clone(), asked.clone());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = vec![0; 4_096];
                let read = stream.read(&mut head).await.unwrap_or(0);
                let head = String::from_utf8_lossy(&head[..read]);
                let asked = head.lines().next().unwrap_or_default();
                asked.clone_into(&mut seen.lock().expect("held briefly"));
                let value = answers.lock().expect("held briefly").clone();
                let body = format!(
                    r#"{{"status":"success","data":{{"resultType":"vector","result":[{value}]}}}}"#
                );
                let answer = format!(
                    "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                );
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        Self { url, value, asked }
    }

    fn set(&self, value: &str) {
        value.clone_into(&mut self.value.lock().expect("held briefly"));
    }
}

fn sample(value: &str) -> String {
    format!(r#"{{"metric":{{"job":"gw"}},"value":[1795239396.6,"{value}"]}}"#)
}

async fn with_prometheus(world: &World, url: &str) -> App {
    world.write_fleet("");
    let file = world.path("fleet.toml");
    let text = std::fs::read_to_string(&file).expect("the fleet file");
    std::fs::write(&file, format!("{text}\n[prometheus]\nurl = \"{url}\"\n")).expect("written");
    world.app().await
}

async fn started(app: &App, request: &ActionRequest) -> RunView {
    app.sweep("eu").await.expect("a sweep");
    let plan = app.prepare_plan("eu", request).await.expect("a plan");
    app.start_run("eu", &plan.hash, None).await.expect("a run")
}

async fn until(app: &App, run: &str, wanted: impl Fn(&RunView) -> bool) -> RunView {
    let mut topics = app.subscribe();
    loop {
        let view = app.run(run).await.expect("a run");
        if wanted(&view) {
            return view;
        }
        topics.recv().await.expect("the application is open");
    }
}

#[tokio::test]
async fn a_value_within_its_limit_opens_the_gate_and_one_beyond_it_halts_the_run() {
    let world = World::start(&TWO).await;
    let prometheus = StandIn::start(&sample("0.05")).await;
    let app = with_prometheus(&world, &prometheus.url).await;
    let run = started(&app, &sync_past(query("max(denied)", 50))).await;
    let run = app.finished(&run.id).await.expect("a run");
    assert_eq!((run.phase, run.arrived), (RunPhase::Succeeded, 2), "{run:?}");
    let asked = prometheus.asked.lock().expect("held briefly").clone();
    assert!(asked.starts_with("GET /api/v1/query?query=max%28denied%29&timeout="), "{asked}");

    prometheus.set(&sample("0.0501"));
    let request = ActionRequest {
        version: Some("1.0.0".to_owned()),
        kind: ActionKind::PinAndSync,
        ..sync_past(query("max(denied)", 50))
    };
    let run = started(&app, &request).await;
    let halted = until(&app, &run.id, |run| run.phase == RunPhase::Halted).await;
    let check = &halted.rollout.as_ref().expect("waves").waves[0].checks[0];
    assert_eq!(check.verdict, RunCheckVerdict::NotMet, "{check:?}");
    assert_eq!(halted.arrived, 1, "the second node was not touched");
    app.order_run(&run.id, &RunOrder::Abort).await.expect("aborted");
    app.finished(&run.id).await.expect("a run");
    app.close().await;
}

/// Stands before an agent and says that everything is allowed.
async fn liar(agent: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(agent).await.expect("the agent listens");
            let (mut asks, mut hears) = client.into_split();
            let (mut says, mut is_asked) = server.into_split();
            tokio::spawn(async move { tokio::io::copy(&mut asks, &mut is_asked).await });
            tokio::spawn(async move {
                let mut part = vec![0; 1 << 20];
                while let Ok(read @ 1..) = says.read(&mut part).await {
                    let said = String::from_utf8_lossy(&part[..read]);
                    let said = said.replace(r#""allowed":false"#, r#""allowed": true"#);
                    if hears.write_all(said.as_bytes()).await.is_err() {
                        break;
                    }
                }
            });
        }
    });
    address
}

fn past_decisions() -> GateRequest {
    GateRequest { decisions: true, ..GateRequest::default() }
}

#[tokio::test]
async fn nodes_that_answer_as_their_new_content_does_open_the_gate_and_others_do_not() {
    let world = World::start(&TWO).await;
    let app = world.app().await;
    let run = started(&app, &sync_past(past_decisions())).await;
    let run = app.finished(&run.id).await.expect("a run");
    assert_eq!((run.phase, run.arrived), (RunPhase::Succeeded, 2), "{run:?}");
    app.close().await;

    // The same content behind something that lets everything through.
    let world = World::start(&TWO).await;
    let file = world.path("fleet.toml");
    let text = std::fs::read_to_string(&file).expect("the fleet file");
    let honest = world.agents[0].1.address();
    let text = text.replace(&honest.to_string(), &liar(honest).await.to_string());
    std::fs::write(&file, text).expect("written");
    let app = world.app().await;
    let run = started(&app, &sync_past(past_decisions())).await;
    let halted = until(&app, &run.id, |run| run.phase == RunPhase::Halted).await;
    let check = &halted.rollout.as_ref().expect("waves").waves[0].checks[0];
    assert_eq!(check.verdict, RunCheckVerdict::NotMet, "{check:?}");
    assert!(check.detail.ends_with("of at most 0"), "{check:?}");
    assert_eq!(halted.arrived, 1, "the second node was not touched");
    app.order_run(&run.id, &RunOrder::Abort).await.expect("aborted");
    app.finished(&run.id).await.expect("a run");
    app.close().await;
}

#[tokio::test]
async fn no_data_opens_no_gate_and_says_why() {
    for (value, why) in [
        (String::new(), "found no series"),
        (sample("NaN"), "which is no number"),
        (format!("{},{}", sample("0"), sample("0")), "found 2 series"),
    ] {
        // What was rolled back is refused afterwards, so each goes on a fleet of its own.
        let world = World::start(&TWO).await;
        let prometheus = StandIn::start(&value).await;
        let app = with_prometheus(&world, &prometheus.url).await;
        let run = started(&app, &sync_past(query("max(denied)", 50))).await;
        let waits = until(&app, &run.id, |run| {
            let rollout = run.rollout.as_ref().expect("waves");
            rollout.waves[0].checks.first().is_some_and(|check| !check.detail.is_empty())
        })
        .await;
        let check = &waits.rollout.as_ref().expect("waves").waves[0].checks[0];
        assert_eq!(check.verdict, RunCheckVerdict::Unknown, "{check:?}");
        assert!(check.detail.contains(why), "{check:?}");
        app.order_run(&run.id, &RunOrder::RollBack { reason: "no data".to_owned() })
            .await
            .expect("brought back");
        app.finished(&run.id).await.expect("a run");
        app.close().await;
    }
}

#[tokio::test]
async fn a_plan_with_every_gate_is_kept_and_made_again() {
    let world = World::start(&TWO).await;
    let prometheus = StandIn::start(&sample("0")).await;
    let app = with_prometheus(&world, &prometheus.url).await;
    app.sweep("eu").await.expect("a sweep");
    let gate = GateRequest {
        convergence_percent: Some(100),
        errors_ppm: Some(500),
        p95_us: Some(20_000),
        decisions: true,
        attest: Some("its answers".to_owned()),
        soak_s: 3,
        ..query("max(denied)", -1_500)
    };
    let plan = app.prepare_plan("eu", &sync_past(gate)).await.expect("a plan");
    let rollout = plan.rollout.as_ref().expect("waves");
    assert_eq!(
        rollout.waves[0].gate,
        [
            "every node runs the content wanted",
            "at most 500 errors in a million decisions",
            "95 % of decisions within 20000 us",
            "changed nodes answer as their new content does",
            "max(denied) is at most -1.5",
            "somebody attests: its answers",
        ]
    );
    let again = app.prepare_kept("eu", &plan.hash).await.expect("the same plan");
    assert_eq!((&again.hash, &again.cli), (&plan.hash, &plan.cli));
    assert!(plan.cli.contains("--gate-prometheus 'max(denied) <= -1.5'"), "{}", plan.cli);
    app.close().await;

    // Where the fleet file names no Prometheus, such a gate could never open.
    world.write_fleet("");
    let app = world.app().await;
    app.sweep("eu").await.expect("a sweep");
    let request = sync_past(query("max(denied)", 0));
    let error = app.prepare_plan("eu", &request).await.expect_err("no Prometheus");
    assert!(error.message.contains("the fleet file names none"), "{error:?}");
    app.close().await;
}

#[tokio::test]
async fn decisions_that_take_long_are_told_by_the_nodes_themselves() {
    let world = World::start(&TWO).await;
    let app = world.app().await;
    let gate = GateRequest { p95_us: Some(1), ..GateRequest::default() };
    let run = started(&app, &sync_past(gate)).await;
    let detail = |run: &RunView| {
        let rollout = run.rollout.as_ref().expect("waves");
        rollout.waves[0].checks.first().map(|check| check.detail.clone()).unwrap_or_default()
    };
    let quiet = until(&app, &run.id, |run| !detail(run).is_empty()).await;
    assert!(detail(&quiet).contains("no decision was counted since the wave began"), "{quiet:?}");
    // One decision, which no node answers within a microsecond.
    for (_, agent) in &world.agents {
        decide(&agent.address().to_string()).await;
    }
    let halted = until(&app, &run.id, |run| run.phase == RunPhase::Halted).await;
    let check = &halted.rollout.as_ref().expect("waves").waves[0].checks[0];
    assert_eq!(check.verdict, RunCheckVerdict::NotMet, "{check:?}");
    app.order_run(&run.id, &RunOrder::Abort).await.expect("aborted");
    app.finished(&run.id).await.expect("a run");
    app.close().await;
}

async fn decide(address: &str) {
    let mut stream = TcpStream::connect(address).await.expect("an agent");
    let body = r#"{"input":{"action":"payments.read"}}"#;
    let request = format!(
        "POST /evaluate HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("answered");
    assert!(answer.starts_with(b"HTTP/1.1 "), "it is HTTP");
}
