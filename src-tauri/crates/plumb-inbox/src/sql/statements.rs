//! Every statement, as each server understands it.

/// One statement in two spellings.
#[derive(Debug)]
pub(crate) struct Statement {
    pub(crate) sqlite: &'static str,
    pub(crate) postgres: &'static str,
    /// For PostgreSQL where rows are read to be changed.
    pub(crate) locking: &'static str,
}

/// Rows that are read to be changed are locked, and passed over where another transaction works on them.
macro_rules! statements {
    ($($name:ident = $file:literal $(, $lock:literal)?;)*) => {$(
        pub(crate) static $name: Statement = Statement {
            sqlite: include_str!(concat!("../../queries/", $file, ".sqlite.sql")),
            postgres: include_str!(concat!("../../queries/", $file, ".postgres.sql")),
            locking: concat!(
                include_str!(concat!("../../queries/", $file, ".postgres.sql")) $(, $lock)?
            ),
        };
    )*};
}

statements! {
    ALERT_GET = "alert/get", "FOR UPDATE";
    ALERT_NEWEST = "alert/newest", "FOR UPDATE";
    ALERT_DUE = "alert/due", "FOR UPDATE SKIP LOCKED";
    ALERT_UNCLAIMED = "alert/unclaimed", "FOR UPDATE SKIP LOCKED";
    ALERT_PUT = "alert/put";
    ALERT_LIST = "alert/list";
    ALERT_CHANGED = "alert/changed";
    TIP = "tip";
    BY_STATUS = "alert/by_status";
    STALE = "alert/stale";
    BY_SIGNATURE = "alert/by_signature";
    BY_SOURCE = "alert/by_source";
    EXPIRING = "alert/expiring";
    INCIDENT_GET = "incident/get", "FOR UPDATE";
    INCIDENT_OPEN = "incident/open", "FOR UPDATE";
    INCIDENT_LIST = "incident/list";
    INCIDENT_PUT = "incident/put";
    INCIDENT_APPEND = "incident/append";
    TIMELINE = "incident/timeline";
    SIGNATURE_GET = "signature/get", "FOR UPDATE";
    SIGNATURE_PUT = "signature/put";
}

/// The same words for both.
pub(crate) static EXPIRE: Statement = one(include_str!("../../queries/alert/expire.sql"));
pub(crate) static FEED_TAKE: Statement = one(include_str!("../../queries/feed/take.sql"));
pub(crate) static FEED_BEFORE_NEWEST: Statement =
    one(include_str!("../../queries/feed/before_newest.sql"));

/// For PostgreSQL only: SQLite has one writer, and no clock that others share.
pub(crate) static LOCK: Statement = one(include_str!("../../queries/lock.postgres.sql"));
pub(crate) static NOW: Statement = one(include_str!("../../queries/now.postgres.sql"));

const fn one(words: &'static str) -> Statement {
    Statement { sqlite: words, postgres: words, locking: words }
}
