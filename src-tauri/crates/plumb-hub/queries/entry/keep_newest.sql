-- removes all but the newest entries of a topic
DELETE FROM entry WHERE topic = ?1 AND seq <=
    (SELECT seq FROM entry WHERE topic = ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2)
