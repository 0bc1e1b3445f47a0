-- Each change of an alert takes the next number, in the turn of whoever writes: whoever updates the row of `alert_feed`
-- keeps others from it until they have committed. So whoever follows the inbox reads what changed in the order in which
-- it was kept, whatever clocks say. `changed_at` is not written any more.
CREATE TABLE alert_feed (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    name TEXT NOT NULL, -- another one where places of before are good for nothing, as after alerts were removed
    last BIGINT NOT NULL -- the number of the newest change
);
ALTER TABLE alerts ADD COLUMN change_number BIGINT NOT NULL DEFAULT 0;
UPDATE alerts SET change_number = o.number
FROM (SELECT alert_ref, row_number() OVER (ORDER BY changed_at, alert_ref) AS number FROM alerts) AS o
WHERE alerts.alert_ref = o.alert_ref;
INSERT INTO alert_feed (id, name, last)
SELECT 1, substr(md5(random()::text || random()::text), 1, 16), count(*) FROM alerts;
DROP INDEX alerts_changed;
CREATE INDEX alerts_change ON alerts (change_number);

-- What people change by hand is heard of as well. The turn is taken after the rows, as by those who write here.
CREATE FUNCTION alerts_changed_by_hand() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    changed TEXT[];
    before BIGINT;
BEGIN
    IF TG_OP = 'INSERT' THEN
        changed := ARRAY(SELECT f.alert_ref FROM fresh f WHERE f.change_number = 0 ORDER BY f.alert_ref);
    ELSE
        changed := ARRAY(
            SELECT f.alert_ref FROM fresh f JOIN past p USING (alert_ref)
            WHERE f.change_number = p.change_number ORDER BY f.alert_ref
        );
    END IF;
    IF cardinality(changed) > 0 THEN
        UPDATE alert_feed SET last = last + cardinality(changed) RETURNING last - cardinality(changed) INTO before;
        UPDATE alerts SET change_number = before + o.number
        FROM unnest(changed) WITH ORDINALITY AS o (alert_ref, number) WHERE alerts.alert_ref = o.alert_ref;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER alerts_added_by_hand AFTER INSERT ON alerts
REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION alerts_changed_by_hand();
CREATE TRIGGER alerts_changed_by_hand AFTER UPDATE ON alerts
REFERENCING OLD TABLE AS past NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION alerts_changed_by_hand();
-- What is gone has no number: whoever knew it begins again.
CREATE FUNCTION alerts_removed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE alert_feed SET name = substr(md5(random()::text || random()::text), 1, 16)
    WHERE EXISTS (SELECT 1 FROM gone);
    RETURN NULL;
END $$;
CREATE TRIGGER alerts_removed AFTER DELETE ON alerts
REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION alerts_removed();
