DROP INDEX CONCURRENTLY IF EXISTS users.idx_users_last_login;
--bun:split
DROP INDEX CONCURRENTLY IF EXISTS users.idx_users_last_name;
