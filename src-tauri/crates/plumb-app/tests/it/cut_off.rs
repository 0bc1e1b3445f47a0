//! What is under way when evidence is opened: its connections end, and nothing is made of half of the answers.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use camino::Utf8PathBuf;
use plumb_app::{
    App,
    actions::capture::CaptureRequest,
    console::{Console, Named},
    views::plan::NodeSelection,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
};

use crate::world::{World, page, sealed_evidence, sync_drifted};

/// Longest wait for something that happens at once.
const SOON: Duration = Duration::from_secs(20);

/// A way to a node on which requests may be held back: they arrive, and no answer comes.
struct Way {
    address: SocketAddr,
    seen: Arc<Seen>,
}

struct Seen {
    holds: AtomicBool,
    /// Requests that are held, and connections that are open.
    held: watch::Sender<usize>,
    open: watch::Sender<usize>,
    heard: AtomicUsize,
}

impl Way {
    async fn to(node: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let seen = Arc::new(Seen {
            holds: AtomicBool::new(false),
            held: watch::Sender::new(0),
            open: watch::Sender::new(0),
            heard: AtomicUsize::new(0),
        });
        let of_task = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let seen = Arc::clone(&of_task);
                tokio::spawn(async move {
                    seen.open.send_modify(|open| *open += 1);
                    seen.lead(stream, node).await;
                    seen.open.send_modify(|open| *open -= 1);
                });
            }
        });
        Self { address, seen }
    }

    fn hold(&self, holds: bool) {
        self.seen.holds.store(holds, Ordering::SeqCst);
    }

    async fn a_request_is_held(&self) {
        let mut held = self.seen.held.subscribe();
        let waited = tokio::time::timeout(SOON, held.wait_for(|held| *held > 0)).await;
        waited.expect("in time").expect("it goes on");
    }

    async fn nothing_is_open(&self) {
        let mut open = self.seen.open.subscribe();
        let waited = tokio::time::timeout(SOON, open.wait_for(|open| *open == 0)).await;
        waited.expect("in time").expect("it goes on");
    }

    fn heard(&self) -> usize {
        self.seen.heard.load(Ordering::SeqCst)
    }
}

impl Seen {
    async fn lead(&self, mut client: TcpStream, node: SocketAddr) {
        let mut server = TcpStream::connect(node).await.expect("the node is there");
        let (mut asked, mut said) = (vec![0; 64 << 10], vec![0; 64 << 10]);
        loop {
            tokio::select! {
                read = client.read(&mut asked) => match read {
                    Ok(0) | Err(_) => return,
                    Ok(bytes) => {
                        self.heard.fetch_add(1, Ordering::SeqCst);
                        if self.holds.load(Ordering::SeqCst) {
                            self.held.send_modify(|held| *held += 1);
                        } else if server.write_all(&asked[..bytes]).await.is_err() {
                            return;
                        }
                    }
                },
                read = server.read(&mut said) => match read {
                    Ok(0) | Err(_) => return,
                    Ok(bytes) => if client.write_all(&said[..bytes]).await.is_err() {
                        return;
                    },
                },
            }
        }
    }
}

/// A fleet of one node that is reached over such a way, and evidence of it.
async fn world() -> (World, Way, App, Utf8PathBuf) {
    let world = World::start(&[("gw-1", "v1.signed.json")]).await;
    let node: SocketAddr = world.agents[0].1.address();
    let way = Way::to(node).await;
    let file = world.path("fleet.toml");
    let text = std::fs::read_to_string(&file).expect("readable");
    let text = text.replace(&node.to_string(), &way.address.to_string());
    std::fs::write(&file, text.replace("deadline_s = 2", "deadline_s = 60")).expect("written");
    let app = world.app().await;
    app.sweep("eu").await.expect("a sweep");
    let path = sealed_evidence(&world, &app, None, false).await;
    (world, way, app, path)
}

const OPEN: &str = "evidence is open: no node is asked, and nothing is changed";

#[tokio::test]
async fn a_dry_run_ends_when_evidence_is_opened_and_finds_nothing() {
    let (_world, way, app, path) = world().await;
    let plan = app.prepare_plan("eu", &sync_drifted()).await.expect("a plan").hash;
    way.hold(true);
    let asking = tokio::spawn({
        let (app, plan) = (app.clone(), plan.clone());
        async move { app.dry_run(&plan).await }
    });
    way.a_request_is_held().await;
    let console = Console::new(&app);
    let opened = console.open_evidence(&path, &Named::default()).await.expect("opened");
    assert_eq!(opened.refused, None, "{opened:?}");
    let refused = tokio::time::timeout(SOON, asking).await.expect("in time").expect("no panic");
    assert_eq!(refused.expect_err("half of a dry run is none").message, OPEN);
    way.nothing_is_open().await;
    let heard = way.heard();
    assert_eq!(app.dry_run(&plan).await.expect_err("no node is asked").message, OPEN);
    assert_eq!(way.heard(), heard, "nothing more came");
    assert_eq!(app.newest_dry_run(&plan).await.expect("looked"), None);
    // What the fleet was known to be is not replaced by what nobody heard.
    console.close_evidence().await.expect("back");
    let fleet = app.fleet_overview("eu", &page("")).await.expect("a fleet");
    assert_eq!(fleet.rows[0].version.as_deref(), Some("1.0.0"));
    assert_eq!(fleet.rows[0].failure, None);
    way.hold(false);
    app.dry_run(&plan).await.expect("over new connections");
    console.close().await;
}

#[tokio::test]
async fn a_capture_goes_on_without_the_network_and_lists_what_it_could_not_ask() {
    let (world, way, app, path) = world().await;
    way.hold(true);
    let (request, folder) = (
        CaptureRequest {
            fleet: "eu".to_owned(),
            run: None,
            last_s: None,
            nodes: NodeSelection::All,
            ask: true,
            command: Vec::new(),
            map: None,
            raw: None,
        },
        world.path("second"),
    );
    let console = Console::new(&app);
    let opening = async {
        way.a_request_is_held().await;
        console.open_evidence(&path, &Named::default()).await.expect("opened");
        way.nothing_is_open().await;
    };
    let both = async { tokio::join!(app.capture_evidence(&request, &folder), opening) };
    let (captured, ()) = tokio::time::timeout(SOON, Box::pin(both)).await.expect("in time");
    let missing = captured.expect("captured").missing;
    let why = "evidence is open: nothing is sent to anybody";
    let of_node: Vec<_> = missing.iter().filter(|one| one.what.contains("gw-1")).collect();
    assert!(of_node.iter().any(|one| one.why.contains(why)), "{missing:?}");
    console.close().await;
}
