//! Stories of a person at the built window, ten at most; everything else is tested lower.

use std::{fs, path::Path};

use anyhow::Result;
use e2e_tests::{
    Demo, Launch, Window,
    window::{CONTROL, ENTER, quoted},
};
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
        let launch = Launch { fleet_file: Some(&demo.fleet_file), data_dir: Some(data.path()) };
        let window = Window::open(launch).await?;
        window.see("LIVE").await?;
        row_says(&window, DIVERGED, "Diverged").await?;
        window.quit().await?;
        demo.fleet_file.clone()
    };
    assert!(Path::new(&file).exists(), "the fleet file outlives the demo");
    let window = Window::open(Launch { fleet_file: None, data_dir: Some(data.path()) }).await?;
    window.see(DIVERGED).await?;
    row_says(&window, DIVERGED, "Unreachable").await?;
    window.find(&format!("{}[contains(., '2.0.0')]", row(DIVERGED))).await?;
    window.quit().await
}
