-- queries/policy_text/expire.sql: removes a batch of texts that no content holds
DELETE FROM policy_text WHERE id IN (
    SELECT id FROM policy_text
    WHERE id NOT IN (SELECT place.value FROM content JOIN json_each(content.text_ids) AS place)
    LIMIT ?1
)
