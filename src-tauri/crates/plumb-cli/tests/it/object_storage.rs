//! A hub whose packs lie in object storage that speaks S3, of another maker, on loopback.

use std::{
    fs,
    net::TcpListener,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{
    hub::{from_pypi, token},
    serving::{Served, try_ask},
    world::World,
};

const BUCKET: &str = "policy-packs";
/// A Python program on a machine that has other things to do.
const STARTS_WITHIN: Duration = Duration::from_mins(2);

/// The store; it forgets everything when it ends.
struct Storage {
    process: Child,
    address: String,
}

impl Storage {
    /// Nothing where it is not installed.
    fn start(world: &World) -> Option<Self> {
        let program = from_pypi("moto", "moto_server", "PLUMB_MOTO_SERVER")?;
        let free = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
        let address = free.expect("a free port").to_string();
        let port = address.rsplit(':').next().expect("a port");
        let mut command = Command::new(program);
        command.args(["-H", "127.0.0.1", "-p", port]).current_dir(world.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let storage = Self { process: command.spawn().expect("it starts"), address };
        let begun = Instant::now();
        while try_ask(&storage.address, "GET", "/moto-api/", None, "").is_err() {
            assert!(begun.elapsed() < STARTS_WITHIN, "it does not listen");
            thread::yield_now();
        }
        storage.make_bucket();
        Some(storage)
    }

    fn make_bucket(&self) {
        let path = format!("/{BUCKET}");
        let (status, _) = try_ask(&self.address, "PUT", &path, None, "").expect("an answer");
        assert_eq!(status, 200, "{path}");
    }

    fn forget_everything(&self) {
        let (status, _) =
            try_ask(&self.address, "POST", "/moto-api/reset", None, "").expect("an answer");
        assert_eq!(status, 200);
    }

    fn variables(&self) -> [(&'static str, String); 5] {
        [
            ("AWS_ENDPOINT", format!("http://{}", self.address)),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
        ]
    }

    fn hub(&self, world: &World, data: &str) -> Served {
        let packs = format!("s3://{BUCKET}");
        let words = ["hub", "serve", "--listen", "127.0.0.1:0", "--data", data, "--packs", &packs];
        Served::start_with(world, &words, "hub-started", &self.variables())
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        // It may have ended, which is as good.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Packs are published there, read back after a restart with nothing but the bucket and what the hub knows of them, and
/// a bucket that takes nothing leaves everything as it was.
#[test]
fn packs_in_object_storage_are_published_read_and_survive_a_refused_write() {
    let world = World::empty();
    let Some(storage) = Storage::start(&world) else { return };
    let (admin, file) = token(&world, "admin");
    let hub = storage.hub(&world, "hub");
    let at = format!("--hub {} --hub-token-file {file}", hub.url());
    fs::create_dir_all(world.path().join("source/opa")).expect("a folder");
    let build = |version: &str, allow: bool| {
        let rego = format!("package a\nimport rego.v1\ndefault allow := {allow}\n");
        world.file("source/opa/a.rego", &rego);
        let pack = format!("p-{version}.tar");
        world.check(
            &format!("policy packs build source --id p --version {version} --out {pack}"),
            0,
        );
        pack
    };
    let (first, second) = (build("1.0.0", true), build("1.1.0", false));
    let published =
        world.check(&format!("hub packs publish {first} --id p --version 1.0.0 {at}"), 0);
    assert!(published.stdout.contains("1.0.0"), "{}", published.stdout);
    let stored = world.check(&format!("policy bundle storage-status {at}"), 0);
    assert!(stored.stdout.contains(BUCKET), "{}", stored.stdout);
    assert!(!world.path().join("hub/packs").exists(), "nothing of it is in the data folder");

    // The bucket is gone: the next pack is refused, in words that say where, and the first is still the one.
    storage.forget_everything();
    let refused =
        world.check(&format!("hub packs publish {second} --id p --version 1.1.0 {at}"), 3);
    assert!(refused.stderr.contains("neither took nor gave these bytes"), "{}", refused.stderr);
    let listed = world.check(&format!("hub packs list {at}"), 0);
    assert!(
        listed.stdout.contains("1.0.0") && !listed.stdout.contains("1.1.0"),
        "{}",
        listed.stdout
    );
    let broken = world.check(&format!("policy bundle storage-status {at}"), 1);
    assert!(broken.stdout.contains("NoSuchBucket"), "{}", broken.stdout);

    // It is back, empty: what is published again is there, and what comes next is served after a restart.
    storage.make_bucket();
    world.check(&format!("hub packs publish {second} --id p --version 1.1.0 {at}"), 0);
    let distribute = "policy bundle distribute --fleet prod --pack p --version 1.1.0 --all-nodes";
    world.check(&format!("{distribute} {at}"), 0);
    hub.stop();
    let hub = storage.hub(&world, "hub");
    let address = hub.url().trim_start_matches("http://").to_owned();
    let bundle = try_ask(&address, "HEAD", "/bundles/prod/gw-1", Some(&admin), "");
    assert_eq!(bundle.expect("an answer").0, 200, "read back from the bucket");
    hub.stop();
}
