-- queries/incident/timeline.sqlite.sql: the timeline of an incident
SELECT json_object(
    'incident_ref', e.incident_ref,
    'number', e.number,
    'entry_at', e.entry_at,
    'entry_by', e.entry_by,
    'event', e.event
)
FROM incident_events e
WHERE e.incident_ref = $1
ORDER BY e.number
