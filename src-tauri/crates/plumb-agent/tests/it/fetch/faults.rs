//! Every way a registry, a signer or an engine can fail: what was good before keeps answering, and the
//! cause is seen everywhere a person looks.

use plumb_agent::fetch::{Cause, Ended, FetchError, Fetcher, StoreError};
use plumb_fleet::Digest;

use crate::fetch::{
    registry::{Registry, Script},
    world::{ID, Reaction, Vouching, World, attest, tar, tar_named},
};

async fn with_a_good_pack(world: &World) -> (Registry, Fetcher) {
    let registry = Registry::start(Script::honest(&tar("true"))).await;
    let fetcher = world.start(world.config(registry.url())).await;
    let attempt = fetcher.look().await.expect("asked");
    assert_eq!(attempt.result, Ended::Activated, "{attempt:?}");
    (registry, fetcher)
}

/// After a good pack the registry answers so: it is refused for this cause, and nothing else changes.
async fn check(script: Script, cause: Cause) {
    let world = World::new();
    let (registry, mut fetcher) = with_a_good_pack(&world).await;
    let mut alerts = fetcher.alerts().expect("not taken");
    registry.answer(script);
    let attempt = fetcher.look().await.expect("asked");
    assert_eq!((attempt.result, attempt.cause), (Ended::Failed, Some(cause)), "{attempt:?}");
    let good = Digest::of(&tar("true"));
    assert_eq!(world.engine.answers_by(), Some(good));
    assert_eq!(world.engine.taken(), 1, "the engine never saw the other");
    assert_eq!(fetcher.failures(cause), 1);
    assert_eq!(fetcher.failures(cause), 1);
    assert!(world.log().contains(&attempt.correlation), "{}", world.log());
    let status = fetcher.status().borrow().clone();
    assert_eq!(status.active.as_ref().map(|active| active.digest), Some(good));
    assert_eq!(status.consecutive_failures, 1);
    let line = world.audit().lines().last().expect("a line").to_owned();
    assert!(line.contains(&attempt.correlation) && line.contains(cause.as_str()), "{line}");
    match alerts.try_recv() {
        Ok(alert) => assert_eq!((alert.kind, alert.correlation), (cause, attempt.correlation)),
        Err(_) => assert!(cause.severity() == plumb_agent::fetch::Severity::Passing),
    }
    fetcher.shutdown().await;
    // A restart finds the good one, without the registry.
    registry.answer(Script::status(500, &[]));
    let fetcher = world.start(world.config(registry.url())).await;
    assert_eq!(world.engine.answers_by(), Some(good));
    assert!(!fetcher.status().borrow().fallback);
    // And an honest answer ends it.
    registry.answer(Script::honest(&tar("false")));
    let attempt = fetcher.look().await.expect("asked");
    assert_eq!(attempt.result, Ended::Activated, "{attempt:?}");
    assert_eq!(world.engine.answers_by(), Some(Digest::of(&tar("false"))));
    assert_eq!(fetcher.status().borrow().consecutive_failures, 0);
    fetcher.shutdown().await;
}

fn newer() -> Vec<u8> {
    tar("false")
}

/// R171, R178, R190.
#[tokio::test]
async fn a_digest_that_is_not_the_packs() {
    let other = format!("sha-256={}", Digest::of(b"other"));
    check(Script::honest(&newer()).with("digest", Some(&other)), Cause::DigestMismatch).await;
}

#[tokio::test]
async fn no_digest_at_all() {
    check(Script::honest(&newer()).with("digest", None), Cause::NoDigest).await;
}

#[tokio::test]
async fn an_etag_that_lies() {
    let old = format!("W/\"sha-256:{}\"", Digest::of(&tar("true")));
    let mut script = Script::honest(&newer()).with("etag", Some(&old));
    script.deaf = true;
    check(script, Cause::EtagLies).await;
}

/// The registry keeps the old ETag over new content: told apart by the digest beside "not modified".
#[tokio::test]
async fn an_etag_that_stands_still() {
    let old = format!("W/\"sha-256:{}\"", Digest::of(&tar("true")));
    check(Script::honest(&newer()).with("etag", Some(&old)), Cause::EtagLies).await;
}

#[tokio::test]
async fn no_attestation() {
    for status in [404, 503] {
        let mut script = Script::honest(&newer());
        script.attestation = Err(status);
        check(script, Cause::Unsigned).await;
    }
}

#[tokio::test]
async fn an_attestation_that_was_replaced_meanwhile() {
    let mut script = Script::honest(&newer());
    script.attestation_etag = Some(format!("W/\"sha-256:{}\"", Digest::of(b"newest")));
    check(script, Cause::AttestationOfOther).await;
}

