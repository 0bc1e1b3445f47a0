-- queries/node_change/forget.sql: removes what is logged of a fleet
DELETE FROM node_change WHERE node_id IN (SELECT id FROM swept_node WHERE fleet_id = ?1)
