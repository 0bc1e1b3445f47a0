//! Photographs every screen of the built window on the demo fleet, in both sizes and themes.

use std::{env, path::PathBuf, time::Duration};

use anyhow::{Context as _, Result};
use e2e_tests::{Demo, Launch, Window, window::CONTROL};
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
            album(&folder, theme, size).await.with_context(|| format!("{theme} at {size:?}"))?;
        }
    }
    Ok(())
}

async fn album(folder: &std::path::Path, theme: &str, (width, height): (u32, u32)) -> Result<()> {
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
    window.press_outside_fields('3').await?;
    window.see("Rollouts").await?;
    camera.take(&window, "rollouts").await?;
    window.press_outside_fields('4').await?;
    window.see("Credentials").await?;
    camera.take(&window, "settings").await?;
    window.press_outside_fields('5').await?;
    window.see("Drift states").await?;
    camera.take(&window, "help").await?;
    window.press_outside_fields('1').await?;
    window.chord(&[CONTROL], 'k').await?;
    window.find("//*[@role='combobox']").await?;
    camera.take(&window, "palette").await?;
    window.quit().await
}

struct Camera<'a> {
    folder: &'a std::path::Path,
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
