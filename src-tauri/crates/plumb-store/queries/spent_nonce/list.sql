-- queries/spent_nonce/list.sql: nonces of approvals that runs were started with, of a plan's envelopes and others
SELECT nonce FROM spent_nonce
