-- The index that is replaced serves until the new one is there. After a crash, what it left as _old or _new serves nobody.
DROP INDEX CONCURRENTLY IF EXISTS users.idx_users_created_at_old;
--bun:split
DROP INDEX CONCURRENTLY IF EXISTS users.idx_users_created_at_new;
--bun:split
CREATE INDEX CONCURRENTLY idx_users_created_at_new ON users.users (created_at DESC, id DESC);
--bun:split
-- transaction: the names change at once
ALTER INDEX IF EXISTS users.idx_users_created_at RENAME TO idx_users_created_at_old;
-- transaction: the names change at once
ALTER INDEX users.idx_users_created_at_new RENAME TO idx_users_created_at;
--bun:split
DROP INDEX CONCURRENTLY IF EXISTS users.idx_users_created_at_old;
--bun:split
DROP INDEX CONCURRENTLY IF EXISTS users.idx_users_role_old;
--bun:split
DROP INDEX CONCURRENTLY IF EXISTS users.idx_users_role_new;
--bun:split
CREATE INDEX CONCURRENTLY idx_users_role_new ON users.users (role, created_at DESC, id DESC);
--bun:split
-- transaction: the names change at once
ALTER INDEX IF EXISTS users.idx_users_role RENAME TO idx_users_role_old;
-- transaction: the names change at once
ALTER INDEX users.idx_users_role_new RENAME TO idx_users_role;
--bun:split
DROP INDEX CONCURRENTLY IF EXISTS users.idx_users_role_old;
--bun:split
DROP INDEX CONCURRENTLY IF EXISTS users.idx_users_active_role_old;
--bun:split
DROP INDEX CONCURRENTLY IF EXISTS users.idx_users_active_role_new;
--bun:split
CREATE INDEX CONCURRENTLY idx_users_active_role_new ON users.users (is_active, role, email_verified, is_organizer);
--bun:split
-- transaction: the names change at once
ALTER INDEX IF EXISTS users.idx_users_active_role RENAME TO idx_users_active_role_old;
-- transaction: the names change at once
ALTER INDEX users.idx_users_active_role_new RENAME TO idx_users_active_role;
--bun:split
DROP INDEX CONCURRENTLY IF EXISTS users.idx_users_active_role_old;
