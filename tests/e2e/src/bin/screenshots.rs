//! Photographs every screen of the built window on the demo fleet, in both sizes and themes.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{
    Demo, Launch, Window,
    acts::{plan_rollout, sign_with_file, start_conflict},
    demo::sealed_job,
    program::program,
    window::{CONTROL, ENTER},
};
use fantoccini::Locator;
use serde_json::json;
use tempfile::TempDir;

const SIZES: [(u32, u32); 2] = [(1280, 800), (1920, 1080)];
const THEMES: [&str; 3] = ["dark", "light", "contrast"];
/// Lets fonts, charts and the end of a transition settle before the picture.
const SETTLE: Duration = Duration::from_millis(700);

#[tokio::main]
async fn main() -> Result<()> {
    let folder = env::var_os("PLUMB_SCREENSHOTS")
        .map_or_else(|| PathBuf::from("target/screenshots"), PathBuf::from);
    std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    for theme in THEMES {
        for size in SIZES {
            let said = || format!("{theme} at {size:?}");
            album(&folder, theme, size).await.with_context(said)?;
            approvals(&folder, theme, size).await.with_context(said)?;
            evidence(&folder, theme, size).await.with_context(said)?;
        }
    }
    Ok(())
}

async fn album(folder: &Path, theme: &str, (width, height): (u32, u32)) -> Result<()> {
    let state = TempDir::new()?;
    let demo = Demo::start(state.path())?;
    let first = Window::open(Launch::default()).await?;
    let camera = Camera { folder, theme, width, height };
    camera.prepare(&first).await?;
    first.see("Open the demo fleet").await?;
    camera.take(&first, "first-run").await?;
    first.quit().await?;

    let window =
        Window::open(Launch { fleet_file: Some(&demo.fleet_file), ..Launch::default() }).await?;
    camera.prepare(&window).await?;
    window.see("LIVE").await?;
    window.see("Diverged").await?;
    camera.take(&window, "fleet").await?;
    // By its name: the middle of a row is a digest, which a click copies.
    window.click("//table[@role='grid']//tr//*[normalize-space()='eu-gw-002' and not(*)]").await?;
    window.find("//aside[@aria-label='Node eu-gw-002']").await?;
    camera.take(&window, "node").await?;
    // One node would be synced at once, with an undo; several are asked about.
    window.click("//button[contains(., 'Plan sync of')]").await?;
    window.see("The same by hand").await?;
    camera.take(&window, "plan").await?;
    window.click_button("Cancel").await?;
    window.press_outside_fields('2').await?;
    window
        .click("//button[contains(., 'same version, other content')][contains(@title, 'Diverged')]")
        .await?;
    window.find("//*[@role='region' and contains(@aria-label, 'side by side')]").await?;
    camera.take(&window, "drift").await?;
    window.click("//*[@role='tab' and normalize-space()='Decisions']").await?;
    window.find("//section[@aria-label='What the requests reached']").await?;
    camera.take(&window, "decisions").await?;
    window.press_outside_fields('3').await?;
    window.see("Rollouts").await?;
    camera.take(&window, "rollouts").await?;
    window.press_outside_fields('4').await?;
    window.find("//*[@role='grid' and @aria-label='Alerts']").await?;
    camera.take(&window, "alerts").await?;
    runbooks(&camera, &window).await?;
    window.press_outside_fields('8').await?;
    window.see("Credentials").await?;
    camera.take(&window, "settings").await?;
    window.press_outside_fields('9').await?;
    window.see("Drift states").await?;
    camera.take(&window, "help").await?;
    // Last, for it adds to what drifts.
    window.press_outside_fields('2').await?;
    harm(&camera, &window, &demo.fleet_file).await?;
    window.press_outside_fields('1').await?;
    window.chord(&[CONTROL], 'k').await?;
    window.find("//*[@role='combobox']").await?;
    camera.take(&window, "palette").await?;
    window.quit().await
}

