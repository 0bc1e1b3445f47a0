-- queries/signature/put.sqlite.sql: remembers a triage
INSERT INTO incident_signature_state (
    signature, last_triage_at, skipped
)
SELECT
    value->>'signature', value->>'last_triage_at', value->>'skipped'
FROM json_each($1) WHERE TRUE
ON CONFLICT (signature) DO UPDATE SET
    last_triage_at = excluded.last_triage_at,
    skipped = excluded.skipped
