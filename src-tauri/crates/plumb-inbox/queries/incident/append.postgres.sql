-- queries/incident/append.postgres.sql: adds to timelines; an entry that is there is an error
INSERT INTO incident_events (
    incident_ref, number, entry_at, entry_by, event
)
SELECT
    incident_ref, number, entry_at, entry_by, event
FROM json_populate_recordset(NULL::incident_events, $1::json)
