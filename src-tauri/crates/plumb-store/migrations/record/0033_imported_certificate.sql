-- Certificates of other consoles, as they came. Whether one proves anything is decided each time it is used.
CREATE TABLE imported_certificate (
    -- SHA-256 of the signed payload.
    digest BLOB PRIMARY KEY,
    fleet TEXT NOT NULL,
    observed_at_ms INTEGER NOT NULL,
    -- The DSSE envelope, exactly as it came.
    envelope TEXT NOT NULL,
    -- The file it came from.
    source TEXT NOT NULL,
    imported_by TEXT NOT NULL,
    imported_at_ms INTEGER NOT NULL
) STRICT;

CREATE INDEX imported_certificate_of_fleet ON imported_certificate (fleet, observed_at_ms);

CREATE TRIGGER imported_certificate_is_never_changed BEFORE UPDATE ON imported_certificate
BEGIN
    SELECT RAISE (ABORT, 'a certificate is never changed');
END;

CREATE TRIGGER imported_certificate_is_never_removed BEFORE DELETE ON imported_certificate
BEGIN
    SELECT RAISE (ABORT, 'a certificate is never removed');
END;

-- Keys of other consoles that somebody here trusts for the certificates of a fleet. The newest of a key counts.
CREATE TABLE trusted_console (
    id INTEGER PRIMARY KEY,
    fleet TEXT NOT NULL,
    -- Fingerprint of the key, and the key itself as one word.
    key_id TEXT NOT NULL,
    public_key TEXT NOT NULL,
    trusted INTEGER NOT NULL,
    decided_by TEXT NOT NULL,
    decided_at_ms INTEGER NOT NULL
) STRICT;

CREATE INDEX trusted_console_of_fleet ON trusted_console (fleet, key_id);
