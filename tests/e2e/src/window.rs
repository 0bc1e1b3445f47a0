//! The window as a person uses it: by role, name and key.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use fantoccini::{
    Client, Locator,
    actions::{
        InputSource as _, KeyAction, KeyActions, MOUSE_BUTTON_LEFT, MouseActions, PointerAction,
    },
    elements::Element,
};
use serde::Deserialize;
use serde_json::json;
use tempfile::TempDir;

use crate::{driver::Driver, program::program};

/// The keys that stories hold or press beside letters.
pub const CONTROL: char = '\u{e009}';
pub const ENTER: char = '\u{e007}';

/// How long something may take to appear: a sync waits for sweeps and for slow nodes to time out.
const APPEAR_MAX: Duration = Duration::from_secs(40);

/// Answers where the first shown element of an XPath is. Asked of the page itself: the driver takes text that an
/// ellipsis may cut for hidden.
const FIRST_SHOWN: &str = r"
    const found = document.evaluate(arguments[0], document, null, XPathResult.ORDERED_NODE_SNAPSHOT_TYPE, null);
    for (let index = 0; index < found.snapshotLength; index++) {
        const element = found.snapshotItem(index);
        if (!element.checkVisibility({ visibilityProperty: true })) continue;
        element.scrollIntoView({ block: 'nearest', inline: 'nearest' });
        const { x, y, width, height } = element.getBoundingClientRect();
        if (height > 0) return { index, x: Math.round(x + width / 2), y: Math.round(y + height / 2) };
    }
    return null;
";

/// The first shown element of an XPath: which one it is, and its middle in the window.
#[derive(Debug, Deserialize)]
struct Place {
    index: usize,
    x: f64,
    y: f64,
}

/// How a window is started.
#[derive(Debug, Default)]
pub struct Launch<'a> {
    pub fleet_file: Option<&'a Path>,
    /// Kept between two windows of one story; a fresh one otherwise.
    pub data_dir: Option<&'a Path>,
    /// An archive that it is started with, and the public key of whoever sealed it.
    pub evidence: Option<(&'a Path, &'a Path)>,
}

/// An open window with a private home.
#[derive(Debug)]
pub struct Window {
    pub client: Client,
    driver: Driver,
    _home: TempDir,
}

impl Window {
    pub async fn open(launch: Launch<'_>) -> Result<Self> {
        let home = TempDir::new()?;
        let path = |name: &str| home.path().join(name).display().to_string();
        let environment = [
            ("HOME", path("home")),
            ("XDG_DATA_HOME", path("data")),
            ("XDG_CONFIG_HOME", path("config")),
            ("XDG_CACHE_HOME", path("cache")),
        ];
        for (_, folder) in &environment {
            std::fs::create_dir_all(folder)?;
        }
        let driver = Driver::start(&environment).await?;
        let data = launch.data_dir.map_or_else(|| home.path().join("plumbline"), Path::to_owned);
        let mut arguments = vec!["--data-dir".to_owned(), data.display().to_string()];
        if let Some(file) = launch.fleet_file {
            arguments.extend(["--fleet-file".to_owned(), file.display().to_string()]);
        }
        if let Some((archive, key)) = launch.evidence {
            let path = |path: &Path| path.display().to_string();
            arguments.extend(["--key".to_owned(), path(key), path(archive)]);
        }
        let binary = program("PLUMBLINE_BIN", "plumbline")?;
        let client = driver.open(&binary.display().to_string(), &arguments).await?;
        client.set_window_rect(0, 0, 1280, 800).await.context("sizing the window")?;
        Ok(Self { client, driver, _home: home })
    }