/// R171.
#[tokio::test]
async fn a_signature_over_another_pack() {
    let other = attest(&tar("null"), Vouching::default());
    check(Script::vouched(&newer(), other), Cause::BadSignature).await;
}

#[tokio::test]
async fn a_signature_by_a_stranger() {
    let by = Vouching { stranger: true, ..Vouching::default() };
    check(Script::vouched(&newer(), attest(&newer(), by)), Cause::BadSignature).await;
}

#[tokio::test]
async fn a_signature_by_somebody_else_we_know() {
    let by = Vouching { issuer: "Marketing", ..Vouching::default() };
    check(Script::vouched(&newer(), attest(&newer(), by)), Cause::WrongIdentity).await;
}

#[tokio::test]
async fn a_signature_that_expired() {
    let by = Vouching { until: "2026-11-19T00:00:00Z", ..Vouching::default() };
    check(Script::vouched(&newer(), attest(&newer(), by)), Cause::Expired).await;
}

#[tokio::test]
async fn an_attestation_that_is_garbage() {
    check(Script::vouched(&newer(), b"{".to_vec()), Cause::BadSignature).await;
}

#[tokio::test]
async fn a_body_that_is_cut_short() {
    let mut script = Script::honest(&newer());
    script.cut_after = Some(700);
    check(script, Cause::Truncated).await;
}

#[tokio::test]
async fn a_signed_pack_that_is_no_archive() {
    check(Script::honest(b"signed, but no tar"), Cause::Unpack).await;
}

#[tokio::test]
async fn a_signed_pack_of_another_name() {
    check(Script::honest(&tar_named("other-pack", "true")), Cause::WrongPack).await;
}

#[tokio::test]
async fn a_redirect() {
    let script = Script::status(302, &[("location", "http://127.0.0.1:1/")]);
    check(script, Cause::Unexpected).await;
}

#[tokio::test]
async fn refusals_of_the_registry() {
    for (status, cause) in [
        (401, Cause::Unauthorized),
        (404, Cause::UnknownPack),
        (429, Cause::Throttled),
        (503, Cause::RegistryError),
        (418, Cause::Unexpected),
    ] {
        check(Script::status(status, &[]), cause).await;
    }
}

#[tokio::test]
async fn a_pack_larger_than_allowed_is_not_read() {
    let mut script = Script::status(200, &[("content-length", "999999999999")]);
    script.endless = true;
    check(script, Cause::TooLarge).await;
}

#[tokio::test]
async fn not_modified_without_a_condition() {
    let world = World::new();
    let registry = Registry::start(Script::status(304, &[])).await;
    let fetcher = world.start(world.config(registry.url())).await;
    let attempt = fetcher.look().await.expect("asked");
    assert_eq!(attempt.cause, Some(Cause::NotModifiedWithoutCache));
    assert_eq!(world.engine.answers_by(), None);
    registry.answer(Script::honest(&tar("true")));
    assert_eq!(fetcher.look().await.expect("asked").result, Ended::Activated);
    fetcher.shutdown().await;
}

/// R169, R170, R189.
#[tokio::test]
async fn what_is_held_is_asked_for_by_its_etag_also_after_a_restart() {
    let world = World::new();
    let (registry, fetcher) = with_a_good_pack(&world).await;
    let attempt = fetcher.look().await.expect("asked");
    assert_eq!(attempt.result, Ended::Current);
    fetcher.shutdown().await;
    let fetcher = world.start(world.config(registry.url())).await;
    assert_eq!(fetcher.look().await.expect("asked").result, Ended::Current);
    let asked = registry.asked();
    let etag = format!("W/\"sha-256:{}\"", Digest::of(&tar("true")));
    let conditions: Vec<_> = asked.iter().map(|headers| headers.get("if-none-match")).collect();
    assert_eq!(conditions[0], None);
    assert_eq!(conditions[1].expect("a condition"), etag.as_str());
    assert_eq!(conditions.last().expect("asked").expect("a condition"), etag.as_str());
    let mut ids: Vec<_> = asked.iter().map(|headers| headers["x-correlation-id"].clone()).collect();
    ids.sort_by_key(|id| id.as_bytes().to_vec());
    ids.dedup();
    assert_eq!(ids.len(), asked.len(), "each fetch has its own id");
    fetcher.shutdown().await;
}

#[tokio::test]
async fn retry_after_is_honoured_whoever_asks() {
    // Seconds, and a moment five minutes after the clock's.
    for retry_after in ["120", "Fri, 20 Nov 2026 08:05:00 GMT"] {
        let world = World::new();
        let (registry, fetcher) = with_a_good_pack(&world).await;
        registry.answer(Script::status(503, &[("retry-after", retry_after)]));
        let attempt = fetcher.look().await.expect("asked");
        assert_eq!(attempt.cause, Some(Cause::RegistryError));
        let asked = registry.asked().len();
        registry.answer(Script::honest(&newer()));
        assert_eq!(fetcher.look().await, None, "{retry_after}");
        assert_eq!(registry.asked().len(), asked);
        fetcher.shutdown().await;
    }
}

