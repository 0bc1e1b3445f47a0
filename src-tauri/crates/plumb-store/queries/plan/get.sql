-- queries/plan/get.sql: the plan with a hash
SELECT fleet, created_at_ms, document FROM plan WHERE hash = ?1
