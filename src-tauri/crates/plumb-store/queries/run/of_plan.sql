-- queries/run/of_plan.sql: whether a fleet had a run of a plan
SELECT EXISTS (SELECT 1 FROM run WHERE fleet = ?1 AND plan_hash = ?2) AS "had: bool"