/// R206.
#[tokio::test]
async fn the_audit_log_is_bounded_and_a_torn_line_costs_only_itself() {
    let world = World::new();
    let path = world.folder.path().join("audit.jsonl");
    std::fs::write(&path, b"{\"torn").expect("writable");
    let (registry, fetcher) = with_a_good_pack(&world).await;
    let lines = world.audit();
    let mut lines = lines.lines();
    assert_eq!(lines.next(), Some("{\"torn"));
    let line: serde_json::Value =
        serde_json::from_str(lines.next().expect("a line")).expect("JSON");
    assert_eq!((&line["result"], &line["pack"]), (&"activated".into(), &ID.into()));
    assert_eq!(line["digest"], Digest::of(&tar("true")).to_hex());
    assert_eq!(line["carried_by"], "signer");
    std::fs::write(&path, vec![b'x'; 8 << 20]).expect("writable");
    fetcher.look().await.expect("asked");
    assert_eq!(world.audit().lines().count(), 1);
    let older = world.folder.path().join("audit.older.jsonl");
    assert_eq!(std::fs::metadata(older).expect("set aside").len(), 8 << 20);
    drop(registry);
    fetcher.shutdown().await;
}

/// What cannot be written down is counted, and policies are fetched all the same.
#[tokio::test]
async fn an_audit_log_that_cannot_be_written_stops_nothing() {
    let world = World::new();
    std::fs::create_dir(world.folder.path().join("audit.jsonl")).expect("a folder in the way");
    let (_registry, fetcher) = with_a_good_pack(&world).await;
    assert_eq!(fetcher.lost(), (0, 1));
    assert!(world.log().contains("audit log of fetches cannot be written"), "{}", world.log());
    fetcher.shutdown().await;
}

#[tokio::test]
async fn a_pack_the_engine_does_not_take() {
    for (reaction, cause) in
        [(Reaction::Refuse, Cause::ActivationRefused), (Reaction::Panic, Cause::ActivationRefused)]
    {
        let world = World::new();
        let (registry, fetcher) = with_a_good_pack(&world).await;
        world.engine.react(&newer(), reaction);
        registry.answer(Script::honest(&newer()));
        let attempt = fetcher.look().await.expect("asked");
        assert_eq!(attempt.cause, Some(cause), "{attempt:?}");
        assert!(fetcher.status().borrow().fallback);
        assert!(world.log().contains("Hot-reload failed: "), "{}", world.log());
        fetcher.shutdown().await;
        let fetcher = world.start(world.config(registry.url())).await;
        assert_eq!(world.engine.answers_by(), Some(Digest::of(&tar("true"))));
        assert_eq!(world.engine.taken(), 2);
        fetcher.shutdown().await;
    }
}

#[tokio::test]
async fn a_damaged_active_pack_leaves_last_known_good() {
    let world = World::new();
    let (registry, fetcher) = with_a_good_pack(&world).await;
    registry.answer(Script::honest(&newer()));
    assert_eq!(fetcher.look().await.expect("asked").result, Ended::Activated);
    fetcher.shutdown().await;
    let active = world.folder.path().join("active");
    let bytes = std::fs::read(&active).expect("readable");
    std::fs::write(&active, &bytes[..bytes.len() / 2]).expect("writable");
    registry.answer(Script::status(500, &[]));
    let fetcher = world.start(world.config(registry.url())).await;
    assert_eq!(world.engine.answers_by(), Some(Digest::of(&tar("true"))));
    assert!(fetcher.status().borrow().fallback);
    assert_eq!(fetcher.failures(Cause::Disk), 1);
    assert!(fetcher.status().borrow().fallback);
    fetcher.shutdown().await;
}

