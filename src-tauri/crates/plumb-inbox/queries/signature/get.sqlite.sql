-- queries/signature/get.sqlite.sql: what is remembered of a signature
SELECT json_object(
    'signature', s.signature,
    'last_triage_at', s.last_triage_at,
    'skipped', s.skipped
)
FROM incident_signature_state s
WHERE s.signature = $1
