-- queries/incident/put.postgres.sql: keeps incidents
INSERT INTO incidents (
    incident_ref, signature, service, env, title, severity, state, opened_at, last_alert_at, alerts,
    entries, closed_by, closed_at, resolution
)
SELECT
    incident_ref, signature, service, env, title, severity, state, opened_at, last_alert_at, alerts,
    entries, closed_by, closed_at, resolution
FROM json_populate_recordset(NULL::incidents, $1::json)
ON CONFLICT (incident_ref) DO UPDATE SET
    severity = excluded.severity,
    state = excluded.state,
    last_alert_at = excluded.last_alert_at,
    alerts = excluded.alerts,
    entries = excluded.entries,
    closed_by = excluded.closed_by,
    closed_at = excluded.closed_at,
    resolution = excluded.resolution
