-- queries/policy_list/expire.sql: removes a batch of lists that no node and no content names
DELETE FROM policy_list WHERE id IN (
    SELECT id FROM policy_list
    WHERE NOT EXISTS (SELECT 1 FROM node_latest WHERE policy_list_id = policy_list.id)
        AND NOT EXISTS (SELECT 1 FROM content WHERE policy_list_id = policy_list.id)
    LIMIT ?1
)
