-- queries/signature/put.postgres.sql: remembers a triage
INSERT INTO incident_signature_state (
    signature, last_triage_at, skipped
)
SELECT
    signature, last_triage_at, skipped
FROM json_populate_recordset(NULL::incident_signature_state, $1::json)
ON CONFLICT (signature) DO UPDATE SET
    last_triage_at = excluded.last_triage_at,
    skipped = excluded.skipped
