-- adds an entry
INSERT INTO entry (topic, subject, at_ms, body) VALUES (?1, ?2, ?3, ?4)
