-- queries/approval_request/newest.sql: the newest request for a plan
SELECT document FROM approval_request WHERE plan_hash = ?1 ORDER BY id DESC LIMIT 1
