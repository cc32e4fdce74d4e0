DROP INDEX CONCURRENTLY IF EXISTS users.idx_users_unverified;
--bun:split
DROP INDEX CONCURRENTLY IF EXISTS users.idx_registrations_expires;
--bun:split
DROP INDEX CONCURRENTLY IF EXISTS users.idx_sessions_over;
