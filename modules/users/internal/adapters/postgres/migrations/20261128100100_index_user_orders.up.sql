DROP INDEX CONCURRENTLY IF EXISTS users.idx_users_last_name;
--bun:split
CREATE INDEX CONCURRENTLY idx_users_last_name ON users.users (last_name, id);
--bun:split
DROP INDEX CONCURRENTLY IF EXISTS users.idx_users_last_login;
--bun:split
CREATE INDEX CONCURRENTLY idx_users_last_login ON users.users (coalesce(last_login_at, '-infinity'), id);
