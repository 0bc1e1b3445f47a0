-- queries/incident/append.sqlite.sql: adds to timelines; an entry that is there is an error
INSERT INTO incident_events (
    incident_ref, number, entry_at, entry_by, event
)
SELECT
    value->>'incident_ref', value->>'number', value->>'entry_at', value->>'entry_by',
    value->>'event'
FROM json_each($1) WHERE TRUE
