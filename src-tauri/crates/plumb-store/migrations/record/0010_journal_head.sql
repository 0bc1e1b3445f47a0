-- Heads of journals that were signed: each row says that the first `events` events of a run are as they are.
CREATE TABLE journal_head (
    run_id BLOB NOT NULL REFERENCES run (id),
    events INTEGER NOT NULL,
    -- A DSSE envelope; what it is over can be told from the events.
    envelope TEXT NOT NULL,
    PRIMARY KEY (run_id, events)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER journal_head_is_never_changed BEFORE UPDATE ON journal_head
BEGIN
    SELECT RAISE (ABORT, 'a signed head is never changed');
END;

CREATE TRIGGER journal_head_is_never_removed BEFORE DELETE ON journal_head
BEGIN
    SELECT RAISE (ABORT, 'a signed head is never removed');
END;

-- Public halves of the keys that this console signed with, so that old signatures outlive a lost keyring.
CREATE TABLE console_key (
    fingerprint BLOB PRIMARY KEY,
    pem TEXT NOT NULL,
    first_used_at_ms INTEGER NOT NULL
) STRICT;
