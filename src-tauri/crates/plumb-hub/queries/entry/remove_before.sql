-- removes older entries of a topic
DELETE FROM entry WHERE topic = ?1 AND at_ms < ?2
