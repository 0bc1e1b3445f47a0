-- queries/alert/newest.sqlite.sql: the newest alert of each of some fingerprints
SELECT a.document
FROM alert_documents a
WHERE a.alert_ref IN (SELECT (
    SELECT n.alert_ref FROM alerts n WHERE n.fingerprint = f.value
    ORDER BY n.created_at DESC, n.alert_ref DESC LIMIT 1
) FROM json_each($1) f)
ORDER BY a.alert_ref
