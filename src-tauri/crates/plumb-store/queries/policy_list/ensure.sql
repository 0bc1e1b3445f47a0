-- queries/policy_list/ensure.sql: keeps a list of policies once
INSERT INTO policy_list (digest, document) VALUES (?1, ?2) ON CONFLICT DO NOTHING
