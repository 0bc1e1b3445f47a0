-- queries/alert/newest.postgres.sql: the newest alert of each of some fingerprints
SELECT row_to_json(a)::text
FROM alerts a
WHERE a.alert_ref IN (SELECT (
    SELECT n.alert_ref FROM alerts n WHERE n.fingerprint = f.value
    ORDER BY n.created_at DESC, n.alert_ref DESC LIMIT 1
) FROM json_array_elements_text($1::json) f)
ORDER BY a.alert_ref
