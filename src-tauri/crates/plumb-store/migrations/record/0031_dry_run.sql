-- What dry runs of plans found. The newest of a plan is what its approvals must bind.
CREATE TABLE dry_run (
    id INTEGER PRIMARY KEY,
    plan_hash BLOB NOT NULL REFERENCES plan (hash),
    made_at_ms INTEGER NOT NULL,
    -- SHA-256 of the document, which is canonical JSON.
    digest BLOB NOT NULL,
    document TEXT NOT NULL
) STRICT;

CREATE INDEX dry_run_of_plan ON dry_run (plan_hash, made_at_ms);

CREATE TRIGGER dry_run_is_never_changed BEFORE UPDATE ON dry_run
BEGIN
    SELECT RAISE (ABORT, 'a dry run is never changed');
END;

CREATE TRIGGER dry_run_is_never_removed BEFORE DELETE ON dry_run
BEGIN
    SELECT RAISE (ABORT, 'a dry run is never removed');
END;
