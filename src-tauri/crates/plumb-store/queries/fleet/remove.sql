-- queries/fleet/remove.sql: takes a fleet off the list; its row and its history stay
UPDATE fleet SET removed_at_ms = ?2 WHERE name = ?1 AND removed_at_ms IS NULL
