-- Nothing here can be had again: rows are added, and changed only where a statement below says so.

CREATE TABLE fleet (
    name TEXT PRIMARY KEY,
    file TEXT NOT NULL,
    added_at_ms INTEGER NOT NULL,
    removed_at_ms INTEGER
) STRICT;

-- Append-only: the newest row of a node (or of the fleet, where node is null) holds; a null document withdraws.
CREATE TABLE desired (
    id INTEGER PRIMARY KEY,
    fleet TEXT NOT NULL,
    node TEXT,
    document TEXT,
    set_at_ms INTEGER NOT NULL
) STRICT;

CREATE INDEX desired_of_fleet ON desired (fleet, node);

CREATE TABLE catalogue_entry (
    id INTEGER PRIMARY KEY,
    fleet TEXT NOT NULL,
    digest BLOB NOT NULL,
    version TEXT NOT NULL,
    document TEXT NOT NULL,
    UNIQUE (fleet, digest)
) STRICT;

CREATE TABLE plan (
    hash BLOB PRIMARY KEY,
    fleet TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL,
    document TEXT NOT NULL
) STRICT;

CREATE TABLE run (
    id BLOB PRIMARY KEY,
    plan_hash BLOB NOT NULL REFERENCES plan (hash),
    fleet TEXT NOT NULL,
    operator TEXT NOT NULL,
    started_at_ms INTEGER NOT NULL,
    ended_at_ms INTEGER,
    outcome TEXT
) STRICT;

CREATE INDEX run_of_fleet ON run (fleet, started_at_ms);

CREATE TABLE journal_event (
    run_id BLOB NOT NULL REFERENCES run (id),
    seq INTEGER NOT NULL,
    -- Exact, for the hash covers it: milliseconds and the nanoseconds left over.
    recorded_at_ms INTEGER NOT NULL,
    recorded_rest_ns INTEGER NOT NULL,
    body TEXT NOT NULL,
    hash BLOB NOT NULL,
    previous BLOB NOT NULL,
    PRIMARY KEY (run_id, seq)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER journal_event_is_gap_free BEFORE INSERT ON journal_event
WHEN NEW.seq <> (SELECT max(seq) + 1 FROM journal_event WHERE run_id = NEW.run_id)
BEGIN
    SELECT RAISE (ABORT, 'a journal is appended in order');
END;

CREATE TRIGGER journal_event_is_never_changed BEFORE UPDATE ON journal_event
BEGIN
    SELECT RAISE (ABORT, 'a journal event is never changed');
END;

CREATE TRIGGER journal_event_is_never_removed BEFORE DELETE ON journal_event
BEGIN
    SELECT RAISE (ABORT, 'a journal event is never removed');
END;
