-- queries/content/get.sql: order and policies of one content digest
SELECT content.ordering, policy_list.document
FROM content
JOIN policy_list ON policy_list.id = content.policy_list_id
WHERE content.digest = ?1
