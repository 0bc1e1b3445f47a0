-- What shows that an item of the readiness checklist of a fleet is ready. The newest of an item counts; one
-- without a document withdraws it.
CREATE TABLE readiness (
    id INTEGER PRIMARY KEY,
    fleet TEXT NOT NULL,
    item TEXT NOT NULL,
    document TEXT,
    added_by TEXT NOT NULL,
    added_at_ms INTEGER NOT NULL
) STRICT;

CREATE INDEX readiness_of_fleet ON readiness (fleet, item, added_at_ms);

CREATE TRIGGER readiness_is_never_changed BEFORE UPDATE ON readiness
BEGIN
    SELECT RAISE (ABORT, 'evidence of readiness is never changed');
END;

CREATE TRIGGER readiness_is_never_removed BEFORE DELETE ON readiness
BEGIN
    SELECT RAISE (ABORT, 'evidence of readiness is never removed');
END;
