-- queries/alert/expiring.sqlite.sql: how many alerts were acknowledged before then
SELECT json_object('alerts', count(*), 'first', min(settled_at), 'last', max(settled_at))
FROM alerts WHERE status = 'acked' AND settled_at < $1
