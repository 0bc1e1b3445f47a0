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
}

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
}
