DROP INDEX CONCURRENTLY IF EXISTS users.idx_users_locale;
--bun:split
CREATE INDEX CONCURRENTLY idx_users_locale ON users.users (locale, created_at DESC);
