-- queries/spent_nonce/list.sql: nonces of approvals that runs were started with, except those of one run
SELECT nonce FROM spent_nonce WHERE ?1 IS NULL OR run_id != ?1
