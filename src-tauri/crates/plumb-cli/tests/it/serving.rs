//! The doors to agent and demo, and the scripts of the field against an agent (R287-R291).

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
};

use serde_json::Value;

use crate::{
    schema::violation,
    world::{World, plumb},
};

/// A program that runs until it is told to stop.
pub(crate) struct Served {
    child: Child,
    pub(crate) first: Value,
    _rest: BufReader<ChildStdout>,
}

impl Served {
    pub(crate) fn start(world: &World, words: &[&str], schema: &str) -> Self {
        Self::start_with(world, words, schema, &[])
    }

    /// The same with more in its environment.
    pub(crate) fn start_with(
        world: &World,
        words: &[&str],
        schema: &str,
        variables: &[(&str, String)],
    ) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_plumb"));
        command.args(words).arg("--json").current_dir(world.path()).stdin(Stdio::null());
        command.env("PLUMBLINE_DATA_DIR", world.path().join("data"));
        command.env("PLUMB_AGENT_TOKEN", crate::world::CANARY);
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let mut rest = BufReader::new(child.stdout.take().expect("piped"));
        let mut line = String::new();
        rest.read_line(&mut line).expect("a line");
        let first: Value =
            serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let (_, known) =
            plumb_cli::schemas().into_iter().find(|(name, _)| *name == schema).expect("known");
        assert_eq!(violation(&serde_json::to_value(known).expect("serialises"), &first), None);
        Self { child, first, _rest: rest }
    }

    pub(crate) fn url(&self) -> &str {
        self.first["url"].as_str().expect("an address")
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    /// Asks it to stop and gives back what it said on standard error.
    pub(crate) fn stop(mut self) -> String {
        let stopped = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(stopped.is_ok_and(|status| status.success()));
        let status = self.child.wait().expect("it ends");
        assert_eq!(status.code(), Some(0));
        let mut said = String::new();
        self.child.stderr.take().expect("piped").read_to_string(&mut said).expect("UTF-8");
        said
    }
}

/// A test that fails leaves no program behind.
impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One HTTP/1.1 request with the bytes a script's curl sends.
pub(crate) fn ask(
    address: &str,
    method: &str,
    path: &str,
    token: Option<&str>,
    body: &str,
) -> (u16, Value) {
    try_ask(address, method, path, token, body).expect("an answer")
}

/// As [`ask`], of an agent that may end meanwhile.
pub(crate) fn try_ask(
    address: &str,
    method: &str,
    path: &str,
    token: Option<&str>,
    body: &str,
) -> std::io::Result<(u16, Value)> {
    let mut stream = TcpStream::connect(address)?;
    let token = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: agent\r\nConnection: close\r\nContent-Type: application/json\r\n{token}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let status = text.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status = status.ok_or(std::io::ErrorKind::UnexpectedEof)?;
    let body = text.split("\r\n\r\n").nth(1).unwrap_or_default();
    Ok((status, serde_json::from_str(body).unwrap_or(Value::Null)))
}

