-- queries/approval_request/add.sql: keeps what approvers of a plan are asked
INSERT INTO approval_request (plan_hash, requested_at_ms, document) VALUES (?1, ?2, ?3)
