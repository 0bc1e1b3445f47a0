-- horizon/record.sql: every table of the record that grows with time becomes a view of what is up to the horizon.
CREATE TABLE horizon (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    at_ms INTEGER NOT NULL,
    -- Of this run the journal counts up to this event, whatever the clock said.
    run_id BLOB,
    seq INTEGER
) STRICT;
INSERT INTO horizon (one, at_ms) VALUES (1, 9223372036854775807);

ALTER TABLE journal_event RENAME TO whole_journal_event;
CREATE VIEW journal_event AS
SELECT whole_journal_event.* FROM whole_journal_event, horizon
WHERE CASE whole_journal_event.run_id
    WHEN horizon.run_id THEN whole_journal_event.seq <= horizon.seq
    ELSE whole_journal_event.recorded_at_ms <= horizon.at_ms
END;

ALTER TABLE journal_head RENAME TO whole_journal_head;
CREATE VIEW journal_head AS
SELECT whole_journal_head.* FROM whole_journal_head
WHERE whole_journal_head.events <= (
    SELECT count(*) FROM journal_event WHERE journal_event.run_id = whole_journal_head.run_id
);

ALTER TABLE run RENAME TO whole_run;
CREATE VIEW run AS
SELECT
    whole_run.id, whole_run.plan_hash, whole_run.fleet, whole_run.operator, whole_run.started_at_ms,
    CASE WHEN whole_run.ended_at_ms <= horizon.at_ms THEN whole_run.ended_at_ms END AS ended_at_ms,
    CASE WHEN whole_run.ended_at_ms <= horizon.at_ms THEN whole_run.outcome END AS outcome
FROM whole_run, horizon
WHERE whole_run.started_at_ms <= horizon.at_ms;

ALTER TABLE certificate RENAME TO whole_certificate;
CREATE VIEW certificate AS
SELECT whole_certificate.* FROM whole_certificate, horizon
WHERE whole_certificate.observed_at_ms <= horizon.at_ms;

ALTER TABLE approval RENAME TO whole_approval;
CREATE VIEW approval AS
SELECT whole_approval.* FROM whole_approval, horizon WHERE whole_approval.added_at_ms <= horizon.at_ms;

ALTER TABLE desired RENAME TO whole_desired;
CREATE VIEW desired AS
SELECT whole_desired.* FROM whole_desired, horizon WHERE whole_desired.set_at_ms <= horizon.at_ms;

ALTER TABLE refused_list RENAME TO whole_refused_list;
CREATE VIEW refused_list AS
SELECT whole_refused_list.* FROM whole_refused_list, horizon
WHERE whole_refused_list.accepted_at_ms <= horizon.at_ms;

-- In a file that was made to be looked at, what lifts content says since when it is lifted.
ALTER TABLE refused_content RENAME TO whole_refused_content;
CREATE VIEW refused_content AS
SELECT whole_refused_content.* FROM whole_refused_content, horizon
WHERE whole_refused_content.since_ms <= horizon.at_ms;
