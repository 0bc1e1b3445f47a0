-- The long history of reloads, merged from what nodes keep of it: a lossy ring of ten (conflict C6).

CREATE TABLE reload_error (
    id INTEGER PRIMARY KEY,
    message TEXT NOT NULL UNIQUE
) STRICT;

-- In order of arrival: ids grow with time even where a node's clock was set back.
CREATE TABLE reload_entry (
    id INTEGER PRIMARY KEY,
    node_id INTEGER NOT NULL REFERENCES swept_node (id),
    reloaded_at_ms INTEGER NOT NULL,
    reloaded_rest_ns INTEGER NOT NULL,
    version_id INTEGER REFERENCES version (id),
    success INTEGER NOT NULL,
    duration_us INTEGER NOT NULL,
    policies INTEGER NOT NULL,
    error_id INTEGER REFERENCES reload_error (id),
    -- 1 where entries before this one may be missing.
    gap_before INTEGER NOT NULL
) STRICT;

CREATE INDEX reload_entry_of_node ON reload_entry (node_id, reloaded_at_ms);
