-- queries/incident/timeline.postgres.sql: the timeline of an incident
SELECT row_to_json(e)::text
FROM incident_events e
WHERE e.incident_ref = $1
ORDER BY e.number
