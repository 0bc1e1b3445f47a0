//! Which inbox a command means: that of the hub it names, that of the fleet's hub, or the console's own.

use plumb_app::{App, actions::own_inbox::OwnInboxTools, hub::HubClient};
use serde_json::{Map, Value};

use crate::{
    commands::hub::access::{HubArgs, failed, guided},
    exit::{Failure, Outcome},
    session::Session,
    text::escape::printable,
};

/// An inbox, ready to be asked. Whichever it is, it answers with the same documents.
pub(crate) enum Inbox<'a> {
    /// A hub that the command names.
    Hub(HubClient),
    /// The hub that the file of a fleet names.
    OfFleet {
        client: HubClient,
        address: String,
        app: &'a App,
    },
    Own(OwnInboxTools<'a>),
}

impl Session<'_> {
    /// Does the work with the inbox that is meant, and says which one it is where nobody named it.
    pub(crate) async fn with_inbox(
        &self,
        hub: &HubArgs,
        work: impl AsyncFnOnce(&Inbox<'_>) -> Outcome,
    ) -> Outcome {
        if hub.is_named() {
            return work(&Inbox::Hub(hub.client()?)).await;
        }
        hub.is_left_out()?;
        self.with_app(async |app| {
            let fleet = self.fleet_of_inbox(app).await?;
            let inbox = Inbox::of(app, fleet.as_deref()).await?;
            self.tell_inbox(&inbox).await?;
            work(&inbox).await
        })
        .await
    }

    /// Says which inbox is meant, where the command does not name it, and whether it survives a restart.
    pub(crate) async fn tell_inbox(&self, inbox: &Inbox<'_>) -> Result<(), Failure> {
        if let Some(told) = inbox.told().await? {
            self.out.note(self.out.style.faint(&printable(&told)));
        }
        Ok(())
    }

    /// The fleet whose inbox is meant; nothing where none is known, and where all that are known share the console's own.
    pub(crate) async fn fleet_of_inbox(&self, app: &App) -> Result<Option<String>, Failure> {
        if self.global.fleet.is_none() && self.global.fleet_file.is_none() {
            let fleets = app.shell().await?.fleets;
            let has_hub = |name: &str| !matches!(app.hub_address(name), Ok(None));
            if fleets.len() != 1 && !fleets.iter().any(|fleet| has_hub(&fleet.name)) {
                return Ok(None);
            }
        }
        self.fleet(app).await.map(Some)
    }
}

impl<'a> Inbox<'a> {
    pub(crate) async fn of(app: &'a App, fleet: Option<&'a str>) -> Result<Self, Failure> {
        let named = match fleet {
            Some(fleet) => app.named_hub(fleet).await?.zip(app.hub_address(fleet)?),
            None => None,
        };
        Ok(match named {
            Some(((client, _), address)) => Self::OfFleet { client, address, app },
            None => Self::Own(app.own_inbox(fleet)),
        })
    }

    /// Which inbox it is, and whether it survives a restart; nothing where the command says it.
    async fn told(&self) -> Result<Option<String>, Failure> {
        Ok(match self {
            Self::Own(own) => Some(format!("the console's own inbox: {}", own.durability())),
            Self::OfFleet { client, address, .. } => {
                let board = client.get("/v1/alerts/dashboard?window_minutes=1").await;
                let board: Value = board.map_err(|error| self.failed(error))?;
                let durability = board["durability_text"].as_str().unwrap_or("unknown");
                Some(format!("the inbox of the fleet's hub at {address}: {durability}"))
            }
            Self::Hub(_) => None,
        })
    }

    /// What a hub did not do: one that the fleet file names is mended there.
    pub(crate) fn failed(&self, error: plumb_app::hub::HubError) -> Failure {
        match (self, error.guide().map(guided)) {
            (Self::OfFleet { .. }, None) => plumb_app::error::AppError::from(error).into(),
            _ => failed(error),
        }
    }

    /// By which name alerts are held where nobody says another.
    pub(crate) fn owner(&self) -> Option<String> {
        match self {
            Self::Hub(_) => None,
            Self::OfFleet { app, .. } => Some(app.owner()),
            Self::Own(own) => Some(own.owner()),
        }
    }

    /// A call of the tools endpoint; arguments that nobody gave are left out.
    pub(crate) async fn tool(
        &self,
        tool: &str,
        action: &str,
        arguments: Value,
    ) -> Result<Value, Failure> {
        let mut call = Map::new();
        call.insert("tool".to_owned(), tool.into());
        call.insert("action".to_owned(), action.into());
        if let Value::Object(arguments) = arguments {
            call.extend(arguments.into_iter().filter(|(_, value)| !value.is_null()));
        }
        match self {
            Self::Own(own) => Ok(own.tool(&call.into()).await?),
            _ => self.call("/v1/tools/execute", &call.into()).await,
        }
    }

    /// Asks a hub; the console's own inbox is asked by what it is asked for.
    pub(crate) async fn get(&self, path: &str) -> Result<Value, Failure> {
        self.client()?.get(path).await.map_err(|error| self.failed(error))
    }

    /// Tells a hub.
    pub(crate) async fn call(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.client()?.call("POST", path, body).await.map_err(|error| self.failed(error))
    }

    /// A text that a hub has.
    pub(crate) async fn text(&self, path: &str) -> Result<String, Failure> {
        let bytes = self.client()?.get_bytes(path).await.map_err(|error| self.failed(error))?;
        String::from_utf8(bytes).map_err(|_| {
            Failure::internal("the answer is no text", "is this address that of a hub?")
        })
    }

    fn client(&self) -> Result<&HubClient, Failure> {
        match self {
            Self::Hub(client) | Self::OfFleet { client, .. } => Ok(client),
            Self::Own(_) => Err(Failure::internal(
                "the console's own inbox has no address",
                "name a hub with --hub URL",
            )),
        }
    }
}
