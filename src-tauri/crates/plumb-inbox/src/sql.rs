//! Rows in a transaction of SQLite or PostgreSQL. Rows cross as JSON documents, so one type reads and writes both.

mod door;
mod row;
mod statements;

use jiff::Timestamp;
use plumb_alert::{
    Alert, AlertRef, Appended, Incident, IncidentRef, SignatureState, TimelineEntry,
};
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};

pub use door::within;
pub(crate) use door::{Bind, Door, Server};
use row::{AlertRow, EventRow, IncidentRow, Moment, SignatureRow};
use statements as s;

use crate::{
    error::StoreFailure,
    store::{
        AlertQuery, Clock, Dashboard, Expiring, IncidentQuery, Pending, Place, Rows,
        SignatureCount, SourceSeen, StatusCount, Tip, whole_ms,
    },
};

/// One transaction.
#[derive(Debug)]
pub(crate) struct SqlRows {
    door: Door,
    /// Where the server has no clock of its own.
    clock: Clock,
}

impl SqlRows {
    pub(crate) fn new(door: Door, clock: Clock) -> Self {
        Self { door, clock }
    }

    async fn alerts_of(
        &mut self,
        doing: &'static str,
        statement: &'static s::Statement,
        binds: Vec<Bind>,
    ) -> Result<Vec<Alert>, StoreFailure> {
        let rows: Vec<AlertRow> = self.door.documents(doing, statement, binds).await?;
        let alerts = rows.into_iter().map(AlertRow::into_alert).collect::<Result<_, _>>();
        alerts.map_err(|error| self.door.unreadable(doing, error))
    }

    /// The one number that a statement answers with.
    async fn number(
        &mut self,
        doing: &'static str,
        statement: &'static s::Statement,
        binds: Vec<Bind>,
    ) -> Result<u64, StoreFailure> {
        let rows: Vec<u64> = self.door.documents(doing, statement, binds).await?;
        rows.first().copied().ok_or_else(|| self.door.unreadable(doing, "no row"))
    }

    async fn incidents_of(
        &mut self,
        doing: &'static str,
        statement: &'static s::Statement,
        binds: Vec<Bind>,
    ) -> Result<Vec<Incident>, StoreFailure> {
        let rows: Vec<IncidentRow> = self.door.documents(doing, statement, binds).await?;
        let incidents = rows.into_iter().map(IncidentRow::into_incident).collect::<Result<_, _>>();
        incidents.map_err(|error| self.door.unreadable(doing, error))
    }
}