#[tokio::test]
async fn a_clock_that_jumped_by_a_year() {
    let world = World::new();
    let (registry, fetcher) = with_a_good_pack(&world).await;
    world.set_clock("2027-11-20T08:00:00Z");
    registry.answer(Script::honest(&newer()));
    assert_eq!(fetcher.look().await.expect("asked").cause, Some(Cause::Expired));
    assert_eq!(world.engine.answers_by(), Some(Digest::of(&tar("true"))));
    fetcher.shutdown().await;
    // Not even a restart takes the good pack away.
    let fetcher = world.start(world.config(registry.url())).await;
    assert_eq!(
        (world.engine.taken(), world.engine.answers_by()),
        (2, Some(Digest::of(&tar("true"))))
    );
    assert!(world.log().contains("is trusted as of 2026-11-20T08:00:00Z"), "{}", world.log());
    // Back, and further than it ever was.
    for at in ["2026-11-20T09:00:00Z", "2025-11-20T08:00:00Z"] {
        world.set_clock(at);
        let attempt = fetcher.look().await.expect("asked");
        assert_ne!(attempt.result, Ended::Failed, "{attempt:?}");
        let age = fetcher.status().borrow().digest_age_s(world.clock().now());
        assert_eq!(age, Some(0.0));
    }
    assert_eq!(world.engine.answers_by(), Some(Digest::of(&newer())));
    fetcher.shutdown().await;
}

/// R217.
#[tokio::test]
async fn two_agents_on_one_folder() {
    let world = World::new();
    let (registry, fetcher) = with_a_good_pack(&world).await;
    let source = plumb_agent::fetch::HttpSource::new(&world.config(registry.url()), world.clock());
    let parts = world.parts(std::sync::Arc::new(source.expect("a client")));
    let refused = Fetcher::start(world.config(registry.url()), parts).await.expect_err("locked");
    assert!(matches!(refused, FetchError::Store(StoreError::InUse { .. })), "{refused}");
    assert!(refused.to_string().contains("give each agent a folder of its own"), "{refused}");
    fetcher.shutdown().await;
    world.start(world.config(registry.url())).await.shutdown().await;
}

/// The help has a line for each cause, and for no other.
/// R207.
#[test]
fn the_help_says_what_to_do_about_each_cause() {
    let help = include_str!("../../../../../../assets/help/policy-packs.md");
    let (_, matrix) = help.split_once("| Cause |").expect("a matrix");
    let (matrix, _) = matrix.split_once("\n\n").expect("it ends");
    let cells = matrix.lines().skip(2).filter_map(|line| line.split('|').nth(1));
    let mut told: Vec<&str> = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    let mut known: Vec<&str> = Cause::ALL.iter().map(|cause| cause.as_str()).collect();
    told.sort_unstable();
    known.sort_unstable();
    assert_eq!(told, known);
}

#[tokio::test]
async fn whoever_counts_is_told_everything_once() {
    let world = World::new();
    let (registry, fetcher) = with_a_good_pack(&world).await;
    assert_eq!(world.take_events(), ["trusted true", "taken true", "Activated -"]);
    fetcher.look().await.expect("asked");
    assert_eq!(world.take_events(), ["Current -"]);
    let by = Vouching { stranger: true, ..Vouching::default() };
    registry.answer(Script::vouched(&newer(), attest(&newer(), by)));
    for fallback in [Some("fallback true"), None] {
        fetcher.look().await.expect("asked");
        let expected: Vec<_> = [Some("trusted false"), fallback, Some("Failed bad_signature")]
            .into_iter()
            .flatten()
            .collect();
        assert_eq!(world.take_events(), expected);
    }
    world.engine.react(&newer(), Reaction::Refuse);
    registry.answer(Script::honest(&newer()));
    fetcher.look().await.expect("asked");
    assert_eq!(world.take_events(), ["trusted true", "taken false", "Failed activation_refused"]);
    registry.answer(Script::honest(&tar("true")));
    fetcher.look().await.expect("asked");
    assert_eq!(world.take_events(), ["fallback false", "Current -"]);
    fetcher.shutdown().await;
    let fetcher = world.start(world.config(registry.url())).await;
    assert_eq!(world.take_events(), ["trusted true", "taken true"]);
    fetcher.shutdown().await;
}

#[tokio::test]
async fn a_failed_fetch_says_which_pack_and_whose_business_it_is() {
    let world = World::new();
    let (registry, mut fetcher) = with_a_good_pack(&world).await;
    let mut alerts = fetcher.alerts().expect("not taken");
    let by = Vouching { stranger: true, ..Vouching::default() };
    registry.answer(Script::vouched(&newer(), attest(&newer(), by)));
    fetcher.look().await.expect("asked");
    let alert = alerts.try_recv().expect("an alert");
    assert_eq!(alert.teams, ["app-engineering", "security"]);
    assert_eq!((alert.pack.as_str(), alert.digest), (ID, Some(Digest::of(&newer()).to_hex())));
    // What may pass is told when it lasts.
    registry.answer(Script::status(500, &[]));
    let mut told = Vec::new();
    for _ in 0..3 {
        fetcher.look().await.expect("asked");
        told.push(alerts.try_recv().ok().map(|alert| alert.kind));
    }
    assert_eq!(told, [None, Some(Cause::RegistryError), Some(Cause::RegistryError)]);
    fetcher.shutdown().await;
}
