//! A stand-in for the notification service of a desktop, on the session's bus.

#![allow(
    clippy::unused_self,
    clippy::unused_async,
    clippy::used_underscore_binding,
    reason = "the interface says what a call has, and its macro uses all of it"
)]

use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::sync::mpsc;
use zbus::{connection, fdo, zvariant::Value};

/// Where the service is on the bus.
const PATH: &str = "/org/freedesktop/Notifications";
/// Longest wait for a notification: a run moves first.
const HEAR_MAX: Duration = Duration::from_secs(40);
/// Notifications that wait to be read.
const WAITING_MAX: usize = 64;

/// What a program showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    pub id: u32,
    pub program: String,
    pub title: String,
    pub body: String,
}

/// The service; it is on the bus until it is dropped.
#[derive(Debug)]
pub struct Desktop {
    connection: zbus::Connection,
    heard: mpsc::Receiver<Shown>,
}

struct Service {
    tell: mpsc::Sender<Shown>,
    count: u32,
}

#[zbus::interface(name = "org.freedesktop.Notifications")]
impl Service {
    #[expect(clippy::too_many_arguments, reason = "the interface has so many")]
    async fn notify(
        &mut self,
        app_name: String,
        _replaces_id: u32,
        _app_icon: String,
        summary: String,
        body: String,
        _actions: Vec<String>,
        _hints: std::collections::HashMap<String, Value<'_>>,
        _expire_timeout: i32,
    ) -> fdo::Result<u32> {
        self.count += 1;
        let shown = Shown { id: self.count, program: app_name, title: summary, body };
        self.tell.try_send(shown).map_err(|error| fdo::Error::Failed(error.to_string()))?;
        Ok(self.count)
    }

    fn get_capabilities(&self) -> Vec<String> {
        ["actions", "body", "body-markup"].map(str::to_owned).to_vec()
    }

    fn get_server_information(&self) -> (String, String, String, String) {
        let word = |word: &str| word.to_owned();
        (word("stand-in"), word("tests"), word("1"), word("1.2"))
    }

    fn close_notification(&self, _id: u32) {}
}

impl Desktop {
    pub async fn start() -> Result<Self> {
        let (tell, heard) = mpsc::channel(WAITING_MAX);
        let connection = connection::Builder::session()?
            .name("org.freedesktop.Notifications")?
            .serve_at(PATH, Service { tell, count: 0 })?
            .build()
            .await
            .context("is there a session bus without a notification service?")?;
        Ok(Self { connection, heard })
    }

    /// Clicks a notification, as a person does.
    pub async fn click(&self, shown: &Shown) -> Result<()> {
        let click = (shown.id, "default");
        let service = "org.freedesktop.Notifications";
        let told = self.connection.emit_signal(None::<()>, PATH, service, "ActionInvoked", &click);
        told.await.context("the bus takes no signal")
    }

    /// The next notification with this title; others are passed over.
    pub async fn hear(&mut self, title: &str) -> Result<Shown> {
        let mut others = Vec::new();
        let hearing = async {
            while let Some(shown) = self.heard.recv().await {
                if shown.title == title {
                    return Some(shown);
                }
                others.push(shown.title);
            }
            None
        };
        let heard = tokio::time::timeout(HEAR_MAX, hearing).await;
        heard
            .with_context(|| format!("nobody was told {title:?}, but {others:?}"))?
            .context("the service ended")
    }
}
