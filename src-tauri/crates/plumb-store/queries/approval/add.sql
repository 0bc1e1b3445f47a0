-- queries/approval/add.sql: keeps an envelope about a plan, once for each signed payload
INSERT INTO approval (payload, plan_hash, fleet, person, act, envelope, added_at_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
ON CONFLICT DO NOTHING
