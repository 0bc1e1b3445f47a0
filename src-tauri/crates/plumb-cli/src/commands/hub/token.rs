//! `hub token`: over the hub's API, or in its data folder on its own machine.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use plumb_app::hub::path_part;
use plumb_hub::{
    Policies, StatePlace, admin,
    wire::{CreatedIdentity, Identities, IdentityView, NewIdentity},
};

use super::{
    FolderArgs,
    access::{HubArgs, failed},
    refused,
};
use crate::{
    exit::{Exit, Failure, Outcome},
    session::Session,
    text::{
        age::parse_seconds,
        table::{Cell, Table},
    },
};

/// Who is named where the person on the hub's machine does it.
pub(super) const LOCAL: &str = "local";

#[derive(Debug, Subcommand)]
pub(crate) enum Token {
    /// Make a token, or give a role to a client certificate
    Create(Create),
    /// Identities, without what proves them
    List(Where),
    /// End an identity at once
    Revoke(Revoke),
}

/// Which hub: one that is asked, or a data folder on this machine.
#[derive(Debug, Args)]
pub(crate) struct Where {
    #[command(flatten)]
    data: FolderArgs,
    #[command(flatten)]
    hub: HubArgs,
}

impl Where {
    /// Where it is done beside the hub; nothing where the hub is asked.
    fn place(&self) -> Result<Option<StatePlace>, Failure> {
        if self.hub.is_named() { Ok(None) } else { self.data.place() }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Create {
    /// Role of the matrix: admin, operator, agent_oncall, agent_monitor, agent_node, viewer and so on
    #[arg(long)]
    role: String,
    /// How long it works: 8h, 30d
    #[arg(long, value_name = "AGE", value_parser = parse_seconds)]
    expires: u32,
    /// Whom it is for; stands in the audit log. The role without it
    #[arg(long)]
    name: Option<String>,
    /// Give the role to a name in client certificates, instead of making a token
    #[arg(long, value_name = "NAME")]
    for_certificate: Option<String>,
    /// Bind it to a node, or to the nodes of a fleet with FLEET/*: status, decisions and bundles of no other
    #[arg(long, value_name = "FLEET/NODE")]
    node: Option<String>,
    /// Folder of the policy files, where roles stand that are not ours; the data folder without it
    #[arg(long, value_name = "DIR", env = "PLUMB_HUB_CONFIG")]
    config: Option<PathBuf>,
    #[command(flatten)]
    at: Where,
}

#[derive(Debug, Args)]
pub(crate) struct Revoke {
    /// Id of the identity, as the list shows it
    id: String,
    #[command(flatten)]
    at: Where,
}

impl Token {
    pub(crate) async fn run(&self, session: Session<'_>) -> Outcome {
        match self {
            Self::Create(create) => create.run(session).await,
            Self::List(at) => list(at, session).await,
            Self::Revoke(revoke) => revoke.run(session).await,
        }
    }
}

impl Create {
    async fn run(&self, session: Session<'_>) -> Outcome {
        let wanted = NewIdentity {
            name: self.name.clone().unwrap_or_else(|| self.role.clone()),
            role: self.role.clone(),
            expires_after_s: self.expires.into(),
            certificate: self.for_certificate.clone(),
            node: self.node.clone(),
        };
        let made: CreatedIdentity = if let Some(place) = self.at.place()? {
            let folder = self.config.as_ref().or(self.at.data.data.as_ref());
            let policies = folder.map(|folder| Policies::read(folder)).transpose();
            let roles = policies.map_err(|error| refused(&error))?.unwrap_or_default().roles;
            let made =
                admin::create_identity(place, &roles, &wanted, LOCAL, Timestamp::now()).await;
            made.map_err(|error| refused(&error))?
        } else {
            let client = self.at.hub.client()?;
            client.call("POST", "/v1/hub/tokens", &wanted).await.map_err(failed)?
        };
        session.out.show(&made, |out| {
            let one = &made.identity;
            out.note(format!(
                "{} for {}, role {}, nodes {}, until {}",
                one.id,
                one.name,
                one.role,
                one.node.as_deref().unwrap_or("any"),
                one.expires_at
            ));
            match &made.token {
                // Alone on standard output, so that it can go into a file.
                Some(token) => {
                    out.say(token);
                    out.note("it is shown this once");
                }
                None => out.note("certificates with this name are accepted now"),
            }
        });
        Ok(Exit::Fine)
    }
}

async fn list(at: &Where, session: Session<'_>) -> Outcome {
    let listed: Identities = match at.place()? {
        Some(place) => {
            let listed = admin::identities(place, Timestamp::now()).await;
            listed.map_err(|error| refused(&error))?
        }
        _ => at.hub.client()?.get("/v1/hub/tokens").await.map_err(failed)?,
    };
    session.out.show(&listed, |out| {
        let mut table = Table::new(&["id", "name", "role", "nodes", "state", "until", "made by"]);
        for one in &listed.identities {
            let state = match (one.active, one.revoked_at) {
                (true, _) => "works",
                (false, Some(_)) => "revoked",
                (false, None) => "expired",
            };
            table.row([
                Cell::from(&one.id),
                Cell::from(&one.name),
                Cell::from(&one.role),
                Cell::from(one.node.as_deref().unwrap_or("any")),
                Cell::from(state),
                Cell::from(&one.expires_at.to_string()),
                Cell::from(&one.created_by),
            ]);
        }
        table.print(out);
    });
    Ok(Exit::Fine)
}

impl Revoke {
    async fn run(&self, session: Session<'_>) -> Outcome {
        let revoked: IdentityView = if let Some(place) = self.at.place()? {
            let revoked = admin::revoke_identity(place, &self.id, LOCAL, Timestamp::now()).await;
            revoked.map_err(|error| refused(&error))?
        } else {
            let path = format!("/v1/hub/tokens/{}", path_part(&self.id));
            self.at.hub.client()?.delete(&path).await.map_err(failed)?
        };
        session.out.show(&revoked, |out| {
            out.say(format!("{} of {} is not accepted any more", revoked.id, revoked.name));
        });
        Ok(Exit::Fine)
    }
}
