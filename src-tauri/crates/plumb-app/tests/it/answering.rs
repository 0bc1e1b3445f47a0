//! A plan that waits for consent, found in sealed evidence and answered on another machine without a network.

use std::{
    fs,
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use camino::Utf8PathBuf;
use plumb_app::{
    App,
    actions::approve::{Answer, Answering},
    console::{Console, Named},
    error::Code,
    queries::evidence::evidence_trust_of,
    request_in_evidence,
    views::{plan::NodeSelection, run::RunPhase, shell::Mode},
};
use serde_json::Value;

use crate::{
    company::{Company, console_of_rick},
    consent::{answer, key, ruled},
    opened::{forged, reviewer},
    world::{World, sealed_evidence, sync_drifted},
};

const TWO: [(&str, &str); 2] = [("gw-1", "v1.signed.json"), ("gw-2", "v1.signed.json")];

/// Asks for consent to a plan over some nodes.
async fn asked(world: &World, app: &App, nodes: &[&str]) -> String {
    let ids = nodes.iter().map(|&node| node.to_owned()).collect();
    let mut request = sync_drifted();
    request.nodes = NodeSelection::Nodes { ids };
    let plan = app.prepare_plan("eu", &request).await.expect("a plan");
    let file = world.path(&format!("request-{}.json", nodes.len())).into_string();
    app.ask_for_approval("eu", &plan.hash, key(world, "avery"), &file).await.expect("asked");
    plan.hash
}

/// A reviewer who got the root key of the roster by another way.
async fn opened(world: &World, path: &Utf8PathBuf) -> Console {
    let console = reviewer(world).await;
    let named = Named { keys: Vec::new(), roots: vec![world.path("vault.pem")] };
    let opened = console.open_evidence(path, &named).await.expect("opened");
    assert_eq!(opened.refused, None, "{opened:?}");
    // What was named for an archive is remembered with it.
    let again = console.open_evidence(path, &Named::default()).await.expect("opened");
    assert_eq!(again.verdict.checks, opened.verdict.checks);
    assert_eq!(console.front().shell().await.expect("a frame").mode, Mode::Evidence);
    console
}

#[tokio::test]
async fn an_approver_signs_a_plan_that_is_found_in_evidence_and_the_first_machine_carries_it_out() {
    let world = World::start(&TWO).await;
    let app = ruled(&world).await;
    let plan = asked(&world, &app, &["gw-1"]).await;
    let path = sealed_evidence(&world, &app, None, false).await;

    let console = opened(&world, &path).await;
    let front = console.front();
    let waiting = front.waiting_plans("eu").await.expect("plans");
    assert_eq!(waiting.iter().map(|one| one.plan.as_str()).collect::<Vec<_>>(), [plan.as_str()]);
    assert_eq!((waiting[0].consented, waiting[0].requester.as_str()), (false, "avery"));
    let shown = console.evidence_request(&plan).await.expect("a request");
    assert!(shown.request.problems.is_empty(), "{:?}", shown.request.problems);
    assert_eq!((shown.request.targets, shown.roles.as_slice()), (1, &["storage".to_owned()][..]));
    assert!(shown.request.changes[0].contains("from 1.0.0"), "{:?}", shown.request.changes);
    let reply = world.path("reply.json").into_string();
    let other = console
        .answer_evidence_request(
            (&"0".repeat(64), &shown.digest),
            answer(&world, "robin", None),
            &reply,
        )
        .await
        .expect_err("no such plan");
    assert_eq!(other.code, Code::NotFound);
    // Another archive may have come before it meanwhile, with another request for the same plan.
    let swapped = console
        .answer_evidence_request((&plan, &"0".repeat(64)), answer(&world, "robin", None), &reply)
        .await
        .expect_err("not what was shown");
    assert_eq!(swapped.code, Code::Outdated);
    assert!(!world.path("reply.json").exists(), "nothing was signed");
    let signed = console
        .answer_evidence_request((&plan, &shown.digest), answer(&world, "robin", None), &reply)
        .await
        .expect("signed");
    assert_eq!((signed.person.as_str(), signed.act.as_str()), ("robin", "approve"));
    // That is all that can be done here: nothing is kept, and nothing starts, of fleets behind the evidence neither.
    let behind = console.live().start_run("eu", &plan, None).await.expect_err("off the network");
    assert!(behind.message.starts_with("evidence is open"), "{}", behind.message);
    front.start_run("eu", &plan, None).await.expect_err("evidence starts nothing");
    front.add_approval_file("eu", &reply).await.expect_err("evidence is read-only");
    console.close().await;

    let early = app.start_run("eu", &plan, None).await.expect_err("nobody was told yet");
    assert!(early.message.contains("missing 1 of storage"), "{}", early.message);
    assert_eq!(app.add_approval_file("eu", &reply).await.expect("added"), plan);
    let run = app.start_run("eu", &plan, None).await.expect("a run");
    let run = app.finished(&run.id).await.expect("a run");
    assert_eq!((run.phase, run.bypassed.len()), (RunPhase::Succeeded, 0), "{run:?}");
    app.close().await;
}

#[tokio::test]
async fn nobody_signs_by_a_roster_that_only_the_archive_vouches_for() {
    let world = World::start(&TWO).await;
    let app = ruled(&world).await;
    let plan = asked(&world, &app, &["gw-1"]).await;
    let path = sealed_evidence(&world, &app, None, false).await;
    let console = reviewer(&world).await;
    console.open_evidence(&path, &Named::default()).await.expect("opened");
    let shown = console.evidence_request(&plan).await.expect("a request");
    assert_eq!(shown.request.problems, ["no roster is enrolled for fleet eu"]);
    let reply = world.path("reply.json").into_string();
    let refused = console
        .answer_evidence_request((&plan, &shown.digest), answer(&world, "robin", None), &reply)
        .await;
    refused.expect_err("nobody here vouches for the roster");
    assert!(!world.path("reply.json").exists());
    console.close().await;
    app.close().await;
}

#[tokio::test]
async fn a_request_with_another_plan_in_it_is_not_answered() {
    let world = World::start(&TWO).await;
    let app = ruled(&world).await;
    let (small, large) =
        (asked(&world, &app, &["gw-1"]).await, asked(&world, &app, &["gw-1", "gw-2"]).await);
    sealed_evidence(&world, &app, None, false).await;
    app.close().await;
    let read = |n: usize| -> Value {
        let text = fs::read(world.path(&format!("request-{n}.json"))).expect("a request");
        serde_json::from_slice(&text).expect("JSON")
    };
    let mut swapped = read(1);
    swapped["plan"] = read(2)["plan"].clone();
    let bytes = serde_json::to_vec(&swapped).expect("JSON");

    // Under the name of the plan that was asked for, it is not even shown.
    let name_of = |plan: &str| format!("requests/{plan}/request.json");
    let path = forged(&world, |name, old| {
        let new = if name == name_of(&small) { bytes.clone() } else { old };
        (name.to_owned(), new)
    });
    let console = reviewer(&world).await;
    let opened_as = console.open_evidence(&path, &Named::default()).await.expect("an answer");
    let refused = opened_as.refused.expect("it is refused");
    assert!(refused.ends_with("it is about another plan than its name says"), "{refused}");
    console.close().await;

    // Under its own name it is shown with what is wrong, and is not signed.
    fs::remove_dir_all(world.path("forged")).expect("removed");
    fs::remove_file(&path).expect("removed");
    let path = forged(&world, |name, old| {
        let new = if name == name_of(&large) { bytes.clone() } else { old };
        (name.to_owned(), new)
    });
    let console = opened(&world, &path).await;
    let shown = console.evidence_request(&large).await.expect("a request");
    assert_eq!(shown.request.problems[0], "its requester signed something else");
    let reply = world.path("reply.json").into_string();
    let refused = console
        .answer_evidence_request((&large, &shown.digest), answer(&world, "robin", None), &reply)
        .await
        .expect_err("it is not what was asked for");
    assert_eq!(refused.message, "its requester signed something else");
    assert!(!world.path("reply.json").exists(), "nothing was signed");
    console.close().await;
}

#[tokio::test]
async fn a_terminal_takes_the_request_out_of_evidence_that_holds() {
    let world = World::start(&TWO).await;
    let app = ruled(&world).await;
    let small = asked(&world, &app, &["gw-1"]).await;
    let large = asked(&world, &app, &["gw-1", "gw-2"]).await;
    let path = sealed_evidence(&world, &app, None, false).await;
    app.close().await;
    let trust = || evidence_trust_of(&[], &[], Vec::new()).expect("nobody");
    let several = request_in_evidence(&path, trust(), None).await.expect_err("there are two");
    assert!(several.message.contains("2 requests"), "{}", several.message);
    let found = request_in_evidence(&path, trust(), Some(&small)).await.expect("a request");
    assert!(found.signer_unknown);
    assert_eq!(found.bytes, fs::read(world.path("request-1.json")).expect("a request"));
    let none = request_in_evidence(&path, trust(), Some(&"0".repeat(64))).await;
    none.expect_err("no such plan");
    let mut bytes = fs::read(&path).expect("readable");
    let name = format!("requests/{large}/request.json").into_bytes();
    let at = bytes.windows(name.len()).position(|window| window == name).expect("a header");
    bytes[at + name.len() + 8] ^= 1;
    fs::write(&path, bytes).expect("written");
    let broken = request_in_evidence(&path, trust(), Some(&small)).await.expect_err("altered");
    assert!(broken.message.contains("a promise is broken"), "{}", broken.message);
}

#[tokio::test]
async fn an_answer_that_leaves_as_a_file_is_sent_to_nobody() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let hub = listener.local_addr().expect("an address");
    let heard = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&heard);
    // Every caller is hung up on, and counted.
    std::thread::spawn(move || {
        for _ in listener.incoming() {
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    let world = World::start(&TWO).await;
    world.write_fleet(&format!("hub = {{ url = \"http://{hub}\" }}"));
    let app = console_of_rick(&world).await;
    let company = Company::found(&world, &app, |_| {}).await;
    app.sweep("eu").await.expect("a sweep");
    let plan = app.prepare_plan("eu", &sync_drifted()).await.expect("a plan").hash;
    let (request, _) = company.ask(&app, &plan).await;
    let answering =
        Answering { answer: Answer::Approve, role: None, valid_h: None, key: company.key("mara") };
    let before = heard.load(Ordering::SeqCst);
    app.answer_as_file(&request, &answering).await.expect("answered");
    assert_eq!(heard.load(Ordering::SeqCst), before, "a file goes its own way");
    app.answer_request(&request, &answering).await.expect("answered");
    assert!(heard.load(Ordering::SeqCst) > before, "the mailbox of the hub was tried");
    app.close().await;
}
