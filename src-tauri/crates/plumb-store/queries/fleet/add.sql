-- queries/fleet/add.sql: makes a fleet known, or known again, under its file
INSERT INTO fleet (name, file, added_at_ms) VALUES (?1, ?2, ?3)
ON CONFLICT (name) DO UPDATE SET
    file = excluded.file,
    added_at_ms = iif(removed_at_ms IS NULL, added_at_ms, excluded.added_at_ms),
    removed_at_ms = NULL
