-- queries/tip.postgres.sql: the newest change of an alert, and how many entries all timelines have
SELECT json_build_object(
    'feed', (SELECT name FROM alert_feed),
    'change', (SELECT last FROM alert_feed),
    'entries', (SELECT COALESCE(SUM(entries), 0) FROM incidents)
)::text
