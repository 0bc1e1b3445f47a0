-- queries/journal_state/list.sql: what a run amounted to after each event where that was written down, in order
SELECT s.seq, s.projection, s.state, e.hash
FROM journal_state s
JOIN journal_event e ON e.run_id = s.run_id AND e.seq = s.seq
WHERE s.run_id = ?1
ORDER BY s.seq
