//! Flags of `agent serve` for the people who sign what a node is held to.

use std::path::PathBuf;

use clap::Args;
use plumb_agent::Governance;

use crate::exit::Failure;

#[derive(Debug, Args)]
pub(super) struct GovernanceFlags {
    /// Signed roster whose people sign what this node is held to, as its refused list
    #[arg(long, value_name = "FILE", env = "PLUMB_AGENT_ROSTER", requires = "member")]
    roster: Option<PathBuf>,
    /// This node as the roster and plans name it
    #[arg(long, value_name = "FLEET/NODE", env = "PLUMB_AGENT_MEMBER", requires = "roster")]
    member: Option<String>,
}

impl GovernanceFlags {
    pub(super) fn governance(&self) -> Result<Option<Governance>, Failure> {
        let (Some(roster), Some(member)) = (&self.roster, &self.member) else { return Ok(None) };
        let governance = Governance::new(roster.clone(), member, false);
        governance.map(Some).map_err(|problem| {
            Failure::usage(problem, "write it as FLEET/NODE, for example payments-eu/gw-1")
        })
    }
}
