-- queries/readiness/add.sql: keeps what shows that an item is ready, or withdraws it
INSERT INTO readiness (fleet, item, document, added_by, added_at_ms)
VALUES (?1, ?2, ?3, ?4, ?5)
