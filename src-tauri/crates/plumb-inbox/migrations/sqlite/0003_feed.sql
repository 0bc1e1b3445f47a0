-- Each change of an alert takes the next number, in the turn of whoever writes. So whoever follows the inbox reads what
-- changed in the order in which it was kept, whatever clocks say. `changed_at` is not written any more.
CREATE TABLE alert_feed (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    name TEXT NOT NULL, -- another one where places of before are good for nothing, as after alerts were removed
    last INTEGER NOT NULL -- the number of the newest change
) STRICT;
ALTER TABLE alerts ADD COLUMN change_number INTEGER NOT NULL DEFAULT 0;
UPDATE alerts SET change_number = o.number
FROM (SELECT alert_ref, row_number() OVER (ORDER BY changed_at, alert_ref) AS number FROM alerts) AS o
WHERE alerts.alert_ref = o.alert_ref;
INSERT INTO alert_feed (id, name, last) SELECT 1, lower(hex(randomblob(8))), count(*) FROM alerts;
DROP INDEX alerts_changed;
CREATE UNIQUE INDEX alerts_change ON alerts (change_number);

-- What people change by hand is heard of as well.
CREATE TRIGGER alerts_added_by_hand AFTER INSERT ON alerts WHEN NEW.change_number = 0
BEGIN
    UPDATE alert_feed SET last = last + 1;
    UPDATE alerts SET change_number = (SELECT last FROM alert_feed) WHERE alert_ref = NEW.alert_ref;
END;
CREATE TRIGGER alerts_changed_by_hand AFTER UPDATE ON alerts WHEN NEW.change_number = OLD.change_number
BEGIN
    UPDATE alert_feed SET last = last + 1;
    UPDATE alerts SET change_number = (SELECT last FROM alert_feed) WHERE alert_ref = NEW.alert_ref;
END;
-- What is gone has no number: whoever knew it begins again.
CREATE TRIGGER alerts_removed AFTER DELETE ON alerts
BEGIN UPDATE alert_feed SET name = lower(hex(randomblob(8))); END;

-- Rows with themselves as a document: the one place that names what a document holds. A migration that adds a column
-- makes the view anew.
CREATE VIEW alert_documents AS
SELECT
    a.*,
    json_object(
        'alert_ref', a.alert_ref,
        'source', a.source,
        'service', a.service,
        'env', a.env,
        'kind', a.kind,
        'title', a.title,
        'message', a.message,
        'severity', a.severity,
        'fingerprint', a.fingerprint,
        'signature', a.signature,
        'labels', a.labels,
        'details', a.details,
        'occurrences', a.occurrences,
        'created_at', a.created_at,
        'last_seen_at', a.last_seen_at,
        'started_at', a.started_at,
        'resolved_at', a.resolved_at,
        'incident_ref', a.incident_ref,
        'last_error', a.last_error,
        'claims', a.claims,
        'failures', a.failures,
        'requeues', a.requeues,
        'status', a.status,
        'owner', a.owner,
        'claimed_at', a.claimed_at,
        'processing_lock_until', a.processing_lock_until,
        'settled_by', a.settled_by,
        'settled_at', a.settled_at,
        'note', a.note,
        'outcome', a.outcome,
        'retry_at', a.retry_at,
        'told_by', a.told_by,
        'change_number', a.change_number
    ) AS document
FROM alerts a;

CREATE VIEW incident_documents AS
SELECT
    i.*,
    json_object(
        'incident_ref', i.incident_ref,
        'signature', i.signature,
        'service', i.service,
        'env', i.env,
        'title', i.title,
        'severity', i.severity,
        'state', i.state,
        'opened_at', i.opened_at,
        'last_alert_at', i.last_alert_at,
        'alerts', i.alerts,
        'entries', i.entries,
        'closed_by', i.closed_by,
        'closed_at', i.closed_at,
        'resolution', i.resolution
    ) AS document
FROM incidents i;
