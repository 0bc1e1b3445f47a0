-- queries/approval/of_fleet.sql: the newest envelopes about plans of a fleet, newest first
SELECT payload, plan_hash, fleet, person, act, envelope, added_at_ms FROM approval
WHERE fleet = ?1 ORDER BY added_at_ms DESC, payload LIMIT ?2
