SET LOCAL lock_timeout = '5s';

-- One statement sees one moment: the accounts that there are, and what the triggers have counted of them. Nobody has to wait for it, and
-- it may be repeated at any time.
INSERT INTO users.user_counts (role, is_active, n)
SELECT role, is_active, sum(n) FROM (
  SELECT role, is_active, count(*) AS n FROM users.users GROUP BY role, is_active
  UNION ALL SELECT role, is_active, -n FROM users.user_counts) AS missing
GROUP BY role, is_active HAVING sum(n) <> 0;
