//! `hub migrate` and `hub retention`: done on the hub's machine, beside a running hub or without one.

use std::path::Path;

use clap::Args;
use jiff::{SignedDuration, Timestamp};
use plumb_hub::{AlertSettings, PostgresSettings, admin};
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    FolderArgs, refused,
    serve::{alerts, alerts_beside},
};
use crate::{
    exit::{Exit, Failure, Outcome},
    session::Session,
    text::age::parse_seconds,
};

#[derive(Debug, Args)]
pub(crate) struct Migrate {
    #[command(flatten)]
    data: FolderArgs,
    /// The PostgreSQL database of alerts, instead of what ALERT_DATABASE_URL or DATABASE_URL name
    #[arg(long, value_name = "DSN")]
    dsn: Option<String>,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
}

/// What a migration did, or would do.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct MigrationDocument {
    pub(crate) dry_run: bool,
    /// Where the tables of alerts are.
    pub(crate) alerts: String,
    /// Tables of the hub itself, where they are in a database.
    pub(crate) hub: Vec<MigrationStep>,
    /// Tables of alerts.
    pub(crate) steps: Vec<MigrationStep>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct MigrationStep {
    pub(crate) number: i64,
    pub(crate) name: String,
    /// It was, or would be, applied now.
    pub(crate) pending: bool,
}

impl Migrate {
    pub(crate) async fn run(&self, session: Session<'_>) -> Outcome {
        let database = self.data.database()?;
        let settings = self.alerts(database.as_ref())?;
        if let (Some(data), None, false) = (&self.data.data, &database, self.dry_run) {
            admin::migrate(data).await.map_err(|error| refused(&error))?;
        }
        let hub = match &database {
            Some(database) => {
                let steps = admin::migrate_state(database, self.dry_run).await;
                told(steps.map_err(|error| refused(&error))?)
            }
            None => Vec::new(),
        };
        let steps = admin::migrate_alerts(&settings, self.dry_run).await;
        let document = MigrationDocument {
            dry_run: self.dry_run,
            alerts: match &settings {
                AlertSettings::Sqlite(path) => path.display().to_string(),
                AlertSettings::Postgres(_) => "PostgreSQL".to_owned(),
                AlertSettings::Memory => "memory: nothing to migrate".to_owned(),
            },
            hub,
            steps: told(steps.map_err(|error| refused(&error))?),
        };
        session.out.show(&document, |out| {
            out.say(format!("alerts: {}", document.alerts));
            for (what, steps) in [("hub", &document.hub), ("alerts", &document.steps)] {
                for step in steps {
                    let state = match (step.pending, document.dry_run) {
                        (false, _) => "was there",
                        (true, false) => "applied",
                        (true, true) => "would be applied",
                    };
                    out.say(format!("{what} {:04} {}: {state}", step.number, step.name));
                }
            }
        });
        Ok(Exit::Fine)
    }

    /// Where alerts are: in the database of --dsn, where the environment says it, or with the hub.
    fn alerts(&self, database: Option<&PostgresSettings>) -> Result<AlertSettings, Failure> {
        if let Some(dsn) = &self.dsn {
            return AlertSettings::postgres("--dsn", dsn.clone())
                .map_err(|error| Failure::usage(error.to_string(), "see: plumb help hub"));
        }
        let data = self.data.data.as_deref();
        match (alerts_beside(data.unwrap_or(Path::new(".")), database)?, database) {
            (None, Some(database)) => Ok(AlertSettings::Postgres(database.clone())),
            (Some(settings @ AlertSettings::Postgres(_)), _) => Ok(settings),
            (Some(settings), _) if data.is_some() => Ok(settings),
            _ => Err(Failure::usage(
                "no database is named",
                "give --data DIR, --database-file FILE or --dsn",
            )),
        }
    }
}

fn told(steps: Vec<admin::Step>) -> Vec<MigrationStep> {
    let steps = steps.into_iter().map(|step| {
        let pending = step.is_pending();
        let (admin::Step::Applied(one) | admin::Step::Pending(one)) = step;
        MigrationStep { number: one.number, name: one.name, pending }
    });
    steps.collect()
}

#[derive(Debug, Args)]
pub(crate) struct Retention {
    #[command(flatten)]
    data: FolderArgs,
    /// How long audit, deployments, history and decisions are kept: 90d
    #[arg(long, value_name = "AGE", value_parser = parse_seconds, default_value = "365d")]
    logs: u32,
    /// How long acknowledged alerts are kept; what nobody dealt with stays, and so do incidents
    #[arg(long, value_name = "DAYS", default_value_t = 30)]
    acked_days: u32,
    /// Remove it
    #[arg(long)]
    apply: bool,
}

/// What is older than it is kept.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct RetentionDocument {
    pub(crate) applied: bool,
    pub(crate) acked_alerts: u64,
    pub(crate) logs: Vec<ExpiredLog>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ExpiredLog {
    pub(crate) log: String,
    pub(crate) entries: u64,
}

impl Retention {
    pub(crate) async fn run(&self, session: Session<'_>) -> Outcome {
        let place = self.data.place()?.ok_or_else(|| {
            Failure::usage("no hub is named", "give --data DIR or --database-file FILE")
        })?;
        let kept = SignedDuration::from_secs(i64::from(self.logs));
        let before = Timestamp::now().saturating_sub(kept).unwrap_or(Timestamp::MIN);
        let logs = admin::retention(place, before, self.apply).await;
        let logs = logs.map_err(|error| refused(&error))?;
        let database = self.data.database()?;
        let folder = self.data.data.as_deref().unwrap_or(Path::new("."));
        let settings = match (alerts_beside(folder, database.as_ref())?, database) {
            (Some(settings), _) => settings,
            (None, Some(database)) => AlertSettings::Postgres(database),
            (None, None) => alerts(folder)?,
        };
        let acked_alerts = admin::retain_alerts(&settings, self.acked_days, self.apply).await;
        let document = RetentionDocument {
            applied: self.apply,
            acked_alerts: acked_alerts.map_err(|error| refused(&error))?,
            logs: logs
                .into_iter()
                .map(|one| ExpiredLog { log: one.log.to_owned(), entries: one.entries })
                .collect(),
        };
        session.out.show(&document, |out| {
            let verb = if document.applied { "removed" } else { "would remove" };
            out.say(format!("{verb} {} acknowledged alerts", document.acked_alerts));
            for one in &document.logs {
                out.say(format!("{verb} {} entries of {}", one.entries, one.log));
            }
            if !document.applied {
                out.say("nothing is removed without --apply");
            }
        });
        Ok(Exit::Fine)
    }
}
