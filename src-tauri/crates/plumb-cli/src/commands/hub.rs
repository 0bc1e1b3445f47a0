//! `hub`: the server of a team, and what its administrator does.

pub(crate) mod access;
mod desired;
mod keep;
mod packs;
mod serve;
mod token;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use plumb_hub::{AlertSettings, HubError, PostgresSettings, StatePlace, wire};

use access::HubArgs;
pub(crate) use keep::{MigrationDocument, RetentionDocument};
pub(crate) use serve::HubStarted;

use crate::{
    args::LogFormat,
    commands::fleet::read_text,
    exit::{Exit, Failure, Outcome},
    session::Session,
    text::{
        age::parse_seconds,
        table::{Cell, Table},
    },
};

#[derive(Debug, Subcommand)]
pub(crate) enum Hub {
    /// Answer until SIGTERM or SIGINT; requests in flight finish
    Serve(Box<serve::Serve>),
    /// Make tables, or bring them up to date; safe to repeat
    Migrate(keep::Migrate),
    /// What is older than it is kept; removes it with --apply
    Retention(keep::Retention),
    /// Tokens and roles of certificates
    #[command(subcommand)]
    Token(token::Token),
    /// Packs of a running hub: list, publish, serve an earlier version
    #[command(subcommand)]
    Packs(packs::Packs),
    /// What nodes should run
    #[command(subcommand)]
    Desired(desired::Desired),
    /// Refusals and administrative acts, newest first
    Audit(Audit),
}

#[derive(Debug, Args)]
pub(crate) struct Audit {
    /// Only of so long: 30m, 24h, 7d
    #[arg(long, value_name = "AGE", value_parser = parse_seconds)]
    last: Option<u32>,
    /// How many lines
    #[arg(long, default_value_t = 50)]
    limit: u32,
    #[command(flatten)]
    hub: HubArgs,
}

impl Hub {
    pub(crate) fn log_format(&self) -> LogFormat {
        match self {
            Self::Serve(serve) => serve.log_format(),
            _ => LogFormat::Text,
        }
    }

    pub(crate) async fn run(&self, session: Session<'_>) -> Outcome {
        match self {
            Self::Serve(serve) => serve.run(session).await,
            Self::Migrate(migrate) => migrate.run(session).await,
            Self::Retention(retention) => retention.run(session).await,
            Self::Token(token) => token.run(session).await,
            Self::Packs(packs) => packs.run(session).await,
            Self::Desired(desired) => desired.run(session).await,
            Self::Audit(audit) => audit.run(session).await,
        }
    }
}

impl Audit {
    async fn run(&self, session: Session<'_>) -> Outcome {
        let client = self.hub.client()?;
        let last = self.last.map(|s| format!("&last_minutes={}", s.div_ceil(60)));
        let path = format!("/v1/hub/audit?limit={}{}", self.limit, last.unwrap_or_default());
        let audit: wire::Audit = client.get(&path).await.map_err(access::failed)?;
        session.out.show(&audit, |out| {
            let mut table = Table::new(&["at", "who", "outcome", "what", "detail"]);
            for entry in &audit.entries {
                table.row([
                    Cell::from(&entry.at.to_string()),
                    Cell::from(&entry.who),
                    Cell::from(&entry.outcome),
                    Cell::from(format!("{} {}", entry.method, entry.path).trim()),
                    Cell::from(&entry.detail),
                ]);
            }
            table.print(out);
        });
        Ok(Exit::Fine)
    }
}

/// Where a hub on this machine keeps what it knows.
#[derive(Debug, Args)]
pub(crate) struct FolderArgs {
    /// Folder of everything the hub keeps
    #[arg(long = "data", value_name = "DIR", env = "PLUMB_HUB_DATA")]
    pub(crate) data: Option<PathBuf>,
    /// File with the address of a PostgreSQL database that hubs share, as postgresql://user:password@host:5432/db, instead of
    /// files in that folder; or the address itself in PLUMB_HUB_DATABASE_URL
    #[arg(long = "database-file", value_name = "FILE", env = "PLUMB_HUB_DATABASE_FILE")]
    pub(crate) database: Option<String>,
}

/// Most bytes of an address.
const DSN_BYTES_MAX: u64 = 4 << 10;
const DATABASE_VARIABLE: &str = "PLUMB_HUB_DATABASE_URL";

impl FolderArgs {
    pub(crate) fn required(&self) -> Result<&PathBuf, Failure> {
        self.data.as_ref().ok_or_else(|| {
            Failure::usage("no data folder is given", "give --data DIR, or set PLUMB_HUB_DATA")
        })
    }

    /// The database that is named; an address holds a password, so it is no argument.
    pub(crate) fn database(&self) -> Result<Option<PostgresSettings>, Failure> {
        let (variable, dsn) = match (&self.database, std::env::var(DATABASE_VARIABLE)) {
            (Some(file), _) => ("--database-file", read_text(file, DSN_BYTES_MAX)?),
            (None, Ok(dsn)) => (DATABASE_VARIABLE, dsn),
            (None, Err(_)) => return Ok(None),
        };
        let settings = AlertSettings::postgres(variable, dsn.trim().to_owned());
        match settings.map_err(|error| Failure::usage(error.to_string(), "see: plumb help hub"))? {
            AlertSettings::Postgres(settings) => Ok(Some(settings)),
            _ => Ok(None),
        }
    }

    /// Where a hub keeps identities and all that; nothing where neither folder nor database is named.
    pub(crate) fn place(&self) -> Result<Option<StatePlace>, Failure> {
        let database = self.database()?.map(StatePlace::Postgres);
        Ok(database.or_else(|| self.data.as_ref().map(StatePlace::from)))
    }
}

pub(crate) fn refused(error: &HubError) -> Failure {
    let exit = match error {
        HubError::Listen { .. } | HubError::State(_) | HubError::Storage { .. } => Exit::Internal,
        HubError::Inbox(_) => Exit::Unreachable,
        _ => Exit::Usage,
    };
    Failure::new(exit, plumb_app::error::chain(error), "see: plumb help hub")
}
