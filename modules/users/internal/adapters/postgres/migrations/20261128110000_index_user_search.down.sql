-- The extension stays: others may use it.
DROP INDEX CONCURRENTLY IF EXISTS users.idx_users_search;
