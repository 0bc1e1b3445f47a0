-- queries/alert/list.sqlite.sql: alerts for a person, those seen last first
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
WHERE a.last_seen_at >= $1
    AND ($2 IS NULL OR a.env = $2)
    AND ($3 IS NULL OR a.service = $3)
    AND ($4 IS NULL OR a.source = $4)
    AND ($5 IS NULL OR a.signature = $5)
    AND ($6 IS NULL OR a.incident_ref = $6)
    AND ($7 IS NULL OR $7 LIKE '%' || a.status || '%')
    AND ($8 IS NULL OR (a.last_seen_at, a.alert_ref) < ($8, $9))
ORDER BY a.last_seen_at DESC, a.alert_ref DESC
LIMIT $10
