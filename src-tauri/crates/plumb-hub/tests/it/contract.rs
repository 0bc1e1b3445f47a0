//! The table of the contract, row by row.

use std::{fs, os::unix::fs::symlink};

use plumb_hub::{HubConfig, HubError, build, publish, serve_packs};
use plumb_serve::ExposureError;
use tempfile::TempDir;

use crate::world::{ID, PATH, World, tar};

#[tokio::test]
async fn a_pack_is_served_with_every_header_of_the_contract() {
    let world = World::new();
    let hex = world.publish("true", Some(br#"{"mediaType":"bundle"}"#));
    for method in ["GET", "HEAD"] {
        let reply = world.ask(method, PATH, &[("x-correlation-id", "fetch-1")]).await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.header("content-type"), "application/vnd.intelgraph.policy+tar");
        assert_eq!(reply.header("digest"), format!("sha-256={hex}"));
        assert_eq!(reply.header("etag"), format!("W/\"sha-256:{hex}\""));
        assert_eq!(reply.header("cache-control"), "public, max-age=60, immutable");
        assert_eq!(reply.header("x-cosign-bundle"), r#"{"mediaType":"bundle"}"#);
        assert_eq!(reply.header("x-correlation-id"), "fetch-1");
        assert!(reply.header("last-modified").ends_with(" GMT"), "{:?}", reply.headers);
        assert_eq!(reply.header("content-length"), tar("true").len().to_string());
        let expected = if method == "GET" { tar("true") } else { Vec::new() };
        assert_eq!(reply.body, expected);
    }
}

#[tokio::test]
async fn what_a_reader_has_already_is_not_sent_again() {
    let world = World::new();
    let hex = world.publish("true", None);
    let modified = world.get(PATH, &[]).await.header("last-modified").to_owned();
    let weak = format!("W/\"sha-256:{hex}\"");
    // As registries of ours told it before.
    let earlier = format!("W/\"sha256:{hex}\"");
    let listed = format!("\"other\", \"sha-256:{hex}\"");
    let check = async |headers: &[(&str, &str)], expected: u16| {
        let reply = world.get(PATH, headers).await;
        assert_eq!(reply.status.as_u16(), expected, "{headers:?}");
        if expected == 304 {
            assert_eq!(reply.header("etag"), weak);
            assert_eq!(reply.header("last-modified"), modified);
            assert!(reply.body.is_empty());
        }
    };
    check(&[("if-none-match", &weak)], 304).await;
    check(&[("if-none-match", &listed)], 304).await;
    check(&[("if-none-match", &earlier)], 304).await;
    check(&[("if-none-match", "\"other\"")], 200).await;
    check(&[("if-modified-since", &modified)], 304).await;
    check(&[("if-modified-since", "Thu, 01 Jan 1970 00:00:00 GMT")], 200).await;
    check(&[("if-modified-since", "next week")], 200).await;
    check(&[("if-none-match", "\"other\""), ("if-modified-since", &modified)], 200).await;
}

#[tokio::test]
async fn a_missing_pack_and_a_pack_to_come_are_told_apart() {
    let world = World::new();
    let check = async |path: &str, status: u16, text: &str| {
        let reply = world.get(path, &[]).await;
        assert_eq!((reply.status.as_u16(), reply.text()), (status, text), "{path}");
    };
    check(PATH, 404, r#"{"error":"unknown pack"}"#).await;
    check(&format!("{PATH}/attestation"), 404, r#"{"error":"unknown pack"}"#).await;
    check(&format!("{PATH}/events"), 404, r#"{"error":"unknown pack"}"#).await;
    check("/v1/policy/packs/expected", 503, r#"{"error":"pack not built yet"}"#).await;
    world.publish("true", None);
    check(&format!("{PATH}/attestation"), 503, r#"{"error":"attestation not there yet"}"#).await;
    assert_eq!(world.get("/v1/policy/packs/..%2Fsecret", &[]).await.status, 404);
}

#[tokio::test]
async fn an_attestation_is_that_of_the_pack_served() {
    let world = World::new();
    let hex = world.publish("true", Some(b"{\"one\":1}\n"));
    let path = format!("{PATH}/attestation");
    let reply = world.get(&path, &[]).await;
    assert_eq!(reply.header("content-type"), "application/vnd.sigstore.bundle+json");
    assert_eq!(reply.header("cache-control"), "public, max-age=300");
    assert_eq!(reply.header("etag"), format!("W/\"sha-256:{hex}\""));
    assert_eq!(reply.body, b"{\"one\":1}\n");
    // A pack without one does not get that of the pack before it.
    world.publish("false", None);
    assert_eq!(world.get(&path, &[]).await.status, 503);
    assert_eq!(world.get(PATH, &[]).await.header("x-cosign-bundle"), "-");
    // It may come later, and one that no header can carry is still served.
    let large = format!("{{\"long\":\"{}\"}}", "x".repeat(10_000));
    world.publish("false", Some(large.as_bytes()));
    assert_eq!(world.get(&path, &[]).await.body, large.as_bytes());
    assert_eq!(world.get(PATH, &[]).await.header("x-cosign-bundle"), "-");
}

#[tokio::test]
async fn a_file_that_is_no_pack_leaves_the_former_one_served() {
    let world = World::new();
    let hex = world.publish("true", None);
    let path = world.path().join(format!("{ID}.tar"));
    for garbage in [&tar("false")[..700], b"not a tar"] {
        fs::write(&path, garbage).expect("writable");
        world.packs.refresh().expect("the folder is readable");
        assert_eq!(world.get(PATH, &[]).await.header("digest"), format!("sha-256={hex}"));
    }
    fs::remove_file(&path).expect("removed");
    world.packs.refresh().expect("readable");
    assert_eq!(world.get(PATH, &[]).await.status, 404);
}

#[test]
fn the_same_folder_makes_the_same_bytes_and_links_are_refused() {
    assert_eq!(tar("true"), tar("true"));
    let source = TempDir::new().expect("a folder");
    fs::create_dir(source.path().join("opa")).expect("a folder");
    symlink("/etc/passwd", source.path().join("opa/a.rego")).expect("a link");
    let error = build(source.path(), ID, None).expect_err("a link");
    assert!(error.to_string().contains("is neither a file nor a folder"), "{error}");
    assert!(matches!(build(source.path(), "../up", None), Err(HubError::PackId { .. })));
    let target = TempDir::new().expect("a folder");
    assert!(matches!(publish(target.path(), ID, b"x", None), Err(HubError::Pack { .. })));
    assert_eq!(fs::read_dir(target.path()).expect("readable").count(), 0);
}

#[tokio::test]
async fn a_hub_that_everybody_could_reach_is_not_started() {
    let folder = TempDir::new().expect("a folder");
    let mut config = HubConfig::new(folder.path());
    config.listen = "0.0.0.0:0".parse().expect("an address");
    assert!(matches!(
        serve_packs(config).await,
        Err(HubError::Exposed(ExposureError::Unauthenticated { .. }))
    ));
    let mut config = HubConfig::new(folder.path());
    config.listen = "0.0.0.0:0".parse().expect("an address");
    config.token = Some("secret".to_owned().into());
    assert!(matches!(
        serve_packs(config).await,
        Err(HubError::Exposed(ExposureError::PlainText { .. }))
    ));
}
