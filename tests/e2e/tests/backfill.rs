//! The story of a backfill in the built window: two guilds approve it with keys, its job fails, and what it
//! wrote is taken back; then it runs to its end.

use std::fs;

use anyhow::Result;
use e2e_tests::{
    Demo, Launch, Window,
    acts::{another_profile_opens, seal_what_is_shown, sign_with_file},
    guilds::{Guilds, PASSPHRASE},
    window::{CONTROL, ENTER, quoted},
};
use tempfile::TempDir;

/// Starts the backfill from the library, signed by dana.
async fn start(window: &Window, guilds: &Guilds) -> Result<()> {
    window.press_outside_fields('5').await?;
    window.click("//*[@aria-label='Runbooks']//button[contains(., 'Supersedes backfill')]").await?;
    window.find("//article[contains(@aria-label, 'Supersedes backfill')]").await?;
    window.click("//button[starts-with(normalize-space(), 'Start…')]").await?;
    window.fill("How many new supersedes records are expected? expected", "1200").await?;
    let log = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    let label = "What is the SHA-256 of the log that shows duplicates rejected? index_log";
    window.fill(label, log).await?;
    let folder = guilds.job().display().to_string();
    window.fill("Folder in which its commands run", &folder).await?;
    window.see("whoever signs here approves nothing of this run").await?;
    sign_with_file(window, &guilds.key("dana").display().to_string(), PASSPHRASE).await?;
    window.closed().await?;
    window.find("//article[starts-with(@aria-label, 'Run ')]").await.map(drop)
}

/// Gives what is waited for: somebody saw it, or told others.
async fn give(window: &Window, says: &str, label: &str, words: &str) -> Result<()> {
    window.see(says).await?;
    window.press_outside_fields('n').await?;
    window.fill(label, words).await?;
    window.chord(&[CONTROL], ENTER).await?;
    window.closed().await
}

async fn attest(window: &Window, says: &str) -> Result<()> {
    give(window, says, "What you saw", "looked at it at 02:10").await
}

/// Signs consent in the dialog of the run, for the group that it offers first or for this one.
async fn approve(window: &Window, guilds: &Guilds, who: &str) -> Result<()> {
    window.press_outside_fields('n').await?;
    window.find("//dialog[@open]").await?;
    sign_with_file(window, &guilds.key(who).display().to_string(), PASSPHRASE).await
}

/// Everything before the job: preconditions, consent of both guilds, and the freeze.
async fn up_to_the_job(window: &Window, guilds: &Guilds, runner_tries: bool) -> Result<()> {
    attest(window, "duplicate inserts into advisory_raw are rejected in staging").await?;
    attest(window, "shards, TTL and tombstones are in place").await?;
    attest(window, "transport to NATS and Redis is disabled").await?;
    attest(window, "the mirror holds the hashes of advisory_raw").await?;
    window.see("Waits for consent of Concelier Storage Guild and Platform Security").await?;
    if runner_tries {
        approve(window, guilds, "dana").await?;
        window.see("whoever runs it does not approve it").await?;
        window.click_button("Cancel").await?;
        window.closed().await?;
    }
    approve(window, guilds, "sam").await?;
    window.closed().await?;
    window.see("Waits for consent of Platform Security").await?;
    approve(window, guilds, "kim").await?;
    window.closed().await?;
    give(
        window,
        "ingest and the outbox publisher stand still during the supersedes backfill",
        "Where you announced it",
        "in the channel of the guild",
    )
    .await?;
    window.see("A freeze is announced.").await?;
    window.click("//button[normalize-space()='Do not wait…']").await?;
    window.fill("Why", "it was announced yesterday").await?;
    window.chord(&[CONTROL], ENTER).await?;
    window.closed().await?;
    window.see("The fleet is frozen").await?;
    attest(window, "ingest workers run with CONCELIER_INGEST_ENABLED=false").await?;
    window.see("How was the publisher silenced?").await?;
    window.press_outside_fields('n').await?;
    window.click("//dialog//label[normalize-space()='stopped']").await?;
    window.chord(&[CONTROL], ENTER).await?;
    window.closed().await
}

/// Lifts what stood still, and waits for the word of how the run ended.
async fn unfrozen(window: &Window, end: &str) -> Result<()> {
    attest(window, "ingest workers and the outbox publisher are enabled").await?;
    attest(window, "one replayed event was seen at its consumer").await?;
    let ended = format!("//article//*[@role='status'][contains(., {})]", quoted(end));
    window.find(&ended).await.map(drop)
}

/// A file in the evidence of the run that is shown.
async fn kept(window: &Window, file: &str) -> Result<()> {
    let path = format!("//section[@aria-label='Evidence']//li[contains(., {})]", quoted(file));
    window.find(&path).await.map(drop)
}

#[tokio::test]
async fn a_backfill_is_approved_by_two_guilds_taken_back_where_it_fails_and_reported() -> Result<()>
{
    let (state, folder) = (TempDir::new()?, TempDir::new()?);
    let demo = Demo::start_with(state.path(), 3)?;
    let guilds = Guilds::found(folder.path(), &demo.fleet_file)?;
    let fault = guilds.job().join("fault-error");
    fs::write(&fault, "")?;
    let profile = guilds.profile();
    let window = Window::open(Launch { data_dir: Some(&profile), ..Launch::default() }).await?;
    window.see("LIVE").await?;

    start(&window, &guilds).await?;
    window.see("start signed by dana (").await?;
    up_to_the_job(&window, &guilds, true).await?;
    // The job stops at its first error; its window is removed, and only then the freeze is lifted.
    window.see("ingest workers and the outbox publisher are enabled").await?;
    assert_eq!(guilds.database("SELECT count(*) FROM supersedes")?, "0");
    let calls = fs::read_to_string(guilds.job().join("calls.log"))?;
    let told: Vec<&str> = calls.lines().collect();
    let job = "job --batch-size=500 --stop-on-error";
    let dry = format!("{job} --dry-run");
    assert_eq!(told, [dry.as_str(), "snapshot take", job, "rollback"]);
    kept(&window, "dry-run.json").await?;
    window.picture("backfill-taken-back").await?;
    unfrozen(&window, "rolled back").await?;
    assert!(!window.text().await.contains("The fleet is frozen"), "the freeze is lifted");
    let (back, done) = (state.path().join("back.zip"), state.path().join("done.zip"));
    seal_what_is_shown(&window, &back).await?;

    // What was wrong is mended, and the same job runs to its end under consent of its own.
    fs::remove_file(&fault)?;
    start(&window, &guilds).await?;
    up_to_the_job(&window, &guilds, false).await?;
    attest(&window, "/advisories/summary returns supersedes metadata").await?;
    unfrozen(&window, "succeeded").await?;
    for file in ["command.json", "report.json", "violations.json", "consistency.json"] {
        kept(&window, file).await?;
    }
    assert_eq!(guilds.database("SELECT count(*) FROM supersedes")?, "1200");
    window.picture("backfill-reported").await?;
    seal_what_is_shown(&window, &done).await?;
    window.quit().await?;
    another_profile_opens(&back, '5', "rolled back").await?;
    another_profile_opens(&done, '5', "consistency.json").await
}
