-- Refused lists that were accepted for a fleet, as they came; the newest holds.
CREATE TABLE refused_list (
    fleet TEXT NOT NULL,
    version INTEGER NOT NULL,
    digest BLOB NOT NULL,
    -- The DSSE envelope, exactly as it came.
    envelope BLOB NOT NULL,
    accepted_at_ms INTEGER NOT NULL,
    PRIMARY KEY (fleet, version)
) STRICT;

CREATE TRIGGER refused_list_is_never_changed BEFORE UPDATE ON refused_list
BEGIN
    SELECT RAISE (ABORT, 'a refused list is never changed');
END;

CREATE TRIGGER refused_list_is_never_removed BEFORE DELETE ON refused_list
BEGIN
    SELECT RAISE (ABORT, 'a refused list is never removed');
END;

-- Content that this console refuses by itself, as after a rollback, whether it stands in a signed list or
-- not. Append-only: the newest row of a content holds, and one without a reason to refuse lifts it.
CREATE TABLE refused_content (
    id INTEGER PRIMARY KEY,
    fleet TEXT NOT NULL,
    content BLOB NOT NULL,
    since_ms INTEGER NOT NULL,
    reason TEXT NOT NULL,
    -- The run that was rolled back.
    run_id BLOB REFERENCES run (id),
    refuses INTEGER NOT NULL
) STRICT;

CREATE INDEX refused_content_of_fleet ON refused_content (fleet, content);