/// Two versions of a signed bundle, and the key.
pub(crate) fn signed(world: &World) {
    world.file("policies.json", r#"[{"id": "payments", "effect": "deny"}]"#);
    world.check("bundle keygen --out signer.pem --bits 2048", 0);
    for (version, file) in [("1.0.0", "production-v1"), ("2.0.0", "production-v2")] {
        world.check(
            &format!(
                "bundle build policies.json --id payments --version {version} --out {file}.json"
            ),
            0,
        );
        let sign =
            format!("bundle sign {file}.json --key signer.pem --key-id s --out {file}.signed.json");
        world.check(&sign, 0);
    }
}

#[test]
fn the_deploy_script_of_the_field_works_on_an_agent() {
    let world = World::empty();
    signed(&world);
    let served = Served::start(
        &world,
        &[
            "agent",
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--bundle",
            "production-v1.signed.json",
            "--trust",
            "s=signer.pub.pem",
            "--no-watch",
        ],
        "agent-started",
    );
    let address = served.first["listen"].as_str().expect("an address").to_owned();
    let token = Some(crate::world::CANARY);
    let (status, _) = ask(&address, "POST", "/reload", None, "{}");
    assert!(matches!(status, 401 | 403), "{status}");
    // Example 1: the default path.
    let (status, reloaded) = ask(&address, "POST", "/reload", token, "{}");
    assert_eq!((status, &reloaded["version"]), (200, &"1.0.0".into()));
    // Example 5: verify, abort unless valid, reload, abort unless successful.
    let path = world.path().join("production-v2.signed.json").display().to_string();
    let body = serde_json::json!({ "bundle_path": path }).to_string();
    let (_, verdict) = ask(&address, "POST", "/bundle/verify", token, &body);
    assert_eq!(verdict["valid"], true);
    // Example 2: a custom path.
    let (_, reloaded) = ask(&address, "POST", "/reload", token, &body);
    assert_eq!((&reloaded["success"], &reloaded["policies_loaded"]), (&true.into(), &1.into()));
    // Examples 3 and 4.
    let (_, history) = ask(&address, "GET", "/reload/history", None, "");
    assert_eq!(history["history"][0]["version"], "2.0.0");
    let (_, stats) = ask(&address, "GET", "/reload/stats", None, "");
    assert_eq!(stats["success_rate"].as_f64(), Some(100.0));
    let said = served.stop();
    assert!(said.contains("--state-dir") && !said.contains(crate::world::CANARY), "{said}");
}

#[test]
fn an_agent_that_would_be_exposed_is_refused() {
    let world = World::empty();
    signed(&world);
    let serve = "agent serve --bundle production-v1.signed.json --trust s=signer.pub.pem";
    let said = world.check(&format!("{serve} --listen 0.0.0.0:0"), 2).stderr;
    assert!(said.contains("WARNING: NO AUTHENTICATION"), "{said}");
    world.check(&format!("{serve} --trust nonsense"), 2);
    world.check("agent serve --trust s=signer.pub.pem", 2);
    world.check("agent serve --bundle production-v1.signed.json", 2);
    // The variable of the field names the default bundle, too (R231).
    let mut command = plumb();
    command.env("UNISON_POLICY_BUNDLE", "production-v1.signed.json").current_dir(world.path());
    command.args(["agent", "serve", "--trust", "s=missing.pem"]);
    world.check_command(&mut command, "agent serve", 2);
}

/// A folder with a pack in it, served from the tar that `build` makes.
#[test]
fn packs_are_built_published_and_served() {
    let world = World::empty();
    fs::create_dir_all(world.path().join("source/opa")).expect("writable");
    fs::create_dir(world.path().join("packs")).expect("writable");
    world.file("source/README.md", "Policy pack\n");
    let build = "policy packs build source --id policy-pack-v0 --version 0.1.0 --out pack.tar";
    let said = world.check(build, 2).stderr;
    assert!(said.contains("holds no Rego module"), "{said}");
    world.file("source/opa/cos.abac.rego", "package cos.abac\ndefault allow := false\n");
    let built = world.document(build, 0, "bundle-written");
    assert_eq!(world.document(build, 0, "bundle-written"), built, "the same bytes again");
    world.file(
        "attestation.json",
        r#"{"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json"}"#,
    );
    let publish = "policy packs publish pack.tar --id policy-pack-v0 --dir packs";
    let said = world.check(publish, 0).stderr;
    assert!(said.contains("without --attestation agents refuse it"), "{said}");
    let attested = format!("{publish} --attestation attestation.json");
    let published = world.document(&attested, 0, "pack-published");
    assert_eq!(published["digest"], built["digest"]);
    world.check("policy packs publish source/README.md --id p --dir packs", 2);
    world.check("policy packs publish pack.tar --id ../p --dir packs", 2);
    let words = ["policy", "packs", "serve", "--dir", "packs", "--listen", "127.0.0.1:0"];
    let served = Served::start(&world, &words, "packs-started");
    assert_eq!(served.first["packs"][0]["digest"], built["digest"]);
    let address = served.first["listen"].as_str().expect("an address").to_owned();
    let path = "/v1/policy/packs/policy-pack-v0/attestation";
    let (status, document) = ask(&address, "GET", path, None, "");
    assert_eq!((status, document["mediaType"].is_string()), (200, true));
    assert_eq!(ask(&address, "GET", "/v1/policy/packs/other", None, "").0, 404);
    served.stop();
    let said = world.check("policy packs serve --dir packs --listen 0.0.0.0:0", 2).stderr;
    assert!(said.contains("neither a token nor client certificates"), "{said}");
    world.check("policy packs serve --dir missing", 2);
}

#[test]
fn settings_of_packs_that_cannot_work_are_refused_with_the_reason() {
    let world = World::empty();
    world.file("token", "let-me-read\n");
    world.file("empty", "\n");
    let refused = |flags: &str, reason: &str| {
        let words = format!("agent serve --bundle b.json --trust s=s.pem {flags}");
        let said = world.check(&words, 2).stderr;
        assert!(said.contains(reason), "{flags}: {said}");
    };
    let url = "--pack-url https://hub.example/v1/policy/packs/policy-pack-v0";
    refused(url, "give --pack-dir or --state-dir");
    refused("--pack-url hub --pack-dir p", "is no URL");
    refused("--pack-url ftp://hub/p --pack-dir p", "https:// or http://");
    refused("--pack-url https://hub/ --pack-dir p", "must end with the name of the pack");
    refused("--pack-url https://u:p@hub/p --pack-dir p", "no user, password, query or fragment");
    refused(&format!("{url} --pack-dir p --pack-interval 0"), "between 1 and 86400 seconds");
    refused(&format!("{url} --pack-dir p --pack-mode often"), "poll, long-poll or push");
    refused(&format!("{url} --pack-dir p --pack-token-file empty"), "is empty");
    refused("--pack-url http://hub/p --pack-dir p --pack-token-file token", "plain HTTP");
    refused("--pack-url http://hub/p --pack-dir p --pack-ca ca.pem", "needs https://");
    refused(&format!("{url} --pack-dir p --pack-client-cert c.pem"), "--pack-client-key");
    refused("--pack-dir p", "--pack-url");
}

#[test]
fn settings_of_an_opa_that_cannot_work_are_refused_with_the_reason() {
    let world = World::empty();
    world.file("empty", "\n");
    world.file("none.json", r#"{"probes":[]}"#);
    world.file("wrong.json", r#"{"probes":[{"path":"cos/abac/allow","expects":true}]}"#);
    world.file("probes.json", r#"{"probes":[{"path":"cos/abac/allow","expect":true}]}"#);
    let refused = |flags: &str, reason: &str| {
        let words = format!(
            "agent serve --bundle b.json --trust s=s.pem --pack-url https://hub.example/v1/policy/packs/p --pack-dir p {flags}"
        );
        let said = world.check(&words, 2).stderr;
        assert!(said.contains(reason), "{flags}: {said}");
    };
    let url = "--opa-url http://127.0.0.1:8181";
    refused("--opa-url opa", "is no URL");
    refused("--opa-url http://127.0.0.1:8181/v1", "host and port alone");
    refused("--opa-url http://opa.example:8181 --opa-mode put", "use https://");
    refused("--opa-url https://opa.example:8181", "--opa-mode put");
    refused(&format!("{url} --opa-mode push"), "bundle or put");
    refused(&format!("{url} --opa-bundle-listen 0.0.0.0:8182"), "is not loopback");
    refused(&format!("{url} --opa-token-file empty"), "the token for OPA is empty");
    refused(&format!("{url} --opa-probes none.json"), "0 probes");
    refused(&format!("{url} --opa-probes wrong.json"), "unknown field `expects`");
    refused(&format!("{url} --opa-probes missing.json"), "missing.json");
    refused("--opa-mode put", "--opa-url");
    // What is sound gets as far as packs themselves do.
    refused(&format!("{url} --opa-probes probes.json"), "nobody is trusted to sign");
    let alone = "agent serve --bundle b.json --trust s=s.pem --opa-url http://127.0.0.1:8181";
    assert!(world.check(alone, 2).stderr.contains("--pack-url"));
    let help = world.check("help opa-sidecar", 0).stdout;
    assert!(help.contains("mixed_for_ms") && help.contains("--opa-mode put"), "{help}");
}

#[test]
fn the_demo_says_one_line_and_stops_when_told() {
    let world = World::empty();
    let served = Served::start(&world, &["demo", "--nodes", "3"], "demo-started");
    assert_eq!(served.first["nodes"], 3);
    let file = served.first["fleet_file"].as_str().expect("a path").to_owned();
    world.check(&format!("--fleet-file {file} policy version --node eu-gw-001"), 0);
    served.stop();
}

#[test]
fn the_commands_that_the_demo_prints_for_approvals_work_as_they_stand() {
    let world = World::empty();
    let served = Served::start(&world, &["demo", "--nodes", "8"], "demo-started");
    let folder = served.first["approvals"]["folder"].as_str().expect("a folder");
    let told = fs::read_to_string(Path::new(folder).join("TRY.txt")).expect("what to try");
    let commands: Vec<&str> = told.lines().filter(|line| line.starts_with("  ")).collect();
    assert_eq!(commands.len(), 6, "{told}");
    let program = Path::new(env!("CARGO_BIN_EXE_plumb")).parent().expect("a folder");
    let path = std::env::var("PATH").unwrap_or_default();
    let mut shell = Command::new("sh");
    shell
        .args(["-e", "-c", &commands.join("\n")])
        .env("PATH", format!("{}:{path}", program.display()));
    let said = shell.current_dir(world.path()).output().expect("a shell");
    let (out, error) =
        (String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
    assert!(said.status.success(), "{out}\n{error}");
    assert!(out.contains("all 3 nodes arrived"), "{out}\n{error}");
    served.stop();
}

#[test]
fn the_whole_job_without_a_window() {
    let world = World::empty();
    let document = world.document("demo --headless", 0, "demo-headless");
    assert_eq!((&document["nodes"], &document["converged"]), (&12.into(), &true.into()));
    assert_eq!(document["run"]["outcome"], "succeeded");
    assert_eq!(document["drift"]["before"]["diverged"], 1);
    for state in ["tampered", "diverged", "behind", "ahead", "stale"] {
        assert_eq!(document["drift"]["after"][state], Value::Null, "{state}");
    }
}

/// The process that a process started, once it is there.
#[cfg(target_os = "linux")]
fn child_of(id: u32) -> u32 {
    loop {
        let threads = fs::read_dir(format!("/proc/{id}/task")).expect("it runs");
        let children = threads
            .filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("children")).ok());
        let first = children.collect::<String>();
        if let Some(child) = first.split_whitespace().next() {
            return child.parse().expect("an id");
        }
        std::thread::yield_now();
    }
}

#[cfg(target_os = "linux")]
fn version(address: &str) -> Option<Value> {
    let (_, bundle) = try_ask(address, "GET", "/bundle", None, "").ok()?;
    bundle.get("version").cloned()
}

#[test]
#[cfg(target_os = "linux")]
fn a_supervised_agent_that_is_ended_answers_again_within_a_second() {
    let world = World::empty();
    signed(&world);
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr();
    let address = free.expect("an address").to_string();
    let words: Vec<&str> = "agent serve --bundle production-v1.signed.json --state-dir state \
                            --trust s=signer.pub.pem --no-watch --no-polling --supervised --listen"
        .split_whitespace()
        .chain([address.as_str()])
        .collect();
    let served = Served::start(&world, &words, "agent-started");
    let before = version(&address).expect("it answers");
    // Copies are written behind the answers: the state that names one comes last.
    let state = world.path().join("state/agent-state.json");
    while !fs::read_to_string(&state).is_ok_and(|text| text.contains("1.0.0")) {
        std::thread::yield_now();
    }
    // Only what was kept can answer afterwards.
    world.file("production-v1.signed.json", "{}");
    let agent = child_of(served.child.id());
    let killed = Command::new("kill").args(["-ABRT", &agent.to_string()]).status();
    assert!(killed.is_ok_and(|status| status.success()));
    let began = std::time::Instant::now();
    let after = loop {
        match version(&address) {
            Some(version) if child_of(served.child.id()) != agent => break version,
            _ => std::thread::yield_now(),
        }
    };
    assert!(began.elapsed().as_secs_f64() < 1.0, "{:?}", began.elapsed());
    assert_eq!(after, before);
    let said = served.stop();
    assert!(said.contains("the agent crashed") && said.contains("stopping"), "{said}");
    assert!(version(&address).is_none(), "the agent ended with its parent");
}

#[test]
fn an_agent_that_cannot_run_is_not_started_again() {
    let world = World::empty();
    signed(&world);
    let serve = "agent serve --supervised --bundle production-v1.signed.json";
    world.check(&format!("{serve} --trust s=missing.pem --listen 127.0.0.1:1"), 2);
    world.check(&format!("{serve} --trust s=signer.pub.pem --listen 127.0.0.1:0"), 2);
}

/// R280: the field's line, and one object a line for a collector.
#[test]
fn a_collector_gets_one_object_a_line_and_people_the_fields_words() {
    let reload = |format: &str| {
        let world = World::empty();
        signed(&world);
        let serve = ["agent", "serve", "--listen", "127.0.0.1:0", "--no-watch", "--no-polling"];
        let bundle = ["--bundle", "production-v2.signed.json", "--trust", "s=signer.pub.pem"];
        let format = ["--log-format", format];
        let args: Vec<&str> = [&serve[..], &bundle, &format].concat();
        let served = Served::start(&world, &args, "agent-started");
        let address = served.first["listen"].as_str().expect("an address").to_owned();
        ask(&address, "POST", "/reload", Some(crate::world::CANARY), "{}");
        let missing = r#"{"bundle_path": "none.signed.json"}"#;
        ask(&address, "POST", "/reload", Some(crate::world::CANARY), missing);
        served.stop()
    };
    let said = reload("json");
    let lines: Vec<Value> = said
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let by_request = |success: bool| {
        let found = lines.iter().find(|line| {
            line["event.kind"] == "reload"
                && line["event.trigger"] == "request"
                && line["event.success"] == success
        });
        found.unwrap_or_else(|| panic!("no such line in {said}")).clone()
    };
    let good = by_request(true);
    let message = good["message"].as_str().expect("a message");
    let (head, tail) = message.split_once('(').expect("a duration");
    assert_eq!(head, "Hot-reload successful: v2.0.0 ");
    assert!(tail.ends_with("ms, 1 policies)"), "{message}");
    assert_eq!((&good["level"], &good["event.version"]), (&"INFO".into(), &"2.0.0".into()));
    assert!(good["timestamp"].is_string() && good["event.duration_ms"].is_number());
    let bad = by_request(false);
    assert_eq!(bad["level"], "ERROR");
    assert!(bad["message"].to_string().contains("Hot-reload failed: Bundle file not found"));

    let said = reload("text");
    let line = said.lines().find(|line| line.contains("Hot-reload successful: v2.0.0 ("));
    let line = line.expect("the line of the reload");
    assert!(line.contains(" INFO ") && line.ends_with("ms, 1 policies)"), "{line}");
}

/// Every setting of the packaged environment files is one of `agent serve`, so that none is ignored.
#[test]
fn packaged_settings_are_flags_of_the_agent() {
    let packaging = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../packaging/agent");
    let help = World::empty().check("agent serve --help", 0).stdout;
    let offered: Vec<&str> = help
        .split("[env: ")
        .skip(1)
        .filter_map(|rest| rest.split('=').next())
        .filter(|name| ["_PACK_", "_OPA_"].iter().any(|kind| name.contains(kind)))
        .collect();
    assert!(offered.len() > 10, "{offered:?}");
    let mut seen = 0;
    for file in ["plumb-agent.env", "kubernetes/config-map.yaml"] {
        let text = fs::read_to_string(packaging.join(file)).expect("readable");
        for line in text.lines() {
            let name =
                line.trim_start_matches([' ', '#']).split([':', '=']).next().unwrap_or_default();
            let is_setting = name.starts_with("PLUMB_") || name.starts_with("UNISON_");
            if !is_setting || name.contains(' ') {
                continue;
            }
            seen += 1;
            assert!(help.contains(&format!("[env: {name}=")), "{file}: {name} is no setting");
        }
        for name in &offered {
            assert!(text.contains(name), "{file} does not show {name}");
        }
    }
    assert!(seen > 20, "both files were read");
}

/// The built program, its evaluation process and a registry on loopback.
#[test]
fn an_agent_runs_a_pack_of_rego_that_was_signed_by_whom_it_trusts() {
    use plumb_pki::{Pki, Recipe};
    let world = World::empty();
    world.file(
        "probes.json",
        r#"{"probes": [{"path": "cos/abac/allow", "input": {}, "expect": false}]}"#,
    );
    let signed_at = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(2);
    let pki = Pki::new(signed_at).expect("an authority");
    world.file("root.json", &pki.trusted_root().to_string());
    let known = Recipe::new(Vec::new(), signed_at);
    world.file(
        "trust.toml",
        &format!(
            "[[root]]\nid = \"test\"\nfile = \"root.json\"\n[[identity]]\nname = \"{}\"\nissuer = \"{}\"\n",
            known.identity, known.issuer
        ),
    );
    fs::create_dir_all(world.path().join("source/opa")).expect("writable");
    world.file(
        "source/opa/cos.abac.rego",
        "package cos.abac\ndefault allow := false\nallow if input.n == 1\n",
    );
    world.check("policy packs build source --id pack-v0 --version 0.1.0 --out pack.tar", 0);
    let tar = fs::read(world.path().join("pack.tar")).expect("built");
    let issued = pki.issue(&Recipe::new(tar, signed_at)).expect("a bundle");
    world.file("pack.sigstore.json", &issued.bundle_json());
    fs::create_dir(world.path().join("registry")).expect("writable");
    world.check(
        "policy packs publish pack.tar --id pack-v0 --dir registry --attestation pack.sigstore.json",
        0,
    );
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let config = plumb_hub::HubConfig::new(world.path().join("registry"));
    let hub = runtime.block_on(plumb_hub::serve_packs(config)).expect("a hub");
    let url = hub.pack_url("pack-v0");

    let serve = format!("agent serve --listen 127.0.0.1:0 --pack-url {url} --state-dir state");
    let said = world.check(&serve, 2).stderr;
    assert!(said.contains("--pack-trust"), "{said}");
    world.file("nobody.toml", "[[root]]\nid = \"test\"\nfile = \"root.json\"\n");
    let said = world.check(&format!("{serve} --pack-trust nobody.toml"), 2).stderr;
    assert!(said.contains("identity"), "{said}");
    let said = world.check(&format!("{serve} --pack-trust trust.toml --pack-decision a//b"), 2);
    assert!(said.stderr.contains("--pack-decision"), "{}", said.stderr);

    let words = format!("{serve} --pack-trust trust.toml --pack-probes probes.json");
    let words: Vec<&str> = words.split(' ').collect();
    let served = Served::start(&world, &words, "agent-started");
    let address = served.first["listen"].as_str().expect("an address").to_owned();
    let decide = |n: u8| {
        ask(
            &address,
            "POST",
            "/v1/data/cos/abac/allow",
            None,
            &format!("{{\"input\": {{\"n\": {n}}}}}"),
        )
    };
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while decide(1).0 == 503 {
        assert!(std::time::Instant::now() < deadline, "no pack came into force");
    }
    assert_eq!(decide(1), (200, serde_json::json!({ "result": true })));
    assert_eq!(decide(2), (200, serde_json::json!({ "result": false })));
    let (_, health) = ask(&address, "GET", "/healthz", None, "");
    assert_eq!(health["policy"]["source"]["location"], url.as_str());
    served.stop();
    runtime.block_on(hub.shutdown());
}
