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
CREATE UNIQUE INDEX alerts_change ON alerts (change_number);

-- What people change by hand is heard of as well.
CREATE FUNCTION alerts_changed_by_hand() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE alert_feed SET last = last + 1 RETURNING last INTO NEW.change_number;
    RETURN NEW;
END $$;
CREATE TRIGGER alerts_added_by_hand BEFORE INSERT ON alerts
FOR EACH ROW WHEN (NEW.change_number = 0) EXECUTE FUNCTION alerts_changed_by_hand();
CREATE TRIGGER alerts_changed_by_hand BEFORE UPDATE ON alerts
FOR EACH ROW WHEN (NEW.change_number = OLD.change_number) EXECUTE FUNCTION alerts_changed_by_hand();
-- What is gone has no number: whoever knew it begins again.
CREATE FUNCTION alerts_removed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE alert_feed SET name = substr(md5(random()::text || random()::text), 1, 16)
    WHERE EXISTS (SELECT 1 FROM gone);
    RETURN NULL;
END $$;
CREATE TRIGGER alerts_removed AFTER DELETE ON alerts
REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION alerts_removed();
