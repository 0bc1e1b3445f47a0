//! `policy deployments`: what consoles told the hub of their runs (R020, R031).

use clap::{Args, Subcommand, ValueEnum};
use plumb_app::hub::path_part;
use plumb_hub::wire;

use crate::{
    commands::hub::access::{HubArgs, failed},
    exit::{Exit, Outcome},
    session::Session,
    text::{
        age::parse_seconds,
        table::{Cell, Table},
    },
};

#[derive(Debug, Subcommand)]
pub(crate) enum Deployments {
    /// The newest report of each run, newest first
    List(List),
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only runs that stand so
    #[arg(long, value_enum)]
    status: Option<Status>,
    /// Only of so long: 1h, 24h, 7d
    #[arg(long, value_name = "AGE", value_parser = parse_seconds)]
    last: Option<u32>,
    /// How many
    #[arg(long, default_value_t = 200)]
    limit: u32,
    #[command(flatten)]
    hub: HubArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Status {
    Started,
    Succeeded,
    Failed,
    Halted,
    RolledBack,
    Aborted,
}

impl Status {
    const fn name(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Halted => "halted",
            Self::RolledBack => "rolled_back",
            Self::Aborted => "aborted",
        }
    }
}

impl Deployments {
    pub(crate) async fn run(&self, session: Session<'_>) -> Outcome {
        let Self::List(list) = self;
        let (client, fleet) = list.hub.client_or_of_fleet(session).await?;
        let mut path = format!("/v1/hub/deployments?limit={}", list.limit);
        if let Some(status) = list.status {
            path.extend(["&status=", status.name()]);
        }
        if let Some(seconds) = list.last {
            path.extend(["&last_minutes=", &seconds.div_ceil(60).to_string()]);
        }
        if let Some(fleet) = &fleet {
            path.extend(["&fleet=", &path_part(fleet)]);
        }
        let listed: wire::Deployments = client.get(&path).await.map_err(failed)?;
        session.out.show(&listed, |out| {
            let mut table =
                Table::new(&["at", "fleet", "run", "version", "status", "by", "detail"]);
            for one in &listed.deployments {
                let status = serde_json::to_value(one.report.status).unwrap_or_default();
                table.row([
                    Cell::from(&one.at.to_string()),
                    Cell::from(&one.report.fleet),
                    Cell::from(&one.report.id),
                    Cell::from(&one.report.version),
                    Cell::from(status.as_str().unwrap_or_default()),
                    Cell::from(&one.by),
                    Cell::from(&one.report.detail),
                ]);
            }
            table.print(out);
        });
        Ok(Exit::Fine)
    }
}
