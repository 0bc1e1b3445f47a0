-- Alerts with their states, incidents with their timelines, and what is remembered of signatures.
-- Columns that people ask for by hand have the names and types that their queries expect: status, last_error,
-- processing_lock_until, created_at, last_triage_at.
CREATE TABLE alerts (
    alert_ref TEXT PRIMARY KEY,
    source TEXT NOT NULL,
    service TEXT NOT NULL,
    env TEXT NOT NULL,
    kind TEXT NOT NULL,
    title TEXT NOT NULL,
    message TEXT NOT NULL,
    severity TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    signature TEXT NOT NULL,
    labels TEXT NOT NULL, -- an object of texts, as JSON
    details TEXT NOT NULL, -- what the sender gave beside, as JSON
    occurrences BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    last_seen_at TIMESTAMPTZ NOT NULL,
    started_at TEXT, -- by the sender's clock, exactly
    resolved_at TIMESTAMPTZ,
    incident_ref TEXT,
    last_error TEXT, -- of the newest failure
    claims BIGINT NOT NULL,
    failures BIGINT NOT NULL,
    requeues BIGINT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('new', 'processing', 'acked', 'failed')),
    owner TEXT, -- who holds it while it is processing
    claimed_at TIMESTAMPTZ,
    processing_lock_until TIMESTAMPTZ,
    settled_by TEXT, -- who acknowledged or failed it
    settled_at TIMESTAMPTZ,
    note TEXT,
    outcome TEXT,
    retry_at TIMESTAMPTZ
);

-- The newest alert of a fingerprint: every report asks for it.
CREATE INDEX alerts_fingerprint ON alerts (fingerprint, created_at, alert_ref);
-- What a claim takes, in the order in which it takes it.
CREATE INDEX alerts_new ON alerts (severity, created_at, alert_ref) WHERE status = 'new';
-- What a claim puts back first.
CREATE INDEX alerts_locked ON alerts (processing_lock_until) WHERE status = 'processing';
CREATE INDEX alerts_paused ON alerts (retry_at) WHERE status = 'failed';
-- Lists and dashboards.
CREATE INDEX alerts_seen ON alerts (last_seen_at, alert_ref);
CREATE INDEX alerts_incident ON alerts (incident_ref) WHERE incident_ref IS NOT NULL;
-- Retention.
CREATE INDEX alerts_acked ON alerts (settled_at) WHERE status = 'acked';

CREATE TABLE incidents (
    incident_ref TEXT PRIMARY KEY,
    signature TEXT NOT NULL,
    service TEXT NOT NULL,
    env TEXT NOT NULL,
    title TEXT NOT NULL,
    severity TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'mitigating', 'resolved', 'closed')),
    opened_at TIMESTAMPTZ NOT NULL,
    last_alert_at TIMESTAMPTZ NOT NULL,
    alerts BIGINT NOT NULL,
    entries BIGINT NOT NULL, -- the number of the next entry of its timeline
    closed_by TEXT,
    closed_at TIMESTAMPTZ,
    resolution TEXT
);

CREATE INDEX incidents_open ON incidents (signature, opened_at, incident_ref) WHERE state <> 'closed';

CREATE TABLE incident_events (
    incident_ref TEXT NOT NULL REFERENCES incidents,
    number BIGINT NOT NULL, -- from 0, without gaps
    entry_at TIMESTAMPTZ NOT NULL,
    entry_by TEXT NOT NULL,
    event TEXT NOT NULL, -- what happened, as JSON
    PRIMARY KEY (incident_ref, number)
);

-- A timeline is added to and never changed.
CREATE FUNCTION incident_events_kept() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'a timeline is never changed'; END $$;
CREATE TRIGGER incident_events_kept BEFORE UPDATE OR DELETE ON incident_events
FOR EACH ROW EXECUTE FUNCTION incident_events_kept();

CREATE TABLE incident_signature_state (
    signature TEXT PRIMARY KEY,
    last_triage_at TIMESTAMPTZ NOT NULL,
    skipped BIGINT NOT NULL
);
