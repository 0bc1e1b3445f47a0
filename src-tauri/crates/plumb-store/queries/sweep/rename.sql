-- queries/sweep/rename.sql: names the snapshot of a sweep anew after some of its nodes were looked at again
UPDATE sweep SET snapshot_id = ?2 WHERE id = ?1
