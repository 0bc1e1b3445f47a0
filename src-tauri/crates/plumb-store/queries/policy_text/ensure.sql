-- queries/policy_text/ensure.sql: keeps one text of a policy once
INSERT INTO policy_text (digest, text) VALUES (?1, ?2) ON CONFLICT DO NOTHING
