-- queries/alert/expiring.postgres.sql: how many alerts were acknowledged before then
SELECT json_build_object('alerts', count(*), 'first', min(settled_at), 'last', max(settled_at))::text
FROM alerts WHERE status = 'acked' AND settled_at < $1
