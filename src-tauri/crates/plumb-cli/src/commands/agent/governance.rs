//! Flags of `agent serve` for the people who sign what a node is held to.

use std::path::PathBuf;

use clap::Args;
use plumb_agent::{Governance, ListSource};

use crate::{
    commands::token::{Purpose, token_of},
    exit::Failure,
};

#[derive(Debug, Args)]
pub(super) struct GovernanceFlags {
    /// Signed roster whose people sign what this node is held to, as its refused list
    #[arg(long, value_name = "FILE", env = "PLUMB_AGENT_ROSTER", requires = "member")]
    roster: Option<PathBuf>,
    /// The same, and take no change that no plan asks for whose approvals by that roster were verified here
    #[arg(
        long,
        value_name = "ROSTER",
        env = "PLUMB_AGENT_REQUIRE_APPROVAL",
        requires = "member",
        conflicts_with = "roster"
    )]
    require_approval: Option<PathBuf>,
    /// This node as the roster and plans name it
    #[arg(long, value_name = "FLEET/NODE", env = "PLUMB_AGENT_MEMBER")]
    member: Option<String>,
    /// Ask the hub of the team for the refused list of the fleet, as https://hub.example:8443/v1/hub/fleets/FLEET/refused
    #[arg(long, value_name = "URL", env = "PLUMB_AGENT_REFUSED_URL", requires = "member")]
    refused_url: Option<String>,
    /// File with the token for the hub
    #[arg(
        long,
        value_name = "FILE",
        env = "PLUMB_AGENT_REFUSED_TOKEN_FILE",
        requires = "refused_url"
    )]
    refused_token_file: Option<String>,
    /// PEM certificates the hub's has to descend from; the system's without it
    #[arg(long, value_name = "FILE", env = "PLUMB_AGENT_REFUSED_CA", requires = "refused_url")]
    refused_ca: Option<PathBuf>,
}

const TOKEN: Purpose = Purpose {
    name: "the token for the hub",
    without: "ask your administrator for one: plumb hub token create --role agent_node",
};

impl GovernanceFlags {
    pub(super) fn governance(&self) -> Result<Option<Governance>, Failure> {
        let roster = self.require_approval.as_ref().or(self.roster.as_ref());
        let (Some(roster), Some(member)) = (roster, &self.member) else { return Ok(None) };
        let required = self.require_approval.is_some();
        let governance = Governance::new(roster.clone(), member, required);
        governance.map(Some).map_err(|problem| {
            Failure::usage(problem, "write it as FLEET/NODE, for example payments-eu/gw-1")
        })
    }

    pub(super) fn refused_list(&self) -> Result<Option<ListSource>, Failure> {
        let Some(url) = &self.refused_url else { return Ok(None) };
        let mut list = ListSource::new(url).map_err(|problem| {
            Failure::usage(format!("--refused-url: {problem}"), "see: plumb help hub")
        })?;
        if let Some(file) = &self.refused_token_file {
            list.token = Some(token_of(file, TOKEN)?);
        }
        list.ca.clone_from(&self.refused_ca);
        Ok(Some(list))
    }
}
