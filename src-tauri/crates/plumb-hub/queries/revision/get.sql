-- the number that grows with every change
SELECT number FROM revision WHERE one = 1
