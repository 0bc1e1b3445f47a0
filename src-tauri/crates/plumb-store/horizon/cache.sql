-- horizon/cache.sql: what nodes ran, and how they reloaded, becomes a view of what is up to the horizon.
CREATE TABLE horizon (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    at_ms INTEGER NOT NULL,
    run_id BLOB,
    seq INTEGER
) STRICT;
INSERT INTO horizon (one, at_ms) VALUES (1, 9223372036854775807);

ALTER TABLE node_change RENAME TO whole_node_change;
CREATE VIEW node_change AS
SELECT whole_node_change.* FROM whole_node_change, horizon
WHERE whole_node_change.changed_at_ms <= horizon.at_ms;

ALTER TABLE reload_entry RENAME TO whole_reload_entry;
CREATE VIEW reload_entry AS
SELECT whole_reload_entry.* FROM whole_reload_entry, horizon
WHERE whole_reload_entry.reloaded_at_ms <= horizon.at_ms;
