-- queries/node_change/expire.sql: removes a batch of changes before a moment, but what held at that moment
DELETE FROM node_change WHERE id IN (
    SELECT id FROM node_change AS old
    WHERE old.changed_at_ms < ?1
        AND EXISTS (
            SELECT 1 FROM node_change AS later
            WHERE later.node_id = old.node_id
                AND later.changed_at_ms > old.changed_at_ms
                AND later.changed_at_ms <= ?1
        )
    LIMIT ?2
)
