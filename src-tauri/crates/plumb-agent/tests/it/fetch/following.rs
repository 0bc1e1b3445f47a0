//! Poll, long poll and push against the real hub: a published pack is in force, by one queue.

use std::time::Duration;

use plumb_agent::fetch::{ClientTls, Ended, FetchMode, FetchTrigger, Fetcher};
use plumb_fleet::Digest;
use plumb_hub::{HubConfig, RunningHub, publish, serve_packs};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;

use crate::fetch::world::{ID, Vouching, World, attest, tar, until};

async fn hub(folder: &TempDir) -> RunningHub {
    serve_packs(HubConfig::new(folder.path())).await.expect("the hub starts")
}

fn put(folder: &TempDir, allow: &str) -> Digest {
    let tar = tar(allow);
    let attestation = attest(&tar, Vouching::default());
    publish(folder.path(), ID, &tar, Some(&attestation)).expect("published")
}

async fn in_force(fetcher: &Fetcher, digest: Digest) -> FetchTrigger {
    let status = until(fetcher, |status| {
        status.active.as_ref().is_some_and(|active| active.digest == digest)
            && status.last.as_ref().is_some_and(|last| last.result == Ended::Activated)
    });
    status.await.last.expect("an attempt").trigger
}

/// Nothing but the mode brings the newer packs: the interval is a day.
async fn check(mode: FetchMode, by: FetchTrigger) {
    let (world, folder) = (World::new(), TempDir::new().expect("a folder"));
    let first = put(&folder, "true");
    let hub = hub(&folder).await;
    let mut config = world.config(&hub.pack_url(ID));
    config.mode = mode;
    let fetcher = world.start(config).await;
    in_force(&fetcher, first).await;
    for allow in ["false", "null", "true"] {
        let digest = put(&folder, allow);
        assert_eq!(in_force(&fetcher, digest).await, by);
        assert_eq!(world.engine.answers_by(), Some(digest));
    }
    assert_eq!(world.engine.taken(), 4, "each pack once");
    // A hub that goes away while somebody waits is no reason to hang.
    hub.shutdown().await;
    fetcher.shutdown().await;
}

#[tokio::test]
async fn a_long_poll_brings_each_new_pack() {
    check(FetchMode::LongPoll, FetchTrigger::LongPoll).await;
}

#[tokio::test]
async fn a_push_brings_each_new_pack() {
    check(FetchMode::Push, FetchTrigger::Push).await;
}

/// R164.
#[tokio::test]
async fn polls_bring_each_new_pack() {
    let (world, folder) = (World::new(), TempDir::new().expect("a folder"));
    let first = put(&folder, "true");
    let hub = hub(&folder).await;
    let mut config = world.config(&hub.pack_url(ID));
    config.interval = Duration::from_secs(1);
    let fetcher = world.start(config).await;
    in_force(&fetcher, first).await;
    let second = put(&folder, "false");
    assert_eq!(in_force(&fetcher, second).await, FetchTrigger::Poll);
    fetcher.shutdown().await;
    hub.shutdown().await;
}

#[tokio::test]
async fn a_certificate_or_a_token_opens_a_hub_with_tls() {
    let (world, folder) = (World::new(), TempDir::new().expect("a folder"));
    put(&folder, "true");
    let mut ca = CertificateParams::new(Vec::new()).expect("parameters");
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate().expect("a key")).expect("a CA");
    let certs = TempDir::new().expect("a folder");
    let place = |name: &str, text: String| {
        let path = certs.path().join(name);
        std::fs::write(&path, text).expect("writable");
        path
    };
    let leaf = |name: &str, host: &str| {
        let key = KeyPair::generate().expect("a key");
        let leaf = CertificateParams::new([host.to_owned()]).expect("parameters");
        let leaf = leaf.signed_by(&key, &ca).expect("signed");
        ClientTls {
            certificate: place(&format!("{name}.pem"), leaf.pem()),
            key: place(&format!("{name}.key"), key.serialize_pem()),
        }
    };
    let ca_file = place("ca.pem", ca.pem());
    let (server, client) = (leaf("server", "127.0.0.1"), leaf("client", "agent"));
    let mut config = HubConfig::new(folder.path());
    config.token = Some("let-me-read".to_owned().into());
    config.tls = Some(plumb_agent::TlsConfig {
        certificate: server.certificate,
        key: server.key,
        client_ca: Some(ca_file.clone()),
    });
    let hub = serve_packs(config).await.expect("the hub starts");
    let mut config = world.config(&hub.pack_url(ID));
    config.ca = Some(ca_file);
    let attempt = async |config| {
        let fetcher = world.start(config).await;
        let attempt = fetcher.look().await.expect("asked");
        fetcher.shutdown().await;
        (attempt.result, attempt.cause.map(plumb_agent::fetch::Cause::as_str))
    };
    assert_eq!(attempt(config.clone()).await, (Ended::Failed, Some("unauthorized")));
    let mut wrong = config.clone();
    wrong.token = Some("let-me-in".to_owned().into());
    assert_eq!(attempt(wrong).await, (Ended::Failed, Some("unauthorized")));
    let mut stranger = config.clone();
    stranger.ca = None;
    assert_eq!(attempt(stranger).await, (Ended::Failed, Some("registry_down")));
    let mut certified = config.clone();
    certified.client_tls = Some(client);
    assert_eq!(attempt(certified).await, (Ended::Activated, None));
    config.token = Some("let-me-read".to_owned().into());
    assert_eq!(attempt(config).await, (Ended::Current, None));
    hub.shutdown().await;
}
