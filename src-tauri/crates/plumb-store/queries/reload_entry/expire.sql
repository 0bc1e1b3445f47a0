-- queries/reload_entry/expire.sql: removes a batch of reloads before a moment, never the newest of a node, which
-- its ring may still hold
DELETE FROM reload_entry WHERE id IN (
    SELECT id FROM reload_entry AS old
    WHERE old.reloaded_at_ms < ?1
        AND old.id < (
            SELECT newest.id FROM reload_entry AS newest
            WHERE newest.node_id = old.node_id
            ORDER BY newest.id DESC
            LIMIT 1 OFFSET ?2
        )
    LIMIT ?3
)
