-- What a hub knows beside packs and alerts: documents with a version each, and entries that are only added.
CREATE TABLE document (
    collection TEXT NOT NULL,
    key TEXT NOT NULL,
    -- Counts the changes of this document: who writes says which one was read.
    version INTEGER NOT NULL CHECK (version > 0),
    body TEXT NOT NULL,
    changed_at_ms INTEGER NOT NULL,
    PRIMARY KEY (collection, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE entry (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    topic TEXT NOT NULL,
    subject TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX entry_of_topic ON entry (topic, seq);
CREATE INDEX entry_by_time ON entry (topic, at_ms);

-- One number that grows with every change, so that other processes see that there was one.
CREATE TABLE revision (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    number INTEGER NOT NULL
) STRICT;
INSERT INTO revision (one, number) VALUES (1, 0);
