-- What hubs know beside packs and alerts: documents with a version each, and entries that are only added.
CREATE TABLE hub_document (
    collection TEXT NOT NULL,
    -- In the order of bytes, as prefixes are looked for.
    key TEXT COLLATE "C" NOT NULL,
    -- Counts the changes of this document: who writes says which one was read.
    version BIGINT NOT NULL CHECK (version > 0),
    body TEXT NOT NULL,
    changed_at_ms BIGINT NOT NULL,
    PRIMARY KEY (collection, key)
);

CREATE TABLE hub_entry (
    seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic TEXT NOT NULL,
    subject TEXT NOT NULL,
    at_ms BIGINT NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX hub_entry_of_topic ON hub_entry (topic, seq);
CREATE INDEX hub_entry_by_time ON hub_entry (topic, at_ms);

-- One number that grows with every change, so that other hubs see that there was one.
CREATE TABLE hub_revision (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    number BIGINT NOT NULL
);
INSERT INTO hub_revision (one, number) VALUES (1, 0);
