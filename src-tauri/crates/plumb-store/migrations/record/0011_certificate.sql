-- Convergence certificates: what every target of a run was seen to run after its end.
CREATE TABLE certificate (
    id INTEGER PRIMARY KEY,
    run_id BLOB NOT NULL REFERENCES run (id),
    fleet TEXT NOT NULL,
    observed_at_ms INTEGER NOT NULL,
    -- Every target stood as the plan wanted it.
    green INTEGER NOT NULL,
    -- The in-toto statement, exactly as signed.
    statement TEXT NOT NULL,
    -- Its DSSE envelope; null where the console had no key.
    envelope TEXT
) STRICT;

CREATE INDEX certificate_of_run ON certificate (run_id, observed_at_ms);
CREATE INDEX certificate_of_fleet ON certificate (fleet, green, observed_at_ms);

CREATE TRIGGER certificate_is_never_changed BEFORE UPDATE ON certificate
BEGIN
    SELECT RAISE (ABORT, 'a certificate is never changed');
END;

CREATE TRIGGER certificate_is_never_removed BEFORE DELETE ON certificate
BEGIN
    SELECT RAISE (ABORT, 'a certificate is never removed');
END;
