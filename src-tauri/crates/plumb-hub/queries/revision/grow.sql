-- one change more
UPDATE revision SET number = number + 1 WHERE one = 1
