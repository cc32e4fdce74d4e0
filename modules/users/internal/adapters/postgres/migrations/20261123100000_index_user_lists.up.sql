DROP INDEX CONCURRENTLY IF EXISTS users.idx_users_created_at;
--bun:split
CREATE INDEX CONCURRENTLY idx_users_created_at ON users.users (created_at DESC, id DESC);
--bun:split
DROP INDEX CONCURRENTLY IF EXISTS users.idx_users_role;
--bun:split
CREATE INDEX CONCURRENTLY idx_users_role ON users.users (role, created_at DESC, id DESC);
--bun:split
DROP INDEX CONCURRENTLY IF EXISTS users.idx_users_active_role;
--bun:split
CREATE INDEX CONCURRENTLY idx_users_active_role ON users.users (is_active, role, email_verified, is_organizer);
