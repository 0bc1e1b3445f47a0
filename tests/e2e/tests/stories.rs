//! Stories of a person at the built window, one for each journey; everything else is tested lower.

use std::{
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{
    Between, Changes, Demo, Desktop, Launch, Window,
    acts::{
        another_profile_opens, confirm_step, plan_pinned, plan_rollout, seal_what_is_shown,
        sign_with_file, start_conflict, start_rollout,
    },
    demo::sealed_job,
    program::program,
    window::{CONTROL, ENTER, quoted},
};
use observability_tests::{MonitorPrograms, Watched, monitors::TOLD_WITHIN};
use tempfile::TempDir;

/// The demo's node that runs other signed content under the desired version.
const DIVERGED: &str = "eu-gw-002";

/// The row of a node in the Fleet table.
fn row(node: &str) -> String {
    format!("//table[@role='grid']//tr[.//*[normalize-space()={}]]", quoted(node))
}

/// Waits until the row of a node shows a word.
async fn row_says(window: &Window, node: &str, word: &str) -> Result<()> {
    window.find(&format!("{}[contains(., {})]", row(node), quoted(word))).await.map(drop)
}

#[tokio::test]
async fn the_diverged_node_is_found_by_its_diff_and_brought_back() -> Result<()> {
    let state = TempDir::new()?;
    let demo = Demo::start(state.path())?;
    let window =
        Window::open(Launch { fleet_file: Some(&demo.fleet_file), ..Launch::default() }).await?;
    row_says(&window, DIVERGED, "Diverged").await?;

    window.press('2').await?;
    window.click("//button[contains(., 'same version, other content') and contains(., '1 node')][contains(@title, 'Diverged')]").await?;
    window
        .find("//*[@role='listbox' and starts-with(@aria-label, 'Policies')]//*[@role='option'][1]")
        .await?;
    window.find("//*[@role='region' and contains(@aria-label, 'side by side')]").await?;
    window.click_button(DIVERGED).await?;

    row_says(&window, DIVERGED, "Diverged").await?;
    window
        .click(&format!(
            "//*[@role='checkbox' and @aria-label={}]",
            quoted(&format!("Mark {DIVERGED}"))
        ))
        .await?;
    window.press('s').await?;
    // One node with a known way back: the lowest rung of the ladder asks nothing and offers the undo.
    window.see("1 of 1 arrived").await?;
    row_says(&window, DIVERGED, "In sync").await?;
    window.quit().await
}

#[tokio::test]
async fn a_rollout_is_asked_for_approved_on_another_profile_and_carried_out() -> Result<()> {
    let state = TempDir::new()?;
    let demo = Demo::start(state.path())?;
    let path = |name: &str| state.path().join(name).display().to_string();
    let (console, asks) = demo.person("avery")?;
    let window = Window::open(Launch { data_dir: Some(&console), ..Launch::default() }).await?;
    window.see(demo.approved_fleet()?).await?;
    row_says(&window, DIVERGED, "Diverged").await?;

    plan_rollout(&window).await?;
    window.see("avery has not asked yet").await?;
    window.click_button("Request approval…").await?;
    window.fill("Save the request as", &path("request.json")).await?;
    window.fill("Passphrase", demo.passphrase()?).await?;
    window.chord(&[CONTROL], ENTER).await?;
    window.closed().await?;
    window.see("Missing: 1 of platform-security").await?;
    assert!(asks.exists(), "the key of whoever asks stays where it is");

    // Robin approves on a profile of their own, which knows nothing but the roster and the request.
    let (profile, key) = demo.person("robin")?;
    let other = Window::open(Launch { data_dir: Some(&profile), ..Launch::default() }).await?;
    other.see("LIVE").await?;
    other.press_outside_fields('3').await?;
    other.click_button("Answer a request…").await?;
    other.fill("Request that you were sent", &path("request.json")).await?;
    other.click("//button[normalize-space()='Open the request']").await?;
    other.see("1 of storage, and 1 of platform-security").await?;
    other.fill("Passphrase", demo.passphrase()?).await?;
    other.fill("Save the answer as", &path("answer.json")).await?;
    other.chord(&[CONTROL], ENTER).await?;
    other.see("Approved by robin").await?;
    other.quit().await?;
    assert!(key.exists(), "a key file is read, not moved");

    window.click_button("Add an answer…").await?;
    window.fill("Signed answer", &path("answer.json")).await?;
    window.chord(&[CONTROL], ENTER).await?;
    window.closed().await?;
    window.see("robin approves for storage").await?;

    // Sam comes by and signs at the same console, with the key they brought.
    let (_, key) = demo.person("sam")?;
    window.click_button("Sign…").await?;
    sign_with_file(&window, &key.display().to_string(), demo.passphrase()?).await?;
    window.closed().await?;
    window.see("Everybody who must consent has consented.").await?;
    start_rollout(&window).await?;
    window.see("nodes arrived").await?;
    window.find("//*[@aria-label='Convergence certificate']").await?;
    window.quit().await
}

/// An agent that runs what is desired.
const IN_SYNC: &str = "eu-gw-001";
/// A release of the demo that sorts the rules of the desired one by name and changes nothing else.
const SORTED: &str = "2.0.1";

#[tokio::test]
async fn approvals_are_of_the_flips_and_void_when_the_bundle_changes() -> Result<()> {
    let state = TempDir::new()?;
    let demo = Demo::start(state.path())?;
    let (console, _) = demo.person("avery")?;
    let window = Window::open(Launch { data_dir: Some(&console), ..Launch::default() }).await?;
    window.see(demo.approved_fleet()?).await?;
    row_says(&window, DIVERGED, "Diverged").await?;

    plan_pinned(&window, &[IN_SYNC, DIVERGED], SORTED).await?;
    let flips = "//section[@aria-label='What is answered differently']";
    let wider = format!("{flips}//section[@aria-label='Lets more through']");
    window.find(&format!("{wider}//li[contains(., 'by cards.pan.read')]")).await?;
    window.find(&format!("{wider}//*[contains(., 'asked 214 times')]")).await?;

    window.click_button("Request approval…").await?;
    let request = state.path().join("request.json").display().to_string();
    window.fill("Save the request as", &request).await?;
    window.fill("Passphrase", demo.passphrase()?).await?;
    window.chord(&[CONTROL], ENTER).await?;
    window.closed().await?;
    // What is shown is what is signed for.
    window.find(&format!("{flips}//*[contains(., 'approvals bind it')]")).await?;
    for who in ["robin", "sam"] {
        let (_, key) = demo.person(who)?;
        window.click_button("Sign…").await?;
        sign_with_file(&window, &key.display().to_string(), demo.passphrase()?).await?;
        window.closed().await?;
    }
    window.see("Everybody who must consent has consented.").await?;

    // Somebody puts another signed bundle in the place of the one that was signed for.
    let bundles = demo.fleet_file.with_file_name("bundles");
    let sorted = bundles.join("payments-2.0.1.signed.json");
    fs::copy(bundles.join("payments-2.1.0-rc1.signed.json"), &sorted)?;
    start_rollout(&window).await?;
    window.see("The dry run finds something else than was signed").await?;
    for who in ["robin", "sam"] {
        let void =
            format!("//ul[@aria-label='Answers that do not count']//li[contains(., '{who}')]");
        window.find(&format!("{void}[contains(., 'it does not count')]")).await?;
    }
    window.find("//button[contains(., 'Start the rollout') and @aria-disabled]").await?;
    window.quit().await
}

/// An agent that is ahead, and a second node of rollouts whose canary is [`DIVERGED`].
const AHEAD: &str = "us-gw-002";

/// Marks the two agents, plans a rollout of them with the diverged one as canary, and starts it. The canary's
/// gate waits for somebody where `attest` says for what.
async fn roll_out_two(window: &Window, attest: Option<&str>) -> Result<()> {
    for node in [DIVERGED, AHEAD] {
        let mark = quoted(&format!("Mark {node}"));
        window.click(&format!("//*[@role='checkbox' and @aria-label={mark}]")).await?;
    }
    window.click_button("In waves…").await?;
    window.fill("Canary", DIVERGED).await?;
    window.fill("Soak", "0").await?;
    if let Some(attest) = attest {
        window.fill("Attestation", attest).await?;
    }
    window.chord(&[CONTROL], ENTER).await?;
    window.find("//*[@role='region' or self::section][@aria-label='Waves in order']").await?;
    start_rollout(window).await?;
    window.find("//article[starts-with(@aria-label, 'Run ')]").await.map(drop)
}

#[tokio::test]
async fn a_canary_that_fails_halts_the_rollout_and_is_brought_back() -> Result<()> {
    let mut desktop = Desktop::start().await?;
    let state = TempDir::new()?;
    let demo = Demo::start(state.path())?;
    let (between, file) = Between::step_in(&demo.fleet_file, DIVERGED).await?;
    let window = Window::open(Launch { fleet_file: Some(&file), ..Launch::default() }).await?;
    row_says(&window, DIVERGED, "Diverged").await?;
    row_says(&window, AHEAD, "Ahead").await?;

    between.let_changes(Changes::Refuse);
    roll_out_two(&window, None).await?;
    window.see("Nothing further is changed until somebody decides.").await?;
    window.see("no space is left on the disk").await?;
    let halted = desktop.hear("Halted: Sync to the desired version").await?;
    assert!(halted.program == "Plumbline" && halted.body.starts_with("demo: "), "{halted:?}");
    // A click on it leads back to the run, from wherever somebody is.
    window.press_outside_fields('1').await?;
    row_says(&window, DIVERGED, "Diverged").await?;
    desktop.click(&halted).await?;
    window.see("Nothing further is changed until somebody decides.").await?;
    // The second wave never began.
    row_waits(&window, AHEAD).await?;

    between.let_changes(Changes::Pass);
    window.click_button("Roll back…").await?;
    window.fill("Why", "its disk is full").await?;
    window.chord(&[CONTROL], ENTER).await?;
    window.closed().await?;
    window.see("its disk is full").await?;
    desktop.hear("Rolled back: Sync to the desired version").await?;
    window.press_outside_fields('e').await?;
    window.see("brings nodes back: its disk is full.").await?;
    window.click_button("Close").await?;

    // It ends with one sealed file.
    let archive = state.path().join("halted.evidence.zip");
    seal_what_is_shown(&window, &archive).await?;
    window.press_outside_fields('1').await?;
    row_says(&window, DIVERGED, "Diverged").await?;
    row_says(&window, AHEAD, "Ahead").await?;
    window.quit().await?;
    another_profile_opens(&archive, '3', "its disk is full").await
}

/// Waits until the run that is shown says of a node that it was not begun.
async fn row_waits(window: &Window, node: &str) -> Result<()> {
    let nodes = "//section[@aria-label='Nodes']//*[self::li or self::tr]";
    let path = format!("{nodes}[contains(., {}) and contains(., 'Waiting')]", quoted(node));
    window.find(&path).await.map(drop)
}

#[tokio::test]
async fn a_rollout_whose_program_was_killed_is_picked_up_and_certified() -> Result<()> {
    let (state, data) = (TempDir::new()?, TempDir::new()?);
    let demo = Demo::start(state.path())?;
    let (mut between, file) = Between::step_in(&demo.fleet_file, DIVERGED).await?;
    let launch =
        || Launch { fleet_file: Some(&file), data_dir: Some(data.path()), ..Launch::default() };
    let window = Window::open(launch()).await?;
    row_says(&window, DIVERGED, "Diverged").await?;
    row_says(&window, AHEAD, "Ahead").await?;

    // The node gets the request; the console never hears of it, and dies waiting.
    between.let_changes(Changes::Swallow);
    roll_out_two(&window, Some("the canary answers")).await?;
    between.has_swallowed().await?;
    window.kill()?;
    between.let_changes(Changes::Pass);

    let window = Window::open(launch()).await?;
    window.see("LIVE").await?;
    window.press_outside_fields('3').await?;
    window.see("Nobody carries this out.").await?;
    window.see("1 in doubt").await?;
    window.click_button("Pick up").await?;
    window.click_button("Attest…").await?;
    window.fill("What you saw", "it answers").await?;
    window.chord(&[CONTROL], ENTER).await?;
    window.closed().await?;
    window.see("2 of 2 arrived").await?;
    // It is made half a minute after the end.
    window.see_within("All 2 targets stood as planned", Duration::from_secs(90)).await?;
    window.press_outside_fields('e').await?;
    window.see("Picked up by").await?;
    window.quit().await
}

#[tokio::test]
async fn a_version_conflict_is_led_from_its_alert_to_its_verified_end() -> Result<()> {
    let state = TempDir::new()?;
    // Without the node that is dead, which no runbook calls healthy and nobody may leave out.
    let demo = Demo::start_with(state.path(), 5)?;
    let window =
        Window::open(Launch { fleet_file: Some(&demo.fleet_file), ..Launch::default() }).await?;
    row_says(&window, DIVERGED, "Diverged").await?;

    start_conflict(&window).await?;
    // The question itself: the title of its step stands in the list from the start.
    window.see("How are they brought together?").await?;
    window.press_outside_fields('n').await?;
    window.click("//dialog//label[normalize-space()='pin the version']").await?;
    window.chord(&[CONTROL], ENTER).await?;
    window.closed().await?;
    confirm_step(&window, "Pin 2.0.0 on").await?;
    confirm_step(&window, "Sync to the desired version on").await?;
    window.see("What does the diagnosis say?").await?;
    window.press_outside_fields('n').await?;
    window.click("//dialog//label[normalize-space()='something else']").await?;
    window.chord(&[CONTROL], ENTER).await?;
    window.closed().await?;
    window.see("the Platform team was told what was tried, and took over").await?;
    window.press_outside_fields('n').await?;
    window.fill("What you saw", "they took over at 03:10").await?;
    window.chord(&[CONTROL], ENTER).await?;
    window.closed().await?;
    // Services of the demo decide some requests their own way; the runbook lets that be left out.
    window.see("Halted: All nodes give the same answers").await?;
    window.press_outside_fields('x').await?;
    window.fill("Why", "the reload services know no safety context").await?;
    window.chord(&[CONTROL], ENTER).await?;
    window.closed().await?;
    let ended = "//article//*[@role='status'][contains(., 'succeeded')]";
    window.find(ended).await?;
    for step in ["All nodes run the same version", "The bundles are healthy", "Keep the proof"] {
        let done = format!("//button[contains(., {}) and contains(., 'done: ')]", quoted(step));
        window.find(&done).await?;
    }
    window.picture("conflict-verified").await?;
    let archive = state.path().join("conflict.evidence.zip");
    seal_what_is_shown(&window, &archive).await?;
    window.press_outside_fields('1').await?;
    row_says(&window, DIVERGED, "In sync").await?;
    window.quit().await?;
    another_profile_opens(&archive, '5', "they took over at 03:10").await
}

#[tokio::test]
async fn the_first_run_offers_doors_and_a_fleet_can_be_added() -> Result<()> {
    let state = TempDir::new()?;
    let demo = Demo::start(state.path())?;
    let window = Window::open(Launch::default()).await?;
    window.see("See what has drifted").await?;
    window.find("//button[contains(., 'Open the demo fleet')]").await?;
    window.click("//button[contains(., 'Add a fleet')]").await?;
    let field = window.find("//*[@role='dialog' or self::dialog]//input[@type='text']").await?;
    field.send_keys(&demo.fleet_file.display().to_string()).await?;
    window.chord(&[CONTROL], ENTER).await?;
    window.press_outside_fields('1').await?;
    row_says(&window, DIVERGED, "Diverged").await?;
    window.quit().await
}

#[tokio::test]
async fn a_read_only_fleet_has_no_mutating_action() -> Result<()> {
    let state = TempDir::new()?;
    let demo = Demo::start(state.path())?;
    let file = demo.fleet_file.with_file_name("read-only.toml");
    let text = fs::read_to_string(&demo.fleet_file)?;
    fs::write(&file, format!("read_only = true\n{text}"))?;
    let window = Window::open(Launch { fleet_file: Some(&file), ..Launch::default() }).await?;
    row_says(&window, DIVERGED, "Diverged").await?;
    window.click(&format!("{}//*[normalize-space()={}]", row(DIVERGED), quoted(DIVERGED))).await?;
    window.see("read-only").await?;
    for word in ["Sync", "Pin", "Roll back", "Restart", "Plan sync"] {
        let path = format!("//button[starts-with(normalize-space(), {})]", quoted(word));
        assert!(!window.shows(&path).await, "a read-only fleet shows the button {word}");
    }
    window.quit().await
}

#[tokio::test]
async fn the_last_known_fleet_is_there_with_every_node_dead() -> Result<()> {
    let (state, data) = (TempDir::new()?, TempDir::new()?);
    let file = {
        let demo = Demo::start(state.path())?;
        let launch = Launch {
            fleet_file: Some(&demo.fleet_file),
            data_dir: Some(data.path()),
            ..Launch::default()
        };
        let window = Window::open(launch).await?;
        window.see("LIVE").await?;
        row_says(&window, DIVERGED, "Diverged").await?;
        window.quit().await?;
        demo.fleet_file.clone()
    };
    assert!(Path::new(&file).exists(), "the fleet file outlives the demo");
    let window = Window::open(Launch { data_dir: Some(data.path()), ..Launch::default() }).await?;
    window.see(DIVERGED).await?;
    row_says(&window, DIVERGED, "Unreachable").await?;
    window.find(&format!("{}[contains(., '2.0.0')]", row(DIVERGED))).await?;
    window.quit().await
}

/// A line of the inbox that says all of these.
fn told(words: &[&str]) -> String {
    let says: Vec<String> =
        words.iter().map(|word| format!("contains(., {})", quoted(word))).collect();
    format!("//table[@aria-label='Alerts']/tbody/tr[{}]", says.join(" and "))
}

/// Prometheus scrapes, the Alertmanager tells the hub, and whoever is on call does the rest in the window.
#[tokio::test]
async fn an_alert_of_the_monitors_is_claimed_triaged_and_closed_as_an_incident() -> Result<()> {
    let Some(monitors) = MonitorPrograms::found() else { return Ok(()) };
    let (state, folder) = (TempDir::new()?, TempDir::new()?);
    let demo = Demo::start(state.path())?;
    let _monitors = monitors.watch(&Watched {
        folder: folder.path(),
        nodes: demo.urls(),
        hub: demo.hub()?,
        token: &demo.monitor_token()?,
    })?;
    let file = demo.fleet_file_with_hub()?;
    let window = Window::open(Launch { fleet_file: Some(&file), ..Launch::default() }).await?;
    window.see("LIVE").await?;
    window.press_outside_fields('4').await?;
    // The console's own sweeps tell of another thing of the same kind, about the fleet.
    window.see_within("policy-nodes", TOLD_WITHIN).await?;
    let alert = told(&["policy-nodes", "PolicyVersionMismatch", "New", "nobody"]);
    window.picture("alert-new").await?;
    window.click(&alert).await?;
    window.find("//aside[starts-with(@aria-label, 'Alert ')]").await?;
    window.see("alertmanager/hub").await?;
    window.picture("alert-open").await?;

    window.press_outside_fields('c').await?;
    window.find(&told(&["policy-nodes", "Processing", "you"])).await?;
    window.picture("alert-claimed").await?;

    window.press_outside_fields('t').await?;
    window.fill("Note (may be empty)", "two versions at once").await?;
    window.picture("alert-triage").await?;
    window.chord(&[CONTROL], ENTER).await?;
    window.closed().await?;
    window.click_button("Show the incident").await?;
    window.find("//article[starts-with(@aria-label, 'Incident ')]").await?;
    window.see("Triage ran for alrt_").await?;
    window.see("drift groups").await?;
    window.picture("incident-open").await?;
    window.click("//summary[normalize-space()='What was frozen']").await?;
    // The demo's node that runs other content under the desired version stands among what drifted.
    window.see(DIVERGED).await?;
    window.picture("incident-frozen").await?;

    window.click_button("Mitigating").await?;
    window.see("mitigating").await?;
    window.click_button("Close…").await?;
    window.fill("How it ended", "every node was brought to one version").await?;
    window.chord(&[CONTROL], ENTER).await?;
    window.closed().await?;
    window.see("every node was brought to one version").await?;
    window.picture("incident-closed").await?;
    window.quit().await
}

#[tokio::test]
async fn a_reviewer_opens_sealed_evidence_on_another_profile_and_goes_through_it() -> Result<()> {
    let state = TempDir::new()?;
    let (archive, key) = sealed_job(state.path())?;
    let window =
        Window::open(Launch { evidence: Some((&archive, &key)), ..Launch::default() }).await?;
    window.see("EVIDENCE read-only").await?;
    window.see("as it was captured").await?;
    window.find("//table[@role='grid']//tr[contains(., 'In sync')]").await?;
    assert!(!window.shows("//button[starts-with(normalize-space(), 'Plan sync')]").await);

    // Every promise is told with its result.
    window.press('7').await?;
    window.see("Every promise holds").await?;
    window.find("//tr[contains(., 'state after every event') and contains(., 'passed')]").await?;

    // One step before the capture the run had just ended, in the state that was recorded then.
    window.click("//button[@aria-label='Event before']").await?;
    window.see("state as recorded").await?;
    // At its beginning nothing of it is known: what nodes ran was drift.
    let slider = window.find("//input[@type='range']").await?;
    window
        .client
        .execute(
            "arguments[0].value = 0; arguments[0].dispatchEvent(new Event('input', { bubbles: true }));",
            vec![serde_json::to_value(&slider)?],
        )
        .await?;
    window.see("before the first event").await?;
    window.press('3').await?;
    assert!(!window.shows("//*[contains(text(), 'nodes arrived')]").await);
    window.press('6').await?;
    window.find("//*[@role='slider' and starts-with(@aria-label, 'Moment in what')]").await?;
    window.press('5').await?;
    window.see("No runbook had been run at this moment").await?;

    // Two archives are compared by what they mean; here the same one, which is verified on both sides.
    let same = window
        .measured(&format!(
            "const done = arguments[arguments.length - 1]; \
             window.__TAURI_INTERNALS__.invoke('compare_evidence', {{ left: {0}, right: {0}, keys: [{1}], roots: [] }}).then(done, done);",
            serde_json::to_value(&archive)?,
            serde_json::to_value(&key)?
        ))
        .await?;
    assert_eq!(same["differences"], serde_json::json!([]), "{same}");
    assert_eq!(same["left_stands"], same["right_stands"], "{same}");
    assert_eq!(same["left_stands"]["why"], "every promise holds");
    window.quit().await
}

#[tokio::test]
async fn a_window_that_is_started_with_a_bad_file_opens_and_says_what_is_wrong() -> Result<()> {
    let state = TempDir::new()?;
    let (archive, key) = (state.path().join("cut-off.zip"), state.path().join("no.pem"));
    fs::write(&archive, b"PK\x03\x04 and no more")?;
    let window =
        Window::open(Launch { evidence: Some((&archive, &key)), ..Launch::default() }).await?;
    window.see("It could not be looked at").await?;
    window.see("no.pem could not be read").await?;
    // And it works as any other.
    window.press_outside_fields('8').await?;
    window.see("Credentials").await?;
    window.quit().await
}

/// Says that this process runs in a network of its own.
const APART: &str = "PLUMB_STORY_APART";

/// A network with nothing but its own loopback, without a route to anywhere.
#[test]
fn a_window_over_evidence_asks_nobody_and_needs_no_network() -> Result<()> {
    const STORY: &str = "a_window_over_evidence_asks_nobody_and_needs_no_network";
    if std::env::var_os(APART).is_some() {
        return tokio::runtime::Runtime::new()?.block_on(over_evidence_alone());
    }
    let status = Command::new("unshare")
        .args(["--map-root-user", "--net", "bash", "-ec"])
        .arg("ip link set lo up; [ -z \"$(ip route)\" ]; exec \"$0\" \"$@\"")
        .arg(std::env::current_exe()?)
        .args(["--exact", STORY, "--nocapture"])
        .env(APART, "1")
        .status()
        .context("a network of its own")?;
    ensure!(status.success(), "the story ended with {status}");
    Ok(())
}

async fn over_evidence_alone() -> Result<()> {
    let state = TempDir::new()?;
    let (archive, key) = sealed_job(state.path())?;
    // The node of a fleet that this console would sweep every few seconds.
    let node = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let fleet = state.path().join("watched.toml");
    fs::write(
        &fleet,
        format!(
            "name = \"watched\"\nsweep_interval_s = 5\n\n[[node]]\nid = \"gw-9\"\napi = \"agent\"\nurl = \"http://{}\"\n",
            node.local_addr()?
        ),
    )?;
    let launch =
        Launch { fleet_file: Some(&fleet), evidence: Some((&archive, &key)), ..Launch::default() };
    let window = Window::open(launch).await?;
    window.see("EVIDENCE read-only").await?;
    for (screen, seen) in [
        ('2', "Drift"),
        ('3', "Rollouts"),
        ('4', "Alerts"),
        ('5', "Runbooks"),
        ('6', "History"),
        ('7', "Every promise holds"),
        ('1', "as it was captured"),
    ] {
        window.press(screen).await?;
        window.see(seen).await?;
    }
    for _ in 0..5 {
        window.click("//button[@aria-label='Event before']").await?;
        window.see("state as recorded").await?;
    }
    let asked = tokio::time::timeout(Duration::ZERO, node.accept()).await;
    ensure!(asked.is_err(), "somebody asked a node while evidence was open");
    window.press('7').await?;
    window.click_button("Back to the fleets").await?;
    // With the fleets on screen again their nodes are asked.
    tokio::time::timeout(Duration::from_secs(40), node.accept())
        .await
        .context("the fleet is swept again")??;
    window.quit().await
}

#[tokio::test]
async fn evidence_is_painted_where_there_is_no_network_at_all() -> Result<()> {
    let state = TempDir::new()?;
    let (archive, key) = sealed_job(state.path())?;
    let began = Instant::now();
    // A network of its own, without a route and with its loopback down.
    let output = Command::new("unshare")
        .args(["--map-root-user", "--net"])
        .arg(program("PLUMBLINE_BIN", "plumbline")?)
        .arg("--data-dir")
        .arg(state.path().join("offline"))
        .arg("--measure-start")
        .arg("--key")
        .args([&key, &archive])
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let figures: serde_json::Value = serde_json::from_str(said.lines().last().unwrap_or_default())
        .with_context(|| format!("{said}{}", String::from_utf8_lossy(&output.stderr)))?;
    assert!(figures["start_ms"].is_number(), "{figures}");
    println!(
        "painted {} ms after its start, ended {:?} after it",
        figures["start_ms"],
        began.elapsed()
    );
    Ok(())
}
