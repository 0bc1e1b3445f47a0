-- queries/incident/put.sqlite.sql: keeps incidents
INSERT INTO incidents (
    incident_ref, signature, service, env, title, severity, state, opened_at, last_alert_at, alerts,
    entries, closed_by, closed_at, resolution
)
SELECT
    value->>'incident_ref', value->>'signature', value->>'service', value->>'env', value->>'title',
    value->>'severity', value->>'state', value->>'opened_at', value->>'last_alert_at',
    value->>'alerts', value->>'entries', value->>'closed_by', value->>'closed_at',
    value->>'resolution'
FROM json_each($1) WHERE TRUE
ON CONFLICT (incident_ref) DO UPDATE SET
    severity = excluded.severity,
    state = excluded.state,
    last_alert_at = excluded.last_alert_at,
    alerts = excluded.alerts,
    entries = excluded.entries,
    closed_by = excluded.closed_by,
    closed_at = excluded.closed_at,
    resolution = excluded.resolution
