-- queries/content/insert.sql: keeps what one content digest stands for, once
INSERT INTO content (digest, ordering, policy_list_id, text_ids, stored_at_ms)
VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT DO NOTHING
