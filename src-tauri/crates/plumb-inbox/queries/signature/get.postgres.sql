-- queries/signature/get.postgres.sql: what is remembered of a signature
SELECT row_to_json(s)::text
FROM incident_signature_state s
WHERE s.signature = $1