    /// Waits for an element of an XPath that is shown.
    pub async fn find(&self, path: &str) -> Result<Element> {
        let started = Instant::now();
        loop {
            if let Some(place) = self.shown(path).await {
                let found = self.client.find_all(Locator::XPath(path)).await.unwrap_or_default();
                if let Some(element) = found.into_iter().nth(place.index) {
                    return Ok(element);
                }
            }
            if started.elapsed() > APPEAR_MAX {
                bail!("{path} did not appear; the page says: {}", self.text().await);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Whether an element of an XPath is shown now.
    pub async fn shows(&self, path: &str) -> bool {
        self.shown(path).await.is_some()
    }

    /// The first shown element of an XPath, scrolled into view.
    async fn shown(&self, path: &str) -> Option<Place> {
        let found = self.client.execute(FIRST_SHOWN, vec![json!(path)]).await.ok()?;
        serde_json::from_value(found).ok()
    }

    /// Waits until the page shows a text.
    pub async fn see(&self, text: &str) -> Result<()> {
        self.see_within(text, APPEAR_MAX).await
    }

    /// The same for what takes longer by design.
    pub async fn see_within(&self, text: &str, max: Duration) -> Result<()> {
        let started = Instant::now();
        while started.elapsed() < max {
            if self.text().await.contains(text) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!("{text:?} was not shown; the page says: {}", self.text().await)
    }

    /// What a script of the page tells when it is done: its last argument is the function to tell it with.
    pub async fn measured(&self, script: &str) -> Result<serde_json::Value> {
        self.client.execute_async(script, Vec::new()).await.context("measuring in the page")
    }

    /// Everything the page shows now.
    pub async fn text(&self) -> String {
        let text = self.client.execute("return document.body.innerText", Vec::new()).await;
        text.ok().and_then(|text| text.as_str().map(str::to_owned)).unwrap_or_default()
    }

    /// Moves the pointer to the middle of an element and clicks.
    pub async fn click(&self, path: &str) -> Result<()> {
        self.find(path).await?;
        let place = self.shown(path).await.with_context(|| format!("{path} went away"))?;
        let pointer = MouseActions::new("mouse".to_owned())
            .then(PointerAction::MoveTo { duration: None, x: place.x, y: place.y })
            .then(PointerAction::Down { button: MOUSE_BUTTON_LEFT })
            .then(PointerAction::Up { button: MOUSE_BUTTON_LEFT });
        self.client.perform_actions(pointer).await.with_context(|| format!("clicking {path}"))
    }

    pub async fn click_button(&self, name: &str) -> Result<()> {
        self.click(&button(name)).await
    }

    /// Writes into a field that has this label, in place of what it holds.
    pub async fn fill(&self, label: &str, text: &str) -> Result<()> {
        let path = format!(
            "//*[(self::input or self::textarea) and @id = //label[normalize-space()={}]/@for]",
            quoted(label)
        );
        let field = self.find(&path).await?;
        field.clear().await.with_context(|| format!("clearing {label}"))?;
        field.send_keys(text).await.with_context(|| format!("writing into {label}"))
    }

    /// Waits until no dialog is open.
    pub async fn closed(&self) -> Result<()> {
        let started = Instant::now();
        while self.shows("//dialog[@open]").await {
            if started.elapsed() > APPEAR_MAX {
                bail!("a dialog stays open; the page says: {}", self.text().await);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// Presses a key of the keyboard as a whole: down and up.
    pub async fn press(&self, key: char) -> Result<()> {
        self.chord(&[], key).await
    }

    /// Presses a key while others are held.
    pub async fn chord(&self, held: &[char], key: char) -> Result<()> {
        let mut keys = KeyActions::new("keyboard".to_owned());
        for held in held {
            keys = keys.then(KeyAction::Down { value: *held });
        }
        keys = keys.then(KeyAction::Down { value: key }).then(KeyAction::Up { value: key });
        for held in held.iter().rev() {
            keys = keys.then(KeyAction::Up { value: *held });
        }
        self.client.perform_actions(keys).await.context("pressing keys")
    }

    /// Presses a key once no dialog is open and no field has the focus: keys do nothing in a field.
    pub async fn press_outside_fields(&self, key: char) -> Result<()> {
        let free = "return document.querySelector('dialog[open], [role=dialog]') === null \
                    && !['INPUT', 'TEXTAREA', 'SELECT'].includes(document.activeElement?.tagName ?? '')";
        let started = Instant::now();
        while started.elapsed() < APPEAR_MAX {
            if self.client.execute(free, Vec::new()).await?.as_bool() == Some(true) {
                return self.press(key).await;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!("a dialog or field keeps the focus; the page says: {}", self.text().await)
    }

    pub async fn screenshot(&self, file: &Path) -> Result<()> {
        let picture = self.client.screenshot().await.context("taking a picture")?;
        std::fs::write(file, picture).with_context(|| format!("writing {}", file.display()))
    }

    /// Takes a picture where `PLUMB_SCREENSHOTS` names a folder for them.
    pub async fn picture(&self, name: &str) -> Result<()> {
        let Some(folder) = std::env::var_os("PLUMB_SCREENSHOTS") else { return Ok(()) };
        self.screenshot(&Path::new(&folder).join(format!("story-{name}.png"))).await
    }

    /// Ends the program as a power cut would.
    pub fn kill(mut self) -> Result<()> {
        self.driver.kill(&program("PLUMBLINE_BIN", "plumbline")?)
    }

    /// Leaves through the program's own door, so that everything is closed properly.
    pub async fn quit(self) -> Result<()> {
        let script = "window.__TAURI_INTERNALS__.invoke('quit')";
        // The session ends with the window, so an answer is not always had.
        let _ = self.client.execute(script, Vec::new()).await;
        Ok(())
    }
}

/// An XPath for a button by its name, whether shown or given by a label.
pub fn button(name: &str) -> String {
    format!(
        "//button[normalize-space()={0} or @aria-label={0} or starts-with(normalize-space(), {0})]",
        quoted(name)
    )
}

/// A text as XPath quotes it.
pub fn quoted(text: &str) -> String {
    if text.contains('\'') { format!("\"{text}\"") } else { format!("'{text}'") }
}
