-- queries/policy_text/of_content.sql: the texts of one content in the order of its policies
SELECT policy_text.text
FROM content
JOIN json_each(content.text_ids) AS place
JOIN policy_text ON policy_text.id = place.value
WHERE content.digest = ?1
ORDER BY place.key
