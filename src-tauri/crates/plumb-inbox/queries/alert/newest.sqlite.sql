-- queries/alert/newest.sqlite.sql: the newest alert of each of some fingerprints
SELECT json_object(
    'alert_ref', a.alert_ref,
    'source', a.source,
    'service', a.service,
    'env', a.env,
    'kind', a.kind,
    'title', a.title,
    'message', a.message,
    'severity', a.severity,
    'fingerprint', a.fingerprint,
    'signature', a.signature,
    'labels', a.labels,
    'details', a.details,
    'occurrences', a.occurrences,
    'created_at', a.created_at,
    'last_seen_at', a.last_seen_at,
    'started_at', a.started_at,
    'resolved_at', a.resolved_at,
    'incident_ref', a.incident_ref,
    'last_error', a.last_error,
    'claims', a.claims,
    'failures', a.failures,
    'requeues', a.requeues,
    'status', a.status,
    'owner', a.owner,
    'claimed_at', a.claimed_at,
    'processing_lock_until', a.processing_lock_until,
    'settled_by', a.settled_by,
    'settled_at', a.settled_at,
    'note', a.note,
    'outcome', a.outcome,
    'retry_at', a.retry_at,
    'told_by', a.told_by
)
FROM alerts a
WHERE a.alert_ref IN (SELECT (
    SELECT n.alert_ref FROM alerts n WHERE n.fingerprint = f.value
    ORDER BY n.created_at DESC, n.alert_ref DESC LIMIT 1
) FROM json_each($1) f)
ORDER BY a.alert_ref
