-- queries/alert/put.sqlite.sql: keeps alerts; what their first report said does not change
INSERT INTO alerts (
    alert_ref, source, service, env, kind, title, message, severity, fingerprint, signature, labels,
    details, occurrences, created_at, last_seen_at, started_at, resolved_at, incident_ref,
    last_error, claims, failures, requeues, status, owner, claimed_at, processing_lock_until,
    settled_by, settled_at, note, outcome, retry_at, told_by, change_number
)
SELECT
    value->>'alert_ref', value->>'source', value->>'service', value->>'env', value->>'kind',
    value->>'title', value->>'message', value->>'severity', value->>'fingerprint',
    value->>'signature', value->>'labels', value->>'details', value->>'occurrences',
    value->>'created_at', value->>'last_seen_at', value->>'started_at', value->>'resolved_at',
    value->>'incident_ref', value->>'last_error', value->>'claims', value->>'failures',
    value->>'requeues', value->>'status', value->>'owner', value->>'claimed_at',
    value->>'processing_lock_until', value->>'settled_by', value->>'settled_at', value->>'note',
    value->>'outcome', value->>'retry_at', value->>'told_by', value->>'change_number'
FROM json_each($1) WHERE TRUE
ON CONFLICT (alert_ref) DO UPDATE SET
    severity = excluded.severity,
    occurrences = excluded.occurrences,
    last_seen_at = excluded.last_seen_at,
    resolved_at = excluded.resolved_at,
    incident_ref = excluded.incident_ref,
    last_error = excluded.last_error,
    claims = excluded.claims,
    failures = excluded.failures,
    requeues = excluded.requeues,
    status = excluded.status,
    owner = excluded.owner,
    claimed_at = excluded.claimed_at,
    processing_lock_until = excluded.processing_lock_until,
    settled_by = excluded.settled_by,
    settled_at = excluded.settled_at,
    note = excluded.note,
    outcome = excluded.outcome,
    retry_at = excluded.retry_at,
    told_by = excluded.told_by,
    change_number = excluded.change_number
