-- What a run amounted to after each event, as a hash that was written with the event.
CREATE TABLE journal_state (
    run_id BLOB NOT NULL REFERENCES run (id),
    -- Number of the event.
    seq INTEGER NOT NULL,
    -- Version of the fold and of its hash.
    projection INTEGER NOT NULL,
    state BLOB NOT NULL,
    PRIMARY KEY (run_id, seq)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER journal_state_is_never_changed BEFORE UPDATE ON journal_state
BEGIN
    SELECT raise(ABORT, 'journal_state is append-only');
END;

CREATE TRIGGER journal_state_is_never_removed BEFORE DELETE ON journal_state
BEGIN
    SELECT raise(ABORT, 'journal_state is append-only');
END;
