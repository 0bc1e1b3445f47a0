-- Everything here may be rebuilt from the nodes. Names, labels and digests are interned: a row of the log of
-- changes is about 40 bytes, so 300,000 of them (1,000 nodes, 30 days, 10 a day) are about 15 MB with their index.

CREATE TABLE swept_fleet (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE swept_node (
    id INTEGER PRIMARY KEY,
    fleet_id INTEGER NOT NULL REFERENCES swept_fleet (id),
    name TEXT NOT NULL,
    UNIQUE (fleet_id, name)
) STRICT;

CREATE TABLE version (
    id INTEGER PRIMARY KEY,
    label TEXT NOT NULL UNIQUE
) STRICT;

-- Content digests seen on nodes, with or without known policies.
CREATE TABLE seen_content (
    id INTEGER PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE
) STRICT;

-- Policies by id and digest, each list once however many nodes report it.
CREATE TABLE policy_list (
    id INTEGER PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE,
    document TEXT NOT NULL
) STRICT;

-- Texts of policies, each once however many contents hold it.
CREATE TABLE policy_text (
    id INTEGER PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE,
    text TEXT NOT NULL
) STRICT;

CREATE TABLE content (
    digest BLOB PRIMARY KEY,
    ordering TEXT NOT NULL,
    policy_list_id INTEGER NOT NULL REFERENCES policy_list (id),
    -- JSON array of policy_text ids, in the order of the list.
    text_ids TEXT NOT NULL,
    stored_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX content_policy_list ON content (policy_list_id);

CREATE TABLE sweep (
    id INTEGER PRIMARY KEY,
    fleet_id INTEGER NOT NULL REFERENCES swept_fleet (id),
    snapshot_id BLOB NOT NULL,
    taken_at_ms INTEGER NOT NULL,
    started_at_ms INTEGER NOT NULL,
    finished_at_ms INTEGER NOT NULL,
    nodes INTEGER NOT NULL,
    answered INTEGER NOT NULL
) STRICT;

CREATE INDEX sweep_by_moment ON sweep (fleet_id, taken_at_ms);

-- Reports without what is a node's own: nodes of one version and state share one.
CREATE TABLE report_shape (
    id INTEGER PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE,
    document TEXT NOT NULL
) STRICT;

-- The newest report of a node without what moves from sweep to sweep; written only when it changes.
CREATE TABLE node_latest (
    node_id INTEGER PRIMARY KEY REFERENCES swept_node (id),
    report_shape_id INTEGER NOT NULL REFERENCES report_shape (id),
    policy_list_id INTEGER REFERENCES policy_list (id),
    -- JSON array: the node's ring of reloads, newest first, each an array.
    history TEXT NOT NULL,
    -- JSON array of the reload counters.
    stats TEXT,
    loaded_at_ms INTEGER,
    loaded_rest_ns INTEGER,
    changed_at_ms INTEGER NOT NULL
) STRICT;

CREATE INDEX node_latest_policy_list ON node_latest (policy_list_id);
CREATE INDEX node_latest_report_shape ON node_latest (report_shape_id);

-- What moves: one row a node, overwritten by every sweep.
CREATE TABLE node_seen (
    node_id INTEGER PRIMARY KEY REFERENCES swept_node (id),
    sweep_id INTEGER NOT NULL,
    attempted_at_ms INTEGER,
    failure_kind TEXT,
    failure_message TEXT,
    reported_at_ms INTEGER,
    latency_ms INTEGER,
    uptime_s INTEGER,
    -- A node's own moments are exact: milliseconds and the nanoseconds left over.
    confirmed_at_ms INTEGER,
    confirmed_rest_ns INTEGER,
    clock_skew_ms INTEGER,
    -- JSON array: when each part of the report was read, in milliseconds after reported_at_ms.
    moments TEXT,
    state TEXT,
    version_id INTEGER REFERENCES version (id),
    content_id INTEGER REFERENCES seen_content (id)
) STRICT;

CREATE TABLE node_change (
    id INTEGER PRIMARY KEY,
    node_id INTEGER NOT NULL REFERENCES swept_node (id),
    changed_at_ms INTEGER NOT NULL,
    version_id INTEGER REFERENCES version (id),
    content_id INTEGER REFERENCES seen_content (id),
    state TEXT,
    failure_kind TEXT
) STRICT;

CREATE INDEX node_change_by_moment ON node_change (node_id, changed_at_ms);
