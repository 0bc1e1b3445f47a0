-- Runs of runbooks: rows of run whose plan is a runbook with its values, and whose journal holds steps.
CREATE TABLE runbook_run (
    run_id BLOB PRIMARY KEY REFERENCES run (id),
    runbook TEXT NOT NULL,
    title TEXT NOT NULL,
    -- Folder in which its commands run.
    folder TEXT NOT NULL,
    -- Folder in which it leaves its evidence.
    artifacts TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Freezes that runs of runbooks took. One holds until it is lifted; the lease says by when that is due.
CREATE TABLE freeze (
    run_id BLOB NOT NULL REFERENCES run (id),
    step TEXT NOT NULL,
    fleet TEXT NOT NULL,
    reason TEXT NOT NULL,
    since_ms INTEGER NOT NULL,
    until_ms INTEGER NOT NULL,
    lifted_at_ms INTEGER,
    -- A DSSE envelope, where the console has a key.
    envelope TEXT,
    PRIMARY KEY (run_id, step)
) STRICT, WITHOUT ROWID;

CREATE INDEX freeze_of_fleet ON freeze (fleet, lifted_at_ms);

-- Rehearsals: the newest of a runbook counts.
CREATE TABLE rehearsal (
    id INTEGER PRIMARY KEY,
    fleet TEXT NOT NULL,
    runbook TEXT NOT NULL,
    -- SHA-256 over the documents that were rehearsed.
    documents BLOB NOT NULL,
    rehearsed_at_ms INTEGER NOT NULL,
    green INTEGER NOT NULL,
    report TEXT NOT NULL
) STRICT;

CREATE INDEX rehearsal_of_runbook ON rehearsal (fleet, runbook);
