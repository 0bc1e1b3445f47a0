-- How long ago sources had confirmed what nodes run, over the nodes of a sweep that can tell, in seconds; null where none can.
ALTER TABLE sweep ADD COLUMN age_median_s INTEGER;
ALTER TABLE sweep ADD COLUMN age_highest_s INTEGER;
