-- queries/approval/of_plan.sql: every envelope about a plan, in the order in which they came
SELECT payload, plan_hash, fleet, person, act, envelope, added_at_ms FROM approval
WHERE plan_hash = ?1 ORDER BY added_at_ms, payload