/// Sealed evidence as a reviewer sees it: its checks, a moment of its run, and what nodes ran.
async fn evidence(folder: &Path, theme: &str, (width, height): (u32, u32)) -> Result<()> {
    let state = TempDir::new()?;
    let (archive, key) = sealed_job(state.path())?;
    let camera = Camera { folder, theme, width, height };
    let window =
        Window::open(Launch { evidence: Some((&archive, &key)), ..Launch::default() }).await?;
    camera.prepare(&window).await?;
    window.see("as it was captured").await?;
    window.press_outside_fields('7').await?;
    window.see("Every promise holds").await?;
    camera.take(&window, "evidence").await?;
    // To the last decision, where the run had nodes behind it and nodes before it.
    window.press_outside_fields('<').await?;
    window.press_outside_fields('<').await?;
    window.see("state as recorded").await?;
    window.press_outside_fields('3').await?;
    window.see("Rollouts").await?;
    camera.take(&window, "evidence-rollout").await?;
    window.press_outside_fields('1').await?;
    window.find("//table[@role='grid']").await?;
    camera.take(&window, "evidence-fleet").await?;
    window.press_outside_fields('6').await?;
    window.find("//canvas[@role='slider']").await?;
    camera.take(&window, "evidence-history").await?;
    window.quit().await
}

/// A runbook, and a run of it that waits for whoever runs it.
async fn runbooks(camera: &Camera<'_>, window: &Window) -> Result<()> {
    window.press_outside_fields('5').await?;
    window.click("//*[@aria-label='Runbooks']//button[contains(., 'Version Conflicts')]").await?;
    window.find("//article[contains(@aria-label, 'Version Conflicts')]").await?;
    camera.take(window, "runbooks").await?;
    start_conflict(window).await?;
    window.see("Waits for whoever runs it to confirm the plan").await?;
    camera.take(window, "runbook-run").await?;
    window.click("//button[starts-with(normalize-space(), 'Abort')]").await?;
    window.chord(&[CONTROL], ENTER).await?;
    window.closed().await
}

/// A release whose text only has its lines moved, on one node: the text beside the decisions.
async fn harm(camera: &Camera<'_>, window: &Window, fleet_file: &Path) -> Result<()> {
    let data = TempDir::new()?;
    let mut pin = Command::new(program("PLUMB_BIN", "plumb")?);
    pin.arg("--data-dir").arg(data.path()).arg("--fleet-file").arg(fleet_file).args([
        "policy",
        "pin",
        "--version",
        "2.0.1",
        "--sync",
        "--node",
        "eu-ledger-001",
        "--yes",
    ]);
    let pinned = pin.stdout(Stdio::null()).status().context("pinning one node")?;
    ensure!(pinned.success(), "the node was not brought to 2.0.1: {pinned}");
    window.click("//button[contains(., '2.0.1') and contains(., '1 node')]").await?;
    window.click("//*[@role='tab' and normalize-space()='Text']").await?;
    window.click("//*[@role='option'][contains(., 'cards.pan.read')]").await?;
    camera.take(window, "harm-text").await?;
    window.click("//*[@role='tab' and normalize-space()='Decisions']").await?;
    window.find("//section[@aria-label='What the requests reached']").await?;
    // Looking for it brings it into view, and the verdict stands first.
    window.find("//*[@role='status'][contains(., 'answered differently')]").await?;
    camera.take(window, "harm-decisions").await
}

