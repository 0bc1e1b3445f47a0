-- entries of a topic, newest first, since a time and before a number; of one subject where one is given
SELECT seq, subject, at_ms, body FROM entry
WHERE topic = ?1 AND at_ms >= ?2 AND seq < ?3 AND (?4 = '' OR subject = ?4) ORDER BY seq DESC LIMIT ?5
