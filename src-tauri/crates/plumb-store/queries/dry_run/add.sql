-- queries/dry_run/add.sql: keeps what a dry run of a plan found
INSERT INTO dry_run (plan_hash, made_at_ms, digest, document)
VALUES (?1, ?2, ?3, ?4)