impl Rows for SqlRows {
    fn now(&mut self) -> Pending<'_, Timestamp> {
        Box::pin(async move {
            if self.door.server() == Server::Sqlite {
                return Ok(self.clock.now());
            }
            let doing = "asking for the time";
            let told: Vec<NowRow> = self.door.documents(doing, &s::NOW, Vec::new()).await?;
            let told = told.into_iter().next().ok_or("no row").and_then(|row| row.now.at());
            told.map(whole_ms).map_err(|error| self.door.unreadable(doing, error))
        })
    }

    fn lock<'a>(&'a mut self, names: &'a [String]) -> Pending<'a, ()> {
        Box::pin(async move {
            // SQLite has one writer.
            if self.door.server() == Server::Sqlite || names.is_empty() {
                return Ok(());
            }
            // In one order for everybody, so that no two wait for each other.
            let mut numbers: Vec<String> = names.iter().map(|name| number(name)).collect();
            numbers.sort_unstable();
            numbers.dedup();
            let list = Bind::Text(Some(json!(numbers).to_string()));
            self.door.fetch("locking", &s::LOCK, vec![list]).await.map(drop)
        })
    }

    fn newest<'a>(&'a mut self, fingerprints: &'a [String]) -> Pending<'a, Vec<Alert>> {
        let list = json!(fingerprints).to_string();
        Box::pin(self.alerts_of(
            "looking for known alerts",
            &s::ALERT_NEWEST,
            vec![Bind::Text(Some(list))],
        ))
    }

    fn alert<'a>(&'a mut self, alert: &'a AlertRef) -> Pending<'a, Option<Alert>> {
        Box::pin(async move {
            let bind = vec![Bind::text(alert.as_str())];
            let found = self.alerts_of("reading an alert", &s::ALERT_GET, bind).await?;
            Ok(found.into_iter().next())
        })
    }

    fn due(&mut self, now: Timestamp, limit: u32) -> Pending<'_, Vec<Alert>> {
        let binds = vec![Bind::At(Some(now)), Bind::Int(limit.into())];
        Box::pin(self.alerts_of("looking for claims that are over", &s::ALERT_DUE, binds))
    }

    fn unclaimed(&mut self, since: Timestamp, limit: u32) -> Pending<'_, Vec<Alert>> {
        let binds = vec![Bind::At(Some(since)), Bind::Int(limit.into())];
        Box::pin(self.alerts_of("looking for new alerts", &s::ALERT_UNCLAIMED, binds))
    }

    fn put_alerts<'a>(&'a mut self, alerts: &'a [Alert]) -> Pending<'a, ()> {
        Box::pin(async move {
            const DOING: &str = "keeping alerts";
            if alerts.is_empty() {
                return Ok(());
            }
            let count = alerts.len() as u64;
            let bind = vec![Bind::Int(alerts.len().try_into().unwrap_or(i64::MAX))];
            let last = self.number(DOING, &s::FEED_TAKE, bind).await?;
            let server = self.door.server();
            let numbered = alerts.iter().zip(last + 1 - count..);
            let rows: Vec<AlertRow> =
                numbered.map(|(alert, change)| AlertRow::of(alert, server, change)).collect();
            self.door.put(DOING, &s::ALERT_PUT, &rows).await
        })
    }

    fn alerts<'a>(&'a mut self, query: &'a AlertQuery) -> Pending<'a, Vec<Alert>> {
        let statuses: Vec<&str> = query.status_in.iter().map(|status| status.as_str()).collect();
        let (after_at, after_ref) = query.after.clone().unzip();
        let binds = vec![
            Bind::At(Some(query.since)),
            Bind::Text(query.env.clone()),
            Bind::Text(query.service.clone()),
            Bind::Text(query.source.clone()),
            Bind::Text(query.signature.clone()),
            Bind::Text(query.incident.clone().map(String::from)),
            Bind::Text((!statuses.is_empty()).then(|| statuses.join(","))),
            Bind::At(after_at),
            Bind::Text(after_ref.map(String::from)),
            Bind::Int(query.limit.into()),
        ];
        Box::pin(self.alerts_of("listing alerts", &s::ALERT_LIST, binds))
    }

    fn changed(&mut self, after: u64, limit: u32) -> Pending<'_, Vec<(u64, Alert)>> {
        let after = i64::try_from(after).unwrap_or(i64::MAX);
        let binds = vec![Bind::Int(after), Bind::Int(limit.into())];
        Box::pin(async move {
            let doing = "reading what changed";
            let rows: Vec<AlertRow> = self.door.documents(doing, &s::ALERT_CHANGED, binds).await?;
            let changed = rows.into_iter().map(AlertRow::into_changed).collect::<Result<_, _>>();
            changed.map_err(|error| self.door.unreadable(doing, error))
        })
    }

    fn before_newest(&mut self, alerts: u32) -> Pending<'_, u64> {
        let bind = vec![Bind::Int(alerts.into())];
        Box::pin(self.number("looking for where to begin", &s::FEED_BEFORE_NEWEST, bind))
    }

    fn tip(&mut self) -> Pending<'_, Tip> {
        Box::pin(async move {
            let doing = "asking what changed last";
            let rows: Vec<TipRow> = self.door.documents(doing, &s::TIP, Vec::new()).await?;
            let row = rows.into_iter().next();
            let row = row.ok_or_else(|| self.door.unreadable(doing, "no row"))?;
            let place = Place { feed: row.feed, change: row.change };
            Ok(Tip { place, entries: row.entries })
        })
    }

    fn incident<'a>(&'a mut self, incident: &'a IncidentRef) -> Pending<'a, Option<Incident>> {
        Box::pin(async move {
            let bind = vec![Bind::text(incident.as_str())];
            let found = self.incidents_of("reading an incident", &s::INCIDENT_GET, bind).await?;
            Ok(found.into_iter().next())
        })
    }

    fn open_incident<'a>(&'a mut self, signature: &'a str) -> Pending<'a, Option<Incident>> {
        Box::pin(async move {
            let (doing, bind) = ("looking for an open incident", vec![Bind::text(signature)]);
            let found = self.incidents_of(doing, &s::INCIDENT_OPEN, bind).await?;
            Ok(found.into_iter().next())
        })
    }

    fn incidents<'a>(&'a mut self, query: &'a IncidentQuery) -> Pending<'a, Vec<Incident>> {
        let binds = vec![
            Bind::Text(query.service.clone()),
            Bind::Int(query.with_closed.into()),
            Bind::Int(query.limit.into()),
        ];
        Box::pin(self.incidents_of("listing incidents", &s::INCIDENT_LIST, binds))
    }

    fn append<'a>(&'a mut self, appended: &'a [Appended]) -> Pending<'a, ()> {
        Box::pin(async move {
            let server = self.door.server();
            let incidents: Vec<IncidentRow> =
                appended.iter().map(|it| IncidentRow::of(&it.incident, server)).collect();
            self.door.put("keeping incidents", &s::INCIDENT_PUT, &incidents).await?;
            let entries = appended.iter().flat_map(|it| {
                it.entries.iter().map(|entry| EventRow::of(&it.incident, entry, server))
            });
            let entries: Vec<EventRow> = entries.collect();
            self.door.put("adding to a timeline", &s::INCIDENT_APPEND, &entries).await
        })
    }

    fn timeline<'a>(&'a mut self, incident: &'a IncidentRef) -> Pending<'a, Vec<TimelineEntry>> {
        Box::pin(async move {
            let (doing, bind) = ("reading a timeline", vec![Bind::text(incident.as_str())]);
            let rows: Vec<EventRow> = self.door.documents(doing, &s::TIMELINE, bind).await?;
            let entries = rows.into_iter().map(EventRow::into_entry).collect::<Result<_, _>>();
            entries.map_err(|error| self.door.unreadable(doing, error))
        })
    }

    fn signature<'a>(&'a mut self, signature: &'a str) -> Pending<'a, Option<SignatureState>> {
        Box::pin(async move {
            let (doing, bind) = ("reading a signature", vec![Bind::text(signature)]);
            let rows: Vec<SignatureRow> =
                self.door.documents(doing, &s::SIGNATURE_GET, bind).await?;
            let found = rows.into_iter().next().map(SignatureRow::into_state).transpose();
            found.map_err(|error| self.door.unreadable(doing, error))
        })
    }

    fn put_signature<'a>(&'a mut self, state: &'a SignatureState) -> Pending<'a, ()> {
        Box::pin(async move {
            let row = SignatureRow::of(state, self.door.server());
            self.door.put("remembering a triage", &s::SIGNATURE_PUT, &[row]).await
        })
    }

    fn dashboard(&mut self, since: Timestamp, now: Timestamp) -> Pending<'_, Dashboard> {
        Box::pin(async move {
            const DOING: &str = "counting alerts";
            let at = |at| vec![Bind::At(Some(at))];
            let door = &mut self.door;
            let mut by_status: Vec<StatusCount> =
                door.documents(DOING, &s::BY_STATUS, at(since)).await?;
            by_status.sort_by_key(|count| count.status);
            let stale: Vec<StaleRow> = door.documents(DOING, &s::STALE, at(now)).await?;
            let signatures: Vec<SignatureCount> =
                door.documents(DOING, &s::BY_SIGNATURE, at(since)).await?;
            let rows: Vec<SourceRow> = door.documents(DOING, &s::BY_SOURCE, at(since)).await?;
            let sources = rows.into_iter().map(|row| {
                let last_seen_at = row.last_seen_at.at()?;
                Ok(SourceSeen { source: row.source, alerts: row.alerts, last_seen_at })
            });
            let sources: Result<Vec<SourceSeen>, &str> = sources.collect();
            Ok(Dashboard {
                by_status,
                stale: stale.first().map_or(0, |row| row.stale),
                signatures,
                sources: sources.map_err(|error| self.door.unreadable(DOING, error))?,
            })
        })
    }

    fn expiring(&mut self, before: Timestamp) -> Pending<'_, Expiring> {
        Box::pin(async move {
            let (doing, bind) = ("counting old alerts", vec![Bind::At(Some(before))]);
            let rows: Vec<ExpiringRow> = self.door.documents(doing, &s::EXPIRING, bind).await?;
            let Some(row) = rows.into_iter().next() else { return Ok(Expiring::default()) };
            let moment = |moment: Option<Moment>| moment.map(Moment::at).transpose();
            let told = moment(row.first).and_then(|first| Ok((first, moment(row.last)?)));
            let (first_acked_at, last_acked_at) =
                told.map_err(|error| self.door.unreadable(doing, error))?;
            Ok(Expiring { alerts: row.alerts, first_acked_at, last_acked_at })
        })
    }

    fn expire(&mut self, before: Timestamp, limit: u32) -> Pending<'_, u64> {
        Box::pin(async move {
            let binds = vec![Bind::At(Some(before)), Bind::Int(limit.into())];
            self.door.execute("removing old alerts", &s::EXPIRE, binds).await
        })
    }

    fn commit(self: Box<Self>) -> Pending<'static, ()> {
        Box::pin(self.door.commit())
    }
}

/// A name as the number that PostgreSQL locks by, as text.
fn number(name: &str) -> String {
    let digest = Sha256::digest(format!("plumb-inbox {name}").as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    i64::from_be_bytes(first).to_string()
}

#[derive(Deserialize)]
struct NowRow {
    now: Moment,
}

#[derive(Deserialize)]
struct TipRow {
    feed: String,
    change: u64,
    entries: u64,
}

#[derive(Deserialize)]
struct StaleRow {
    stale: u64,
}

#[derive(Deserialize)]
struct SourceRow {
    source: String,
    alerts: u64,
    last_seen_at: Moment,
}

#[derive(Deserialize)]
struct ExpiringRow {
    alerts: u64,
    first: Option<Moment>,
    last: Option<Moment>,
}