/// A rollout that others must consent to, on the profiles of those who ask and approve.
async fn approvals(folder: &Path, theme: &str, (width, height): (u32, u32)) -> Result<()> {
    let state = TempDir::new()?;
    let demo = Demo::start(state.path())?;
    let camera = Camera { folder, theme, width, height };
    let path = |name: &str| state.path().join(name).display().to_string();
    let (console, asks) = demo.person("avery")?;
    let (asks, passphrase) = (asks.display().to_string(), demo.passphrase()?);
    let window = Window::open(Launch { data_dir: Some(&console), ..Launch::default() }).await?;
    camera.prepare(&window).await?;
    window.see(demo.approved_fleet()?).await?;
    window.see("Diverged").await?;
    plan_rollout(&window).await?;
    window.see("avery has not asked yet").await?;
    camera.take(&window, "approvals-open").await?;
    window.click_button("Request approval…").await?;
    window.fill("Save the request as", &path("request.json")).await?;
    camera.take(&window, "approvals-request").await?;
    sign_with_file(&window, &asks, passphrase).await?;
    window.closed().await?;
    window.see("Missing: 1 of platform-security").await?;
    camera.take(&window, "approvals-asked").await?;

    let (profile, key) = demo.person("robin")?;
    let other = Window::open(Launch { data_dir: Some(&profile), ..Launch::default() }).await?;
    camera.prepare(&other).await?;
    other.see("LIVE").await?;
    other.press_outside_fields('3').await?;
    other.click_button("Answer a request…").await?;
    other.fill("Request that you were sent", &path("request.json")).await?;
    other.click("//button[normalize-space()='Open the request']").await?;
    other.see("1 of storage, and 1 of platform-security").await?;
    other.fill("Save the answer as", &path("answer.json")).await?;
    camera.take(&other, "approvals-answer").await?;
    sign_with_file(&other, &key.display().to_string(), passphrase).await?;
    other.see("Approved by robin").await?;
    other.quit().await?;

    window.click_button("Add an answer…").await?;
    window.fill("Signed answer", &path("answer.json")).await?;
    camera.take(&window, "approvals-add").await?;
    window.chord(&[CONTROL], ENTER).await?;
    window.closed().await?;
    window.see("robin approves for").await?;
    camera.take(&window, "approvals-partly").await?;
    window.click_button("Sign…").await?;
    window.find("//select[@id='key-choice']").await?;
    camera.take(&window, "approvals-sign").await?;
    window.click_button("Cancel").await?;
    // Another plan of the same nodes: what was signed is void, with the difference.
    window.click_button("Change it").await?;
    window.fill("Shares", "25").await?;
    window.chord(&[CONTROL], ENTER).await?;
    window.see("it does not count").await?;
    camera.take(&window, "approvals-void").await?;
    refused(&camera, &window).await?;
    roster(&camera, &window).await?;
    window.quit().await
}

/// What no node may take, and who enforces that.
async fn refused(camera: &Camera<'_>, window: &Window) -> Result<()> {
    window.press_outside_fields('3').await?;
    window.click_button("Refused content").await?;
    window.find("//section[@aria-label='The signed list']").await?;
    camera.take(window, "refused").await?;
    window.click("//button[contains(., 'Refuse a content…')]").await?;
    window.find("//select[@id='refused-content']").await?;
    camera.take(window, "refused-add").await?;
    window.click_button("Cancel").await
}

/// Who may approve, and how a newer list of them is taken.
async fn roster(camera: &Camera<'_>, window: &Window) -> Result<()> {
    window.press_outside_fields('8').await?;
    window.find("//section[starts-with(@aria-label, 'Approver roster of')]").await?;
    camera.take(window, "roster").await?;
    window.find("//section[@aria-label='My signing keys']").await?;
    let script = "document.querySelector('[aria-label=\"My signing keys\"]').scrollIntoView()";
    window.client.execute(script, vec![]).await.context("looking at the keys")?;
    camera.take(window, "own-keys").await?;
    window.click_button("Take a newer version…").await?;
    window.find("//input[@id='roster-path']").await?;
    camera.take(window, "roster-newer").await?;
    window.click_button("Cancel").await
}

struct Camera<'a> {
    folder: &'a Path,
    theme: &'a str,
    width: u32,
    height: u32,
}

impl Camera<'_> {
    async fn prepare(&self, window: &Window) -> Result<()> {
        window
            .client
            .set_window_rect(0, 0, self.width, self.height)
            .await
            .context("sizing the window")?;
        let script = "document.documentElement.dataset.theme = arguments[0]";
        window.client.execute(script, vec![json!(self.theme)]).await.context("choosing a theme")?;
        window.client.wait().for_element(Locator::Css("body")).await?;
        Ok(())
    }

    async fn take(&self, window: &Window, screen: &str) -> Result<()> {
        tokio::time::sleep(SETTLE).await;
        let name = format!("{screen}-{}-{}x{}.png", self.theme, self.width, self.height);
        window.screenshot(&self.folder.join(name)).await
    }
}
