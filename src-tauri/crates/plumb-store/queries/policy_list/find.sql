-- queries/policy_list/find.sql: the number of a list of policies by the digest of its document
SELECT id FROM policy_list WHERE digest = ?1
