//! `hub migrate` and `hub retention`: done on the hub's machine, beside a running hub or without one.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{Args, value_parser};
use jiff::Timestamp;
use plumb_hub::{
    AlertSettings, Policies, PostgresSettings, Retention as AlertsKept, RetentionPolicy, admin,
};
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    FolderArgs, refused,
    serve::{alerts, alerts_beside},
    token::LOCAL,
};
use crate::{
    exit::{Exit, Failure, Outcome},
    session::Session,
    text::age::{parse_seconds, seconds_words},
};

const DAY_S: u64 = 86_400;
/// What is proposed for logs where nobody decided.
const LOG_DAYS_PROPOSED: u32 = 365;

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
    /// Folder with retention_policy.yml, which says how long things are kept where no argument does; the data folder
    /// without it
    #[arg(long, value_name = "DIR", env = "PLUMB_HUB_CONFIG")]
    config: Option<PathBuf>,
    /// How long audit, deployments, history and decisions are kept, as 90d; 365d where the policy says nothing
    #[arg(long, value_name = "AGE", value_parser = parse_seconds)]
    logs: Option<u32>,
    /// How long acknowledged alerts are kept; 30 where the policy says nothing. What nobody dealt with stays, and so do
    /// incidents
    #[arg(long, value_name = "DAYS", value_parser = value_parser!(u32).range(0..=3_650))]
    acked_days: Option<u32>,
    /// Remove it
    #[arg(long)]
    apply: bool,
}

/// What is older than it is kept.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct RetentionDocument {
    pub(crate) applied: bool,
    /// How long acknowledged alerts are kept.
    pub(crate) alerts_kept: KeptFor,
    /// How long entries of logs are kept.
    pub(crate) logs_kept: KeptFor,
    pub(crate) acked_alerts: u64,
    pub(crate) logs: Vec<ExpiredLog>,
}

/// A time, and who decided it.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub(crate) struct KeptFor {
    pub(crate) seconds: u64,
    pub(crate) by: DecidedBy,
}

/// Who decided how long something is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DecidedBy {
    Argument,
    Policy,
    /// Nobody; this is what is proposed.
    Proposal,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ExpiredLog {
    pub(crate) log: String,
    pub(crate) entries: u64,
}

impl KeptFor {
    fn decide(argument: Option<u64>, policy: Option<u64>, proposal: u64) -> Self {
        match (argument, policy) {
            (Some(seconds), _) => Self { seconds, by: DecidedBy::Argument },
            (None, Some(seconds)) => Self { seconds, by: DecidedBy::Policy },
            (None, None) => Self { seconds: proposal, by: DecidedBy::Proposal },
        }
    }

    fn say(self, what: &str) -> String {
        let by = match self.by {
            DecidedBy::Argument => "as given",
            DecidedBy::Policy => "as retention_policy.yml says",
            DecidedBy::Proposal => "as nobody decided",
        };
        let kept = seconds_words(i64::try_from(self.seconds).unwrap_or(i64::MAX));
        format!("{what} are kept for {kept}, {by}")
    }
}

impl Retention {
    /// How long alerts and logs are kept.
    fn kept(&self) -> Result<(KeptFor, KeptFor), Failure> {
        let policy = match self.config.as_ref().or(self.data.data.as_ref()) {
            Some(folder) => Policies::read(folder).map_err(|error| refused(&error))?.retention,
            None => RetentionPolicy::default(),
        };
        let days = |days: u32| u64::from(days) * DAY_S;
        Ok((
            KeptFor::decide(
                self.acked_days.map(days),
                policy.acked_days.map(days),
                days(AlertsKept::PROPOSED.acked_days),
            ),
            KeptFor::decide(
                self.logs.map(u64::from),
                policy.log_days.map(days),
                days(LOG_DAYS_PROPOSED),
            ),
        ))
    }

    pub(crate) async fn run(&self, session: Session<'_>) -> Outcome {
        let place = self.data.place()?.ok_or_else(|| {
            Failure::usage("no hub is named", "give --data DIR or --database-file FILE")
        })?;
        let (alerts_kept, logs_kept) = self.kept()?;
        let now = Timestamp::now();
        let kept = Duration::from_secs(logs_kept.seconds);
        let before = now.saturating_sub(kept).unwrap_or(Timestamp::MIN);
        let logs = if self.apply {
            admin::expire(place, before, LOCAL, now).await
        } else {
            admin::expired(place, before).await
        };
        let logs = logs.map_err(|error| refused(&error))?;
        let acked_days = u32::try_from(alerts_kept.seconds / DAY_S).unwrap_or(u32::MAX);
        let settings = self.alerts()?;
        let acked_alerts = admin::retain_alerts(&settings, acked_days, self.apply).await;
        let document = RetentionDocument {
            applied: self.apply,
            alerts_kept,
            logs_kept,
            acked_alerts: acked_alerts.map_err(|error| refused(&error))?,
            logs: logs
                .into_iter()
                .map(|one| ExpiredLog { log: one.log.to_owned(), entries: one.entries })
                .collect(),
        };
        session.out.show(&document, |out| {
            out.say(document.alerts_kept.say("acknowledged alerts"));
            out.say(document.logs_kept.say("logs"));
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

    fn alerts(&self) -> Result<AlertSettings, Failure> {
        let database = self.data.database()?;
        let folder = self.data.data.as_deref().unwrap_or(Path::new("."));
        match (alerts_beside(folder, database.as_ref())?, database) {
            (Some(settings), _) => Ok(settings),
            (None, Some(database)) => Ok(AlertSettings::Postgres(database)),
            (None, None) => alerts(folder),
        }
    }
}
