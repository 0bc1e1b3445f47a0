//! What stories and pictures do alike.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, Result, ensure};

use crate::window::{CONTROL, ENTER, Launch, Window, quoted};

/// Plans a rollout of every drifted node and waits for its review.
pub async fn plan_rollout(window: &Window) -> Result<()> {
    window.press_outside_fields('3').await?;
    window.click("//button[contains(., 'New rollout…') or contains(., 'Plan a rollout…')]").await?;
    window.fill("Soak", "0").await?;
    window.chord(&[CONTROL], ENTER).await?;
    window.find("//*[@role='region' or self::section][@aria-label='Waves in order']").await?;
    Ok(())
}

/// Plans a rollout that pins these nodes to a version, and waits for its review.
pub async fn plan_pinned(window: &Window, nodes: &[&str], version: &str) -> Result<()> {
    for node in nodes {
        let mark = quoted(&format!("Mark {node}"));
        window.click(&format!("//*[@role='checkbox' and @aria-label={mark}]")).await?;
    }
    window.click_button("In waves…").await?;
    window.click("//label[normalize-space()='Pin to a version and sync']").await?;
    window.click("//button[@aria-haspopup='menu' and @aria-label='Version']").await?;
    let item = format!("//*[@role='menuitemradio'][contains(., {})]", quoted(version));
    window.click(&item).await?;
    window.fill("Soak", "0").await?;
    window.chord(&[CONTROL], ENTER).await?;
    window.find("//*[@role='region' or self::section][@aria-label='Waves in order']").await?;
    Ok(())
}

/// Types the phrase that the review asks for, where it asks for one, and starts.
pub async fn start_rollout(window: &Window) -> Result<()> {
    let field = "//input[starts-with(@aria-label, 'Type ')]";
    if window.shows(field).await {
        let field = window.find(field).await?;
        let label = field.attr("aria-label").await?.unwrap_or_default();
        let phrase = label.trim_start_matches("Type ").trim_end_matches(" to go on");
        field.send_keys(phrase).await?;
    }
    window.chord(&[CONTROL], ENTER).await
}

/// Signs in the dialog that is open with a key file.
pub async fn sign_with_file(window: &Window, key: &str, passphrase: &str) -> Result<()> {
    let keys = window.find("//select[@id='key-choice']").await?;
    keys.select_by_value("file:").await?;
    window.fill("Key file", key).await?;
    window.fill("Passphrase", passphrase).await?;
    window.chord(&[CONTROL], ENTER).await
}

/// Starts the runbook of version conflicts from the alert that tells of one, with what the alert names.
pub async fn start_conflict(window: &Window) -> Result<()> {
    window.press_outside_fields('4').await?;
    let alert = quoted("nodes run another policy version than the desired one");
    window
        .click(&format!("//table[@role='grid' and @aria-label='Alerts']//tr[contains(., {alert})]"))
        .await?;
    window.click_button("Start: Policy Engine - Policy Version Conflicts").await?;
    window.see("Filled in from what you looked at: content, node, version").await?;
    window.chord(&[CONTROL], ENTER).await?;
    window.closed().await?;
    window.find("//article[starts-with(@aria-label, 'Run ')]").await.map(drop)
}

/// Gives what a run of a runbook waits for: the phrase of its plan where it asks for one.
pub async fn confirm_step(window: &Window, says: &str) -> Result<()> {
    window.see(says).await?;
    window.see("Waits for whoever runs it to confirm the plan").await?;
    window.press_outside_fields('n').await?;
    window.find("//dialog[@open]").await?;
    let field = "//dialog//input[@id='word-text']";
    if window.shows(field).await {
        let label = window.find("//dialog//label[@for='word-text']").await?.text().await?;
        let phrase = label.trim_start_matches("Type ").trim_end_matches(" to carry it out");
        window.find(field).await?.send_keys(phrase).await?;
    }
    window.chord(&[CONTROL], ENTER).await?;
    window.closed().await
}

/// Captures evidence of the run that is shown, looks at what is taken out, and seals it.
pub async fn seal_what_is_shown(window: &Window, archive: &Path) -> Result<()> {
    window.click_button("Capture evidence").await?;
    window.click_button("Preview what is taken out").await?;
    window.see("Nothing of this was kept.").await?;
    let path = archive.to_str().context("a path in UTF-8")?;
    window.fill("Save the archive as", path).await?;
    window.chord(&[CONTROL], ENTER).await?;
    window.closed().await?;
    window.see("Every promise holds").await?;
    ensure!(archive.is_file(), "it lies where it was wanted");
    Ok(())
}

/// Somebody else with the key of whoever sealed it verifies the archive, goes through it, and finds on the screen of
/// this key what was decided.
pub async fn another_profile_opens(archive: &Path, screen: char, decided: &str) -> Result<()> {
    let key = archive.with_extension("pem");
    let signer = Command::new("unzip").arg("-p").arg(archive).arg("signer.pem").output()?;
    ensure!(signer.status.success(), "the archive opens anywhere, and has its public key");
    fs::write(&key, signer.stdout)?;
    let window =
        Window::open(Launch { evidence: Some((archive, &key)), ..Launch::default() }).await?;
    window.see("EVIDENCE read-only").await?;
    window.press('7').await?;
    window.see("Every promise holds").await?;
    window.find("//tr[contains(., 'state after every event') and contains(., 'passed')]").await?;
    window.click("//button[@aria-label='Event before']").await?;
    window.see("state as recorded").await?;
    window.press(screen).await?;
    window.see(decided).await?;
    window.quit().await
}
