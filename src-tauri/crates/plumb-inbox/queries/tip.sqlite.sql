-- queries/tip.sqlite.sql: which alert was kept last, and how many entries all timelines have
SELECT json_object(
    'changed_at', (SELECT MAX(changed_at) FROM alerts),
    'alert_ref', (SELECT alert_ref FROM alerts ORDER BY changed_at DESC, alert_ref DESC LIMIT 1),
    'entries', (SELECT COALESCE(SUM(entries), 0) FROM incidents)
)
