-- Who says that a condition lasts, as JSON; and when a row was kept last, so that whoever follows the inbox reads only
-- what changed.
ALTER TABLE alerts ADD COLUMN told_by TEXT NOT NULL DEFAULT '{}';
ALTER TABLE alerts ADD COLUMN changed_at INTEGER NOT NULL DEFAULT 0;
CREATE INDEX alerts_changed ON alerts (changed_at, alert_ref);
