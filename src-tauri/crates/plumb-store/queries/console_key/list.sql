-- queries/console_key/list.sql: the keys that this console signed with, oldest first
SELECT fingerprint, pem, first_used_at_ms FROM console_key ORDER BY first_used_at_ms, fingerprint
