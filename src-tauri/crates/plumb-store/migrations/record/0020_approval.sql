-- Rosters that were accepted for a fleet, as they came; the newest holds, and none older is accepted again.
CREATE TABLE roster (
    fleet TEXT NOT NULL,
    version INTEGER NOT NULL,
    digest BLOB NOT NULL,
    -- The DSSE envelope, exactly as it came.
    envelope BLOB NOT NULL,
    -- Root keys, version and digest that the next one is judged by.
    pin TEXT NOT NULL,
    accepted_at_ms INTEGER NOT NULL,
    PRIMARY KEY (fleet, version)
) STRICT;

CREATE TRIGGER roster_is_never_changed BEFORE UPDATE ON roster
BEGIN
    SELECT RAISE (ABORT, 'a roster is never changed');
END;

CREATE TRIGGER roster_is_never_removed BEFORE DELETE ON roster
BEGIN
    SELECT RAISE (ABORT, 'a roster is never removed');
END;

-- What approvers were asked about a plan beside itself: the newest request of a plan holds.
CREATE TABLE approval_request (
    id INTEGER PRIMARY KEY,
    plan_hash BLOB NOT NULL REFERENCES plan (hash),
    requested_at_ms INTEGER NOT NULL,
    document TEXT NOT NULL
) STRICT;

CREATE INDEX approval_request_of_plan ON approval_request (plan_hash);

-- Envelopes of approvals, refusals, requests and reviews, as they came. Whether one counts is decided each
-- time it is looked at; what stands beside the envelope is for finding it.
CREATE TABLE approval (
    -- SHA-256 of the signed payload: the same however the envelope is written.
    payload BLOB PRIMARY KEY,
    plan_hash BLOB NOT NULL,
    fleet TEXT NOT NULL,
    person TEXT NOT NULL,
    act TEXT NOT NULL,
    envelope BLOB NOT NULL,
    added_at_ms INTEGER NOT NULL
) STRICT;

CREATE INDEX approval_of_plan ON approval (plan_hash);

CREATE TRIGGER approval_is_never_changed BEFORE UPDATE ON approval
BEGIN
    SELECT RAISE (ABORT, 'an approval is never changed');
END;

CREATE TRIGGER approval_is_never_removed BEFORE DELETE ON approval
BEGIN
    SELECT RAISE (ABORT, 'an approval is never removed');
END;

-- Nonces of approvals that a run was started with.
CREATE TABLE spent_nonce (
    nonce TEXT PRIMARY KEY,
    run_id BLOB NOT NULL REFERENCES run (id)
) STRICT;

-- Rollbacks that were started at night without approvals, and who looked at them afterwards.
CREATE TABLE review (
    run_id BLOB PRIMARY KEY REFERENCES run (id),
    fleet TEXT NOT NULL,
    reason TEXT NOT NULL,
    due_at_ms INTEGER NOT NULL,
    -- The payload of the review in `approval`, once it was given.
    given BLOB
) STRICT;
