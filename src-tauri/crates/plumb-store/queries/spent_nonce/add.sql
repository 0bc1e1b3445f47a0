-- queries/spent_nonce/add.sql: remembers that a run was started with an approval; a second time is an error
INSERT INTO spent_nonce (nonce, run_id) VALUES (?1, ?2)
